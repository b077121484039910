"""The base of all networks of the family: loop, loss, storage, prediction.

Legend: M members of a network that is several, B rows of a batch, O outputs (classes, or 1).
"""

import math
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file as save_tensors
from torch import Tensor, nn

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError
from crisol.core.training.device import choose_device, cpu_threads
from crisol.core.training.loop_params import LoopParams
from crisol.core.training.seeding import preserved_randomness
from crisol.models.tabular.algorithm import Algorithm, Fit, FitContext, OutOfTime
from crisol.models.tabular.features.encoded_rows import Features, Part
from crisol.models.tabular.settings import NetworkSettings

WEIGHTS, INPUTS = "weights.safetensors", "inputs.safetensors"
STEPS_PER_EPOCH, SMALLEST_BATCH = 16, 16
"""Batches become smaller before an epoch has fewer steps than this."""
ROWS_AT_ONCE = 2048
"""Rows of one batch of a prediction."""


class Inputs(Protocol):
    """Fitted on training rows; turns features into tensors."""

    def tensors(self, features: Features) -> dict[str, Tensor]:
        """By name, with the rows first."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays that are stored as safetensors."""


class Network(Algorithm):
    """A network, what feeds it and the scale of what it answers.

    Attributes:
        settings: the algorithm's settings.
        inputs: makes its tensors.
        network: batches of them to answers [M, B, O], logits or standardised numbers.
        outputs: O.
        location: of a number that is answered, with ``spread``: the standardised one times
            ``spread`` plus ``location``; ``None``: it names classes.
        spread: see ``location``.
    """

    settings_type: ClassVar[type[NetworkSettings]]
    rows_at_once: ClassVar[int] = ROWS_AT_ONCE

    def __init__(
        self,
        settings: Any,
        inputs: Any,
        network: nn.Module,
        outputs: int,
        location: float | None = None,
        spread: float = 1.0,
    ) -> None:
        self.settings, self.inputs, self.network = settings, inputs, network
        self.outputs, self.location, self.spread = outputs, location, spread

    @classmethod
    @abstractmethod
    def fit_inputs(cls, settings: Any, features: Features) -> Any:
        """Fit the network's inputs.

        Raises:
            MendableError: these features are not for this network.
        """

    @classmethod
    @abstractmethod
    def build(cls, settings: Any, inputs: Any, outputs: int) -> nn.Module:
        """The network before training."""

    @classmethod
    @abstractmethod
    def read_inputs(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Any:
        """The inputs from :meth:`Inputs.arrays` and :meth:`inputs_state`."""

    @abstractmethod
    def inputs_state(self) -> dict[str, Any]:
        """The parts of the inputs that are not arrays, as JSON."""

    @classmethod
    def fit(cls, settings: Any, train: Part, valid: Part | None, context: FitContext) -> Fit:
        """See :meth:`Algorithm.fit`."""
        from crisol.core.training.loop import (
            NonFiniteLossError,
            StoppedTooSoonError,
            TensorBatches,
            fingerprint,
            seeded,
        )
        from crisol.core.training.loop import train as run

        if train.target is None or len(train) == 0:
            raise MendableError(f"{cls.name}: needs rows with a target to learn from")
        inputs = cls.fit_inputs(settings, train.features)
        location, spread = _scale_of(train.target, context)
        outputs = len(context.classes) if location is None else 1
        with seeded(context.seed, "network"):
            network = cls.build(settings, inputs, outputs)

        def tensors(part: Part) -> dict[str, Tensor]:
            assert part.target is not None
            made: dict[str, Tensor] = inputs.tensors(part.features)
            return made | {"target": _target_tensor(part.target, location, spread)}

        params = loop_params(settings, context, len(train), validated=valid is not None)
        given, held_out = tensors(train), None if valid is None else tensors(valid)
        try:
            result = run(
                network,
                loss=loss,
                train_data=TensorBatches(given, params.batch_size, shuffle=True, seed=context.seed),
                valid_data=None if held_out is None else TensorBatches(held_out, cls.rows_at_once),
                params=params,
                checkpoints=context.checkpoints,
                fingerprint=fingerprint(
                    algorithm=cls.name, settings=settings, train=given, valid=held_out
                )
                if context.checkpoints is not None
                else "",
                label=context.label,
                stop=None if context.deadline is None else lambda: context.seconds_left <= 0,
            )
        except StoppedTooSoonError as error:
            raise OutOfTime(f"{cls.name}: {error}") from error
        except NonFiniteLossError as error:
            raise MendableError(f"{cls.name}: {error}") from error
        fitted = cls(settings, inputs, result.network.cpu(), outputs, location, spread)
        facts = {
            "epochs": float(result.epochs_run),
            "best_epoch": float(result.best_epoch),
            "seconds": result.seconds,
            "weights": float(sum(p.numel() for p in network.parameters())),
        }
        return Fit(fitted, result.history, facts)

    def predict(self, features: Features) -> Floats:
        """See :meth:`Algorithm.predict`."""
        found = [
            self._answer(features.take(slice(start, start + self.rows_at_once)))
            for start in range(0, max(1, len(features)), self.rows_at_once)
        ]
        return np.concatenate(found)

    def _answer(self, features: Features) -> Floats:
        with torch.inference_mode(), cpu_threads(1):
            if len(features) == 0:
                return np.zeros(0 if self.location is not None else (0, self.outputs))
            answers_MBO = self.network(self.inputs.tensors(features)).double()
            if self.location is None:
                probabilities: Floats = answers_MBO.softmax(-1).mean(0).numpy()
                return probabilities
            numbers: Floats = answers_MBO.mean(0).squeeze(-1).numpy()
            return numbers * self.spread + self.location

    def write(self, directory: Path) -> dict[str, Any]:
        """See :meth:`Algorithm.write`."""
        save_tensors(
            {name: tensor.contiguous() for name, tensor in self.network.state_dict().items()},
            directory / WEIGHTS,
        )
        arrays = {name: np.ascontiguousarray(a) for name, a in self.inputs.arrays().items()}
        save_file(arrays, directory / INPUTS)
        return {
            "settings": self.settings.model_dump(mode="json"),
            "inputs": self.inputs_state(),
            "outputs": self.outputs,
            "location": self.location,
            "spread": self.spread,
        }

    @classmethod
    def read(cls, directory: Path, state: Mapping[str, Any]) -> Self:
        """See :meth:`Algorithm.read`."""
        settings = cls.settings_type.model_validate(state["settings"])
        inputs = cls.read_inputs(load_file(directory / INPUTS), state["inputs"])
        with preserved_randomness():  # another thread may be training
            network = cls.build(settings, inputs, state["outputs"])
        network.load_state_dict(load_tensors(directory / WEIGHTS))
        return cls(
            settings, inputs, network.eval(), state["outputs"], state["location"], state["spread"]
        )

    @classmethod
    def packages(cls) -> tuple[str, ...]:
        """See :meth:`Algorithm.packages`."""
        return ("torch",)


def loss(network: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy or squared error: in training each member's own, else of their mean answer."""
    answers_MBO, target_B = network(batch), batch["target"]
    if target_B.is_floating_point():
        numbers_MB = answers_MBO.squeeze(-1)
        if not network.training:
            numbers_MB = numbers_MB.mean(0, keepdim=True)
        squared_error: Tensor = (numbers_MB - target_B).square().mean()
        return squared_error
    if network.training:
        members = len(answers_MBO)
        return F.cross_entropy(answers_MBO.flatten(0, 1), target_B.repeat(members))
    logs_MBO = F.log_softmax(answers_MBO, dim=-1)
    mean_BO = logs_MBO.logsumexp(0) - math.log(len(logs_MBO))
    return F.nll_loss(mean_BO, target_B)


def loop_params(
    settings: NetworkSettings, context: FitContext, rows: int, *, validated: bool
) -> LoopParams:
    """The parameters of the loop: those that were set, else defaults for the network and the rows.

    Raises:
        MendableError: the parameters that were set contradict each other.
    """
    fitting = 2 ** int(math.log2(max(rows / STEPS_PER_EPOCH, SMALLEST_BATCH)))
    chosen: dict[str, Any] = {
        "epochs": settings.epochs,
        "batch_size": min(settings.batch_size, fitting),
        "learning_rate": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        "early_stopping_patience": settings.patience,
    }
    given = context.train.model_fields_set
    if choose_device(context.train.device).device.type == "cpu" and has_matrix_unit():
        chosen["mixed_precision"] = "bf16"
    if "schedule" not in given:
        chosen |= {"schedule": "cosine", "warmup_fraction": 0.05}
    changed = {name: value for name, value in chosen.items() if name not in given}
    changed |= {"seed": context.seed, "cpu_threads": context.threads}
    monitor = context.train.monitor
    if not validated and monitor is not None and monitor.startswith("valid_"):
        changed |= {"monitor": None, "early_stopping_patience": None}
    try:
        return LoopParams.model_validate(
            context.train.model_copy(update=changed).model_dump(
                include=set(LoopParams.model_fields)
            )
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise MendableError(f"train: {first['msg']}") from error


def has_matrix_unit() -> bool:
    """Whether the processor multiplies bf16 matrices faster by far than float32 ones (Intel AMX).

    Without it bf16 is slower. Training takes about half the time with it, at the same quality
    (measured on California housing and Adult); answers are computed in float32 everywhere.
    """
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def _scale_of(target: NDArray[Any], context: FitContext) -> tuple[float | None, float]:
    """Mean and standard deviation of a number to be learned; ``None`` for classes."""
    if context.classes:
        return None, 1.0
    return float(target.mean()), float(target.std()) or 1.0


def _target_tensor(target: NDArray[Any], location: float | None, spread: float) -> Tensor:
    if location is None:
        return torch.from_numpy(np.asarray(target, np.int64))
    return torch.from_numpy(((target - location) / spread).astype(np.float32))
