"""The checks of the three sections against each other, before the first node runs."""

from crisol.core.errors import MendableError
from crisol.core.studies import check_study_names
from crisol.models.products.params import DataParams, ModelParams, TrainParams


def check_sections(data: DataParams, model: ModelParams, train: TrainParams) -> None:
    """Refuse a study or a member that is named and is not there.

    Raises:
        MendableError: names the parameter and what there is.
    """
    check_study_names("products", data, model=model, train=train)
    for study in data.studies:
        members = model.of_study(study.name).members
        missing = [name for name in data.gate_against if name not in members]
        if missing and study.name == data.register_study:
            raise MendableError(
                f"products.data.gate_against: study {study.name!r} does not train "
                f"{missing[0]!r}; products.model.members are: {', '.join(members)}"
            )
