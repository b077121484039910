"""The checks of the three sections against each other, before the first node runs."""

from crisol.core.studies import check_study_names
from crisol.models.signals.params import DataParams, ModelParams, TrainParams


def check_sections(data: DataParams, model: ModelParams, train: TrainParams) -> None:
    """Refuse values for a study that does not exist.

    Raises:
        MendableError: names the parameter and the studies there are.
    """
    check_study_names("signals", data, model=model, train=train)
