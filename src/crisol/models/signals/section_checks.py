"""The checks of the three sections against each other, before the first node runs."""

from crisol.core.studies import check_study_names
from crisol.models.signals.data.own_study import study_name
from crisol.models.signals.params import SAMPLE_STUDY, DataParams, ModelParams, TrainParams


def check_sections(data: DataParams, model: ModelParams, train: TrainParams) -> None:
    """Refuse values for a study that does not exist.

    Raises:
        MendableError: names the parameter and the studies there are.
    """
    if data.file and data.register_study == SAMPLE_STUDY:
        named = {"name": study_name(data.file)}  # as own_study.resolved names it
        data = data.model_copy(update={"studies": (data.studies[0].model_copy(update=named),)})
    check_study_names("signals", data, model=model, train=train)
