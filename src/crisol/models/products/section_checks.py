"""The checks of the three sections against each other, before the first node runs."""

from crisol.core.studies import check_study_names
from crisol.models.products.params import DataParams, ModelParams, TrainParams


def check_sections(data: DataParams, model: ModelParams, train: TrainParams) -> None:
    """Refuse a study that is named and is not there.

    Raises:
        MendableError: names the parameter and what there is.
    """
    check_study_names("products", data, model=model, train=train)
