"""The predictor: encoder, ensemble, and training rows that explanations compare with.

A bundle loads this module: it needs numpy, and what the ensemble's members need.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self, get_args

import numpy as np
from pydantic import BaseModel
from safetensors.numpy import load_file, save_file

from crisol.core.arrays import Floats
from crisol.core.backbone_reference import BackboneReference
from crisol.core.errors import FieldError
from crisol.core.predictor import Call, Predictor, check_runtime
from crisol.models.tabular.answers.explanation import Explainer, Shares
from crisol.models.tabular.answers.notices import notices
from crisol.models.tabular.contract import (
    MAX_EXPLAINED,
    ClassPrediction,
    ClusterPrediction,
    Explanation,
    Notice,
    NumberPrediction,
    PredictionRequest,
    PredictionResponse,
    contract_of,
)
from crisol.models.tabular.ensemble import Ensemble
from crisol.models.tabular.features.encoded_rows import Features
from crisol.models.tabular.features.encoder import Encoder
from crisol.models.tabular.schema import Schema

BACKGROUND_ROWS = 64
"""Training rows kept to explain answers by."""
ENCODER = "encoder.json"
ENSEMBLE = "ensemble"
BACKGROUND = "background.safetensors"
NUMPY = "numpy"


@dataclass(frozen=True, slots=True)
class Encoded:
    """The rows of one request, and whether to say why."""

    features: Features
    explain: bool


@dataclass(frozen=True, slots=True)
class Output:
    """The ensemble's answers to one request of N rows.

    Attributes:
        answers: probabilities [N, K], numbers [N] or clusters [N].
        features: the encoded rows.
        shares: the explanation of each row, if the request asks for explanations.
    """

    answers: Floats
    features: Features
    shares: tuple[Shares, ...] | None


def encode_rows(encoder: Encoder, rows: Sequence[Mapping[str, Any]]) -> Features:
    """Rows as they are sent to what the ensemble sees.

    Raises:
        FieldError: a picture that cannot be read.
    """
    pictures = [c.name for c in encoder.schema.of_kind("image")]
    if pictures:
        rows = [_with_pixels(row, at, pictures, encoder.image_size) for at, row in enumerate(rows)]
    return encoder.transform_rows(rows)


def _with_pixels(
    row: Mapping[str, Any], at: int, pictures: Sequence[str], size: int
) -> dict[str, Any]:
    from crisol.core.data.pictures import decode_base64

    pixels = {
        name: decode_base64(row[name], size, f"rows.{at}.{name}").pixels
        for name in pictures
        if row.get(name) is not None
    }
    return {**row, **pixels}


class TabularPredictor(Predictor[Any, Any]):
    """Answers rows of the columns it was trained on.

    Args:
        encoder: fitted on the training rows, whose schema (``encoder.schema``) makes the contract.
        ensemble: what answers.
        background: encoded training rows, of which the first :data:`BACKGROUND_ROWS` are kept.
        dataset: what the data is called.
    """

    family = "tabular"
    request_type: ClassVar[type[BaseModel]] = PredictionRequest
    response_type: ClassVar[type[BaseModel]] = PredictionResponse
    volatile_fields = frozenset({"model_version"})

    @classmethod
    def packages(cls, runtime: str) -> tuple[str, ...]:
        """The packages that the runtime names, joined by ``+`` (:attr:`runtime`)."""
        return tuple(name for name in runtime.split("+") if name != NUMPY)

    def __init__(
        self, encoder: Encoder, ensemble: Ensemble, background: Features, *, dataset: str = ""
    ) -> None:
        self.encoder, self.ensemble, self.dataset = encoder, ensemble, dataset
        self.background = background.take(slice(0, BACKGROUND_ROWS))
        self.contract = contract_of(encoder.schema)
        self.request_type = self.contract.request  # type: ignore[misc]
        self.response_type = self.contract.response  # type: ignore[misc]
        (self._answer_type,) = get_args(self.response_type.model_fields["predictions"].annotation)
        self._pictures = [c.name for c in self.schema.of_kind("image")]

    @property
    def schema(self) -> Schema:
        """The columns, with the statistics of the training rows."""
        return self.encoder.schema

    @property
    def classes(self) -> tuple[str, ...]:
        """The K classes, in the order of the probabilities; empty where none are answered."""
        return self.schema.classes

    @property
    def has_pictures(self) -> bool:
        """Whether rows hold pictures, which take long to decode."""
        return bool(self._pictures)

    @property
    def runtime(self) -> str:
        """The packages that answering needs beside numpy, joined by ``+``."""
        pillow = {"pillow"} if self._pictures else set()
        sentences = {"onnxruntime", "tokenizers"} if self.backbones else set()
        return "+".join(sorted({*self.ensemble.packages(), *pillow, *sentences})) or NUMPY

    @property
    def backbones(self) -> tuple[BackboneReference, ...]:
        """The backbone of the sentence vectors; see :attr:`Predictor.backbones`."""
        return () if self.encoder.sentences is None else (self.encoder.sentences,)

    @cached_property
    def explainer(self) -> Explainer:
        """Explains answers of the whole ensemble."""
        return Explainer(self.ensemble.predict, self.background, self.encoder.columns)

    def encode(self, request: Any) -> Encoded:
        """Rows to features.

        Raises:
            FieldError: a picture that cannot be read, or too many rows to be explained.
        """
        explain = bool(getattr(request, "explain", None))
        if explain and len(request.rows) > MAX_EXPLAINED:
            message = f"explains at most {MAX_EXPLAINED} rows; there are {len(request.rows)}"
            raise FieldError("explain", message, "too_many_rows")
        return Encoded(encode_rows(self.encoder, request.rows), explain)

    def infer(self, encoded: Sequence[Encoded]) -> list[Output]:
        """All rows of all requests in one pass; explanations one by one."""
        answers = self.ensemble.predict(Features.stack([one.features for one in encoded]))
        ends = np.cumsum([len(one.features) for one in encoded])[:-1]
        return [
            Output(part, one.features, self._explain(one))
            for one, part in zip(encoded, np.split(answers, ends), strict=True)
        ]

    def _explain(self, encoded: Encoded) -> tuple[Shares, ...] | None:
        if not encoded.explain:
            return None
        rows = [encoded.features.take(slice(at, at + 1)) for at in range(len(encoded.features))]
        return tuple(self.explainer.explain(row) for row in rows)

    def decode(self, request: Any, output: Output, call: Call) -> BaseModel:
        """Answers to the response of the task."""
        found = notices(self.schema, request.rows, output.features)
        response: BaseModel = self.response_type(
            predictions=[self._answer(output, at, told) for at, told in enumerate(found)],
            model_version=call.model_version,
        )
        return response

    def _answer(
        self, output: Output, at: int, told: list[Notice]
    ) -> ClassPrediction | NumberPrediction | ClusterPrediction:
        answer = output.answers[at]
        shares = None if output.shares is None else output.shares[at]
        if self.schema.task == "clustering":
            clustered: ClusterPrediction = self._answer_type(cluster=int(answer), warnings=told)
            return clustered
        if self.schema.task == "regression":
            number: NumberPrediction = self._answer_type(
                prediction=float(answer),
                explanation=self._explanation(shares, None),
                warnings=told,
            )
            return number
        best = int(answer.argmax())
        predicted: ClassPrediction = self._answer_type(
            prediction=self.classes[best],
            probabilities=dict(zip(self.classes, answer.tolist(), strict=True)),
            explanation=self._explanation(shares, best),
            warnings=told,
        )
        return predicted

    def _explanation(self, shares: Shares | None, best: int | None) -> Explanation | None:
        if shares is None:
            return None
        at = () if best is None else (best,)
        columns = shares.columns[(slice(None), *at)]
        named = zip(self.encoder.columns, columns.tolist(), strict=True)
        return Explanation(
            base=float(shares.base[at]),
            contributions=dict(sorted(named, key=lambda pair: -abs(pair[1]))),
        )

    def write(self, directory: Path) -> dict[str, Any]:
        """The encoder as JSON, each member in its own folder, the background as safetensors."""
        (directory / ENCODER).write_text(json.dumps(self.encoder.to_json()), encoding="utf-8")
        (directory / ENSEMBLE).mkdir()
        state = self.ensemble.write(directory / ENSEMBLE)
        background = self.background
        arrays = {"numbers": background.numbers, "codes": background.codes}
        if background.images is not None:
            arrays["images"] = background.images
        if background.vectors is not None:
            arrays["vectors"] = background.vectors
        save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, directory / BACKGROUND)
        return {
            "task": self.schema.task,
            "dataset": self.dataset,
            "runtime": self.runtime,
            "ensemble": state,
            "background_texts": background.texts.tolist(),
        }

    @classmethod
    def read(cls, directory: Path, manifest: Mapping[str, Any], runtime: str | None) -> Self:
        """See :meth:`Predictor.read`; there is one runtime, that of the members.

        Raises:
            PredictorError: another runtime is asked for.
            BackboneError: the backbone of the sentence vectors is missing or changed.
        """
        check_runtime(runtime, manifest["runtime"])
        state = json.loads((directory / ENCODER).read_text(encoding="utf-8"))
        encoder = Encoder.from_json(state)
        ensemble = Ensemble.read(directory / ENSEMBLE, manifest["ensemble"])
        arrays = load_file(directory / BACKGROUND)
        empty = encoder.transform_rows([])
        background = Features(
            numbers=arrays["numbers"],
            codes=arrays["codes"],
            texts=np.array(manifest["background_texts"], dtype=object).reshape(
                len(arrays["numbers"]), len(empty.text_names)
            ),
            images=arrays.get("images"),
            number_names=empty.number_names,
            code_names=empty.code_names,
            cardinalities=empty.cardinalities,
            text_names=empty.text_names,
            vectors=arrays.get("vectors"),
            vector_owners=empty.vector_owners,
        )
        return cls(encoder, ensemble, background, dataset=manifest["dataset"])
