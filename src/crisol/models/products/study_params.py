"""Which products a study takes, how they are divided, and what is learned of them."""

from typing import Annotated, Literal

from pydantic import Field, Strict

from crisol.core.params import Params
from crisol.core.studies import Study


class CrossValidation(Params):
    """Every product is tested once; folds have the same share of each main category."""

    kind: Literal["cross_validation"] = "cross_validation"
    folds: int = Field(default=5, ge=2)
    seed: int = Field(default=0, ge=0)


class RandomSplit(Params):
    """A share of the products, drawn at random, is tested."""

    kind: Literal["random"] = "random"
    test_share: float = Field(default=0.2, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)


class GivenSplit(Params):
    """Rows whose column ``part`` says ``test`` are tested, the others are training."""

    kind: Literal["given"] = "given"


Names = Annotated[tuple[str, ...], Strict(False)]


class StudyParams(Study):
    """A catalogue, or several at once."""

    sources: Names = ()
    """Of the column ``source``; empty: every product."""
    helped_by: Names = ()
    """Sources whose products are trained on beside the study's own and never tested: their
    pictures, prices and ratings teach; their categories, which are others, do not."""
    split: Annotated[CrossValidation | RandomSplit | GivenSplit, Field(discriminator="kind")] = (
        Field(default_factory=RandomSplit)
    )
    deduplicate: bool = True
    """Keep the first of the products whose titles are the same."""
    category_levels: Literal[1, 2] = 2
    """How many levels of the category are told apart."""
    min_category_rows: int = Field(default=5, ge=1)
    """Leaves with fewer training products are not learned; such products have no category."""
    hide_category_words: bool = False
    """Take the words of a product's category out of its title: is the rest enough?"""
    min_votes: int = Field(default=20, ge=1)
    """A product's rating counts from so many votes on."""
    refit: Names = ("linear", "neighbours", "transformer")
    """Members that learn again from every training product once the blend is known; the others stay
    as they were fitted without the rows that taught the blend."""
    blend_share: float = Field(default=0.15, gt=0, lt=0.5)
    """Of the training products: held out from the members to learn how to weigh them."""
    min_task_rows: int = Field(default=40, ge=10)
    """A head is trained when so many training products say what it should answer."""
