"""The members an ensemble can have, by their names."""

from collections.abc import Mapping
from types import MappingProxyType

from crisol.models.products.member import Member
from crisol.models.products.methods.linear import Linear
from crisol.models.products.methods.neighbours import Neighbours
from crisol.models.products.networks.transformer import Transformer

MEMBERS: Mapping[str, type[Member]] = MappingProxyType(
    {member.name: member for member in (Linear, Neighbours, Transformer)}
)
