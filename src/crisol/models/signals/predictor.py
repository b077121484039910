"""The trained predictor: features, network members, calibration and familiarity of the bars.

Weights, statistics and exported networks are safetensors, JSON and ONNX. Only the ``torch`` runtime
and :meth:`SignalsPredictor.attention` import torch.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from pydantic import Field, Strict
from safetensors.numpy import load_file, save_file

from crisol.core.params import Params
from crisol.core.predictor import (
    Call,
    Predictor,
    UnknownRuntimeError,
    check_runtime,
)
from crisol.models.signals.answers.familiarity import Familiarity
from crisol.models.signals.answers.risk import assess
from crisol.models.signals.answers.times import refuse
from crisol.models.signals.bar_clock import NOTHING, BarClock, Finding
from crisol.models.signals.contract import (
    CRYPTO_EXCHANGES,
    SIGNALS,
    Prediction,
    PredictionRequest,
    PredictionResponse,
    Probabilities,
    example_request,
)
from crisol.models.signals.data.price_jumps import splits
from crisol.models.signals.features import trend_strength, volatility
from crisol.models.signals.network_params import RUNTIMES, NetworkParams, Runtime
from crisol.models.signals.networks.runners import ONNX_FILES, Run, onnx_runner, torch_runner
from crisol.models.signals.request_arrays import RequestArrays
from crisol.models.signals.window_inputs import window_inputs

if TYPE_CHECKING:
    from crisol.models.signals.networks.ensemble import Ensemble
    from crisol.models.signals.networks.member import MemberNetwork

logger = logging.getLogger(__name__)

WEIGHTS = "weights.safetensors"
STATE = "state.safetensors"


class Description(Params):
    """The predictor's part of its manifest."""

    study: str
    network: NetworkParams
    members: int = Field(ge=1)
    temperature: float = Field(gt=0)
    offset: Annotated[tuple[float, float, float], Strict(False)] = (0.0, 0.0, 0.0)
    """Taken from the logits of sell, hold and buy before the softmax."""
    runtime: Runtime
    trained_until: str
    """Timestamp of the newest bar that training or validation saw (ISO 8601)."""
    clocks: dict[str, BarClock] = Field(default_factory=dict)
    """When the bars of each exchange open; empty in predictors of before they were learned, which
    take any bars."""
    trainable_share: float = Field(default=1.0, gt=0, le=1)
    """Share of the parameters that learned; below 1 after transfer with frozen layers."""


@dataclass(frozen=True, slots=True)
class Output:
    """A result of ``infer``: probabilities [C] and the figures that the risk needs."""

    probabilities_C: np.ndarray
    volatility: float
    trend_strength: float
    unfamiliarity: float
    split: tuple[int, float] | None
    unsure: tuple[Finding, ...]


@dataclass(frozen=True)
class Record:
    """Forecasts made before the answer was known: the row ids and the class given to each."""

    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    classes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


