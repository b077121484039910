"""The checks of the three sections against each other, before the first node runs."""

from crisol.core.studies import check_study_names
from crisol.models.products.backbones import Backbones
from crisol.models.products.params import DataParams, ModelParams, TrainParams


def check_sections(data: DataParams, model: ModelParams, train: TrainParams) -> None:
    """Refuse a study or a backbone that is named and is not there.

    Raises:
        MendableError: names the parameter and what there is.
        BackboneError: a backbone is not on this machine; names the command that fetches it.
    """
    check_study_names("products", data, model=model, train=train)
    for study in data.studies:
        Backbones.of(model.of_study(study.name).backbones)
