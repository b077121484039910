"""The parameters of a study: its products, their split, and the tasks that are learned."""

from typing import Annotated, Literal

from pydantic import Field, Strict

from crisol.core.params import Count, Params, Seed
from crisol.core.studies import Study


class CrossValidation(Params):
    """Cross-validation, stratified by main category: every product is tested once."""

    kind: Literal["cross_validation"] = "cross_validation"
    folds: Count = Field(default=5, ge=2)
    seed: Seed = 0


class RandomSplit(Params):
    """A random share of the products is tested."""

    kind: Literal["random"] = "random"
    test_share: float = Field(default=0.2, gt=0, lt=1)
    seed: Seed = 0


class GivenSplit(Params):
    """Rows whose column ``part`` is ``test`` are tested, the others are training rows."""

    kind: Literal["given"] = "given"


Names = Annotated[tuple[str, ...], Strict(False)]


class StudyParams(Study):
    """A study of one catalogue or several."""

    sources: Names = ()
    """Values of the column ``source``; empty: every product."""
    helped_by: Names = ()
    """Sources whose products are added to the training products and are never tested. Their
    pictures, prices and ratings are learned from; their categories differ and are not."""
    split: Annotated[CrossValidation | RandomSplit | GivenSplit, Field(discriminator="kind")] = (
        Field(default_factory=RandomSplit)
    )
    deduplicate: bool = True
    """Keep only the first of several products with the same title."""
    category_levels: Literal[1, 2] = 2
    """Levels of the category that are predicted."""
    min_category_rows: Count = Field(default=5, ge=1)
    """Least number of training products of a leaf; with fewer, its products have no category."""
    hide_category_words: bool = False
    """Remove the words of a product's category from its title, to test on the remaining words."""
    min_votes: Count = Field(default=20, ge=1)
    """Least number of votes for a rating to count."""
    refit: Names = ("linear", "neighbours", "transformer")
    """Members that are fitted again on every training product once the blend is known; the others
    stay as they were fitted, without the rows that the blend was fitted on."""
    blend_share: float = Field(default=0.15, gt=0, lt=0.5)
    """Share of the training products that is held out from the members to fit the blend."""
    min_task_rows: Count = Field(default=40, ge=10)
    """Least number of training products with a known answer for a head to be trained."""
