"""Sizes of the transformer: ``tiny`` for tests, ``base`` for a CPU, ``large`` for a GPU."""

from dataclasses import dataclass

from crisol.models.products.params import NetworkParams, Preset


@dataclass(frozen=True)
class Sizes:
    """The sizes that a preset sets and :class:`NetworkParams` may override."""

    dimensions: int
    heads: int
    own_layers: int
    shared_layers: int
    feedforward: int
    patch: int
    embedding: int
    terms: int


PRESETS: dict[Preset, Sizes] = {
    "tiny": Sizes(
        dimensions=32, heads=2, own_layers=1, shared_layers=1, feedforward=64, patch=16,
        embedding=32, terms=2048,
    ),
    "base": Sizes(
        dimensions=128, heads=4, own_layers=1, shared_layers=2, feedforward=256, patch=8,
        embedding=128, terms=32_768,
    ),
    "large": Sizes(
        dimensions=1024, heads=16, own_layers=3, shared_layers=3, feedforward=2048, patch=8,
        embedding=512, terms=32_768,
    ),
}  # fmt: skip


def sizes(params: NetworkParams) -> Sizes:
    """The sizes of the preset (``base`` if unset), overridden by those that are not ``None``."""
    preset = PRESETS[params.preset or "base"]
    chosen = {name: getattr(params, name) for name in Sizes.__dataclass_fields__}
    return Sizes(
        **{n: getattr(preset, n) if value is None else value for n, value in chosen.items()}
    )
