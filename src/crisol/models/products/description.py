"""The description in a predictor's manifest, and the output of its models for one request."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from crisol.core.arrays import Floats
from crisol.core.params import Params
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.member import Forecast

Runtime = Literal["torch", "transformers"]


class Description(Params):
    """The family's part of the predictor's manifest."""

    study: str
    products: int = Field(ge=1)
    """Number of training products."""
    currency: str
    """Currency of the training prices; empty where none was learned, or none is named."""
    image_size: int
    pictures: int = Field(ge=0)
    """Number of training products with a picture."""
    rated: int = Field(ge=0)
    """Number of training products with enough votes; 0: no rating is predicted."""
    runtime: Runtime = "torch"
    """``transformers``: the network has a pre-trained encoder, which needs that library too."""


@dataclass(frozen=True, slots=True)
class Output:
    """The models' output for one request.

    Attributes:
        record: the product as the models saw it.
        forecast: one row, joined over the members.
        embedding: [D].
        agreement: cosine of text and picture; NaN where one of them is missing.
    """

    record: ProductRecord
    forecast: Forecast
    embedding: Floats
    agreement: float
