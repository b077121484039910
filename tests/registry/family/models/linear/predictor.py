import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from crisol.models.linear.contract import Request, Response

from crisol.core.predictor import Call, Predictor


class LinePredictor(Predictor[Request, Response]):
    family = "linear"
    request_type = Request
    response_type = Response
    volatile_fields = frozenset({"model_version", "inference_time_ms", "timestamp"})

    def __init__(self, slope: float, offset: float) -> None:
        self.slope, self.offset = slope, offset

    def encode(self, request: Request) -> Any:
        return np.array([point.x for point in request.points])

    def infer(self, encoded: Sequence[Any]) -> Sequence[Any]:
        return [self.slope * x + self.offset for x in encoded]

    def decode(self, request: Request, output: Any, call: Call) -> Response:
        return Response(
            name=request.name,
            values=output.tolist(),
            facts={"slope": self.slope},
            model_version=call.model_version,
            inference_time_ms=call.inference_time_ms,
            timestamp=call.timestamp,
        )

    def write(self, directory: Path) -> dict[str, Any]:
        line = {"slope": self.slope, "offset": self.offset}
        (directory / "line.json").write_text(json.dumps(line))
        return {}

    @classmethod
    def read(cls, directory: Path, manifest: Mapping[str, Any], runtime: str | None) -> Self:
        return cls(**json.loads((directory / "line.json").read_text()))
