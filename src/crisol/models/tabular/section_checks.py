"""The checks of the three sections against each other, before the first node runs.

Most parameters name columns of the file, which only reading it can check. These checks need no
file: the task that the parameters state, the algorithms, the metric and the split.
"""

from crisol.core.errors import MendableError
from crisol.models.tabular.auto.metrics import metric_of
from crisol.models.tabular.params import DataParams, ModelParams, TrainParams
from crisol.models.tabular.settings import TASKS


def check_sections(data: DataParams, model: ModelParams, train: TrainParams) -> None:  # noqa: ARG001
    """Refuse an algorithm, a metric or a column that the other sections rule out.

    Raises:
        MendableError: names the parameter and what is allowed.
    """
    if data.task != "auto":
        automatic = model.algorithm == "auto"
        field = "auto.algorithms" if automatic else "algorithm"
        for name in model.auto.algorithms if automatic else (model.algorithm,):
            if data.task not in TASKS[name]:
                able = ", ".join(other for other, tasks in TASKS.items() if data.task in tasks)
                raise MendableError(
                    f"tabular.model.{field}: {name!r} does not do {data.task} "
                    f"(tabular.data.task); those that do: {able}"
                )
        if automatic:
            try:
                metric_of(data.task, model.auto.metric)
            except MendableError as error:
                raise MendableError(f"tabular.{error}") from None
        if data.task == "clustering" and data.target is not None:
            raise MendableError("tabular.data.target: clustering predicts no column; leave it out")
    roles = {"target": (data.target,) if data.target else (), "ids": data.ids}
    roles["ignore"] = data.ignore
    seen: dict[str, str] = {}
    for role, names in roles.items():
        for name in names:
            if seen.setdefault(name, role) != role:
                raise MendableError(
                    f"tabular.data.{role}: column {name!r} is data.{seen[name]} already"
                )
