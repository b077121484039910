"""The checks of the three sections against each other, before the first node runs."""

from crisol.core.errors import MendableError
from crisol.core.studies import check_study_names
from crisol.models.recommender.method_params import PLACES_ITEMS
from crisol.models.recommender.params import DataParams, ModelParams, TrainParams


def check_sections(data: DataParams, model: ModelParams, train: TrainParams) -> None:
    """Refuse a study or a method that is named and is not there.

    Raises:
        MendableError: names the parameter and what there is.
    """
    study = data.register_study
    check_study_names("recommender", data, model=model, train=train)
    methods = model.of_study(study)
    if not set(PLACES_ITEMS) & set(methods.hybrid_methods):
        raise MendableError(
            f"recommender.model: the hybrid of study {study!r} finds no similar items, since none "
            f"of its methods places items in a space; add one of: {', '.join(PLACES_ITEMS)}"
        )