class SignalsPredictor(Predictor[PredictionRequest, PredictionResponse]):
    """Sell, hold or buy for the bar after the newest of 60.

    Args:
        description: the manifest's part.
        weights: per member, ``"<member>.<parameter>"`` to array.
        familiarity: what training windows look like.
        record: the out-of-sample forecasts of the training protocol; a later candidate is compared
            with them row by row, which the served weights (trained on more data) could not do
            fairly for earlier folds.
        exported: ONNX networks by runtime.
    """

    family = "signals"
    request_type = PredictionRequest
    response_type = PredictionResponse
    volatile_fields = frozenset({"model_version", "inference_time_ms", "timestamp"})
    inline_s = 0.002

    @classmethod
    def packages(cls, runtime: str) -> tuple[str, ...]:
        """Torch, or ONNX Runtime, whose packages take a quarter of the disk space."""
        return ("torch",) if runtime == "torch" else ("onnxruntime",)

    def __init__(
        self,
        description: Description,
        weights: Mapping[str, np.ndarray],
        familiarity: Familiarity,
        *,
        record: Record | None = None,
        exported: Mapping[Runtime, bytes] | None = None,
    ) -> None:
        self.description = description
        self.weights = dict(weights)
        self.familiarity = familiarity
        self.record = record or Record()
        self.exported = dict(exported or {})
        self._ensemble: Ensemble | None = None
        self._run = self.runner(description.runtime)

    @classmethod
    def from_networks(
        cls,
        networks: Sequence[MemberNetwork],
        familiarity: Familiarity,
        *,
        study: str,
        clocks: Mapping[str, BarClock] | None = None,
        temperature: float = 1.0,
        offset: tuple[float, float, float] = (0.0, 0.0, 0.0),
        trained_until: str = "",
        trainable_share: float = 1.0,
        record: Record | None = None,
    ) -> Self:
        """A predictor of these members, run by torch."""
        weights = {
            f"{index}.{name}": value.detach().cpu().numpy().copy()
            for index, network in enumerate(networks)
            for name, value in network.state_dict().items()
        }
        description = Description(
            study=study,
            network=networks[0].params,
            members=len(networks),
            temperature=temperature,
            offset=offset,
            runtime="torch",
            trained_until=trained_until,
            clocks=dict(clocks or {}),
            trainable_share=trainable_share,
        )
        return cls(description, weights, familiarity, record=record)

    def with_runtime(self, runtime: Runtime, exported: Mapping[Runtime, bytes]) -> Self:
        """The same predictor carrying ``exported`` networks and run by ``runtime``."""
        description = self.description.model_copy(update={"runtime": runtime})
        twin = type(self)(
            description, self.weights, self.familiarity, record=self.record, exported=exported
        )
        twin.model_version, twin.golden = self.model_version, self.golden
        return twin

    def encode(self, request: PredictionRequest | RequestArrays) -> RequestArrays:
        """One request to its bars; everything else is cheaper for a whole batch at once.

        Raises:
            FieldError: a bar is missing, or the bars are of another interval or clock than those of
                training.
        """
        arrays = request if isinstance(request, RequestArrays) else RequestArrays.of(request)
        clock = self._clock_of(arrays.exchange)
        if clock is None:
            return arrays
        found = clock.inspect(arrays.seconds_N)
        if found is NOTHING:
            return arrays
        if found.wrong:
            refuse(found.wrong[0], arrays.seconds_N)
        return replace(arrays, unsure=found.unsure)

    def _clock_of(self, exchange: str) -> BarClock | None:
        """The clock of an exchange, or of another of its kind where training had none of it."""
        clocks = self.description.clocks
        if exchange in clocks or not clocks:
            return clocks.get(exchange)
        kind = exchange in CRYPTO_EXCHANGES
        alike = [clocks[name] for name in clocks if (name in CRYPTO_EXCHANGES) is kind]
        return (alike or list(clocks.values()))[0]

    def example_request(self) -> PredictionRequest:
        """A request that this predictor answers: made-up bars, or a golden example's."""
        if self.golden and self.description.clocks:
            return PredictionRequest.model_validate(self.golden[0].request)
        return example_request()

    def windows(self, bars_BN5: np.ndarray, seconds_BN: np.ndarray) -> np.ndarray:
        """Convert bars to the inputs of the network, float32 [B, T, F]."""
        network = self.description.network
        return window_inputs(bars_BN5, seconds_BN, network.steps, network.features)

    def infer(self, encoded: Sequence[RequestArrays]) -> list[Output]:
        """Features, network and the figures the risk needs, for a batch of encoded requests."""
        bars_BN5 = np.stack([one.bars_N5 for one in encoded])
        windows_BTF = self.windows(bars_BN5, np.stack([one.seconds_N for one in encoded]))
        return [
            Output(*row)
            for row in zip(
                self._run(windows_BTF),
                volatility(bars_BN5).tolist(),
                trend_strength(bars_BN5).tolist(),
                self.familiarity.distances(windows_BTF).tolist(),
                splits(bars_BN5),
                [one.unsure for one in encoded],
                strict=True,
            )
        ]

    def decode(
        self, request: PredictionRequest | RequestArrays, output: Output, call: Call
    ) -> PredictionResponse:
        """Probabilities and figures to the response."""
        total = float(output.probabilities_C.sum())  # 1 but for float32 rounding
        sell, hold, buy = (float(p) / total for p in output.probabilities_C)
        best = int(output.probabilities_C.argmax())
        confidence = (sell, hold, buy)[best]
        return PredictionResponse(
            prediction=Prediction(
                signal=SIGNALS[best],
                confidence=confidence,
                probabilities=Probabilities(sell=sell, hold=hold, buy=buy),
                symbol=request.symbol,
                exchange=request.exchange,
                model_version=call.model_version,
                inference_time_ms=call.inference_time_ms,
                timestamp=call.timestamp,
            ),
            risk=assess(
                SIGNALS[best],
                confidence,
                output.volatility,
                output.trend_strength,
                output.unfamiliarity,
                self.familiarity.limit,
                output.split,
                output.unsure,
            ),
        )

    def probabilities(self, windows_BTF: np.ndarray, *, batch: int = 2048) -> np.ndarray:
        """Probabilities [B, C] of many windows by the predictor's runtime."""
        parts = [
            self._run(windows_BTF[start : start + batch])
            for start in range(0, len(windows_BTF), batch)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(SIGNALS)))

    def attention(self, windows_BTF: np.ndarray) -> np.ndarray:
        """The members' mean attention weights [B, T]; they sum to 1 over time."""
        import torch

        with torch.inference_mode():
            weights: np.ndarray = self.ensemble().attention(torch.from_numpy(windows_BTF)).numpy()
        return weights

    def ensemble(self) -> Ensemble:
        """The members as one torch module in evaluation mode."""
        if self._ensemble is None:
            from crisol.models.signals.networks.ensemble import Ensemble

            members = [self.network(index) for index in range(self.description.members)]
            self._ensemble = Ensemble(
                members, self.description.temperature, self.description.offset
            ).eval()
        return self._ensemble

    def network(self, member: int) -> MemberNetwork:
        """A fresh copy of one member, in evaluation mode."""
        import torch

        from crisol.core.training.seeding import preserved_randomness
        from crisol.models.signals.networks.architectures import make_network

        with preserved_randomness():  # another thread may be training
            network = make_network(self.description.network)
        prefix = f"{member}."
        network.load_state_dict(
            {
                name.removeprefix(prefix): torch.from_numpy(value.copy())
                for name, value in self.weights.items()
                if name.startswith(prefix)
            }
        )
        return network.eval()

    def runner(self, runtime: Runtime) -> Run:
        """The function that computes probabilities from windows with ``runtime``.

        Raises:
            UnknownRuntimeError: there is no such one, or this predictor was not exported for it.
        """
        check_runtime(runtime, *RUNTIMES)
        if runtime == "torch":
            return torch_runner(self.ensemble())
        if runtime not in self.exported:
            raise UnknownRuntimeError(
                f"this predictor holds no {ONNX_FILES[runtime]}; train with "
                "signals.model.serve.export: true, or load it with the runtime 'torch'"
            )
        return onnx_runner(self.exported[runtime], one_by_one=runtime == "int8")

    def write(self, directory: Path) -> dict[str, Any]:
        """Weights, statistics, record and exported networks."""
        save_file(
            {k: np.ascontiguousarray(v) for k, v in self.weights.items()}, directory / WEIGHTS
        )
        save_file(
            {
                "familiarity.mean": self.familiarity.mean,
                "familiarity.scale": self.familiarity.scale,
                "familiarity.whiten": np.ascontiguousarray(self.familiarity.whiten),
                "familiarity.limit": np.array([self.familiarity.limit]),
                "record.rows": self.record.rows,
                "record.classes": self.record.classes,
            },
            directory / STATE,
        )
        for runtime, content in self.exported.items():
            (directory / ONNX_FILES[runtime]).write_bytes(content)
        return self.description.model_dump(mode="json")

    @classmethod
    def read(cls, directory: Path, manifest: Mapping[str, Any], runtime: str | None) -> Self:
        """See :meth:`Predictor.read`; ``runtime`` is ``torch``, ``onnx`` or ``int8``."""
        described = {name: manifest[name] for name in Description.model_fields if name in manifest}
        check_runtime(runtime, *RUNTIMES)
        if runtime is not None:
            described["runtime"] = runtime
        if not described.get("clocks"):
            logger.warning(
                "%s was trained before predictors knew the interval of their bars: it takes bars "
                "of any; train it again",
                directory,
            )
        state = load_file(directory / STATE)
        return cls(
            Description.model_validate(described),
            load_file(directory / WEIGHTS),
            Familiarity(
                state["familiarity.mean"],
                state["familiarity.scale"],
                state["familiarity.whiten"],
                float(state["familiarity.limit"][0]),
            ),
            record=Record(state["record.rows"], state["record.classes"]),
            exported={
                name: (directory / file).read_bytes()
                for name, file in ONNX_FILES.items()
                if (directory / file).is_file()
            },
        )
