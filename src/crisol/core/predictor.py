"""A trained model with everything prediction needs.

A predictor directory holds::

    predictor.json     manifest: family, format, SHA-256 of every other file, the family's entries
    golden.json        requests and the answers the predictor gave when it was made
    ...                weights as safetensors, preprocessing state as plain JSON (never pickle)

The same directory is registered in MLflow, copied into a bundle and loaded from a notebook.
"""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel

from crisol import __version__
from crisol.core.backbone_reference import BackboneReference
from crisol.core.errors import MendableError
from crisol.core.files import file_sha256, replacing_folder

MANIFEST = "predictor.json"
GOLDEN = "golden.json"
FORMAT = 1
UNREGISTERED = "unregistered"

RequestT = TypeVar("RequestT", bound=BaseModel)
ResponseT = TypeVar("ResponseT", bound=BaseModel)


class PredictorError(MendableError):
    """A predictor directory that is missing, changed, or of another format."""


class UnknownRuntimeError(PredictorError):
    """A runtime that the predictor does not have; the message names those it has."""


@dataclass(frozen=True)
class Call:
    """Facts of one call that a response may report and that parity ignores."""

    model_version: str
    inference_time_ms: float
    timestamp: datetime


@dataclass(frozen=True)
class Golden:
    """A request and the answer it got, both as plain JSON."""

    request: dict[str, Any]
    response: dict[str, Any]


class Predictor(ABC, Generic[RequestT, ResponseT]):
    """Prediction in three steps, so that a server can batch the middle one.

    ``encode`` (one request to arrays, any thread) → ``infer`` (a batch through the network) →
    ``decode`` (one output to a response). :meth:`predict` is the three in a row; a service that
    calls the steps itself gives the same answers.
    """

    family: ClassVar[str]
    request_type: ClassVar[type[Any]]
    response_type: ClassVar[type[Any]]
    volatile_fields: ClassVar[frozenset[str]] = frozenset()
    """Names of response fields that two identical calls may answer differently (times, version)."""

    route: ClassVar[str] = "/predict"
    """The path of the family's service that answers a request of ``request_type``."""

    inline_s: ClassVar[float] = 0.0
    """Seconds that a lone row may take in the event loop of a service, instead of its thread.

    Only for a family whose rows all cost the same and never wait; 0: never.
    """

    model_version: str = UNREGISTERED
    golden: tuple[Golden, ...] = ()

    @abstractmethod
    def encode(self, request: RequestT) -> Any:
        """Turn one valid request into an input of :meth:`infer`."""

    @abstractmethod
    def infer(self, encoded: Sequence[Any]) -> Sequence[Any]:
        """Run the network on a batch; one output per input, in order."""

    @abstractmethod
    def decode(self, request: RequestT, output: Any, call: Call) -> ResponseT:
        """Turn one output of :meth:`infer` into the response."""

    @abstractmethod
    def write(self, directory: Path) -> dict[str, Any]:
        """Write weights and state into ``directory``; return further entries of the manifest."""

    @classmethod
    @abstractmethod
    def read(cls, directory: Path, manifest: Mapping[str, Any], runtime: str | None) -> Self:
        """Build the predictor from the files of :meth:`write`.

        ``runtime`` names how to run the network (family-specific, such as ``torch`` or ``onnx``);
        ``None`` takes the one the manifest carries.
        """

    @classmethod
    def packages(cls, runtime: str) -> tuple[str, ...]:  # noqa: ARG003 - for families with several
        """Names of the packages that a service of this predictor installs, beside those of all.

        Every service has :data:`crisol.serving.bundle.requirements.BASE`. ``runtime`` is the one
        that the manifest carries; empty where it carries none.
        """
        return ()

    @property
    def backbones(self) -> tuple[BackboneReference, ...]:
        """The pretrained backbones that it needs beside its own files; by name and digest.

        The manifest records them. :meth:`read` finds them in the store, or raises the store's
        error, which says what is missing and how to bring it.
        """
        return ()

    def predict(self, requests: Sequence[RequestT]) -> list[ResponseT]:
        """Answer every request, in order. ``inference_time_ms`` is that of the whole batch."""
        encoded = [self.encode(request) for request in requests]
        if not encoded:
            return []
        started = time.perf_counter()
        outputs = self.infer(encoded)
        call = Call(
            self.model_version, 1000 * (time.perf_counter() - started), datetime.now(tz=UTC)
        )
        return [
            self.decode(request, output, call)
            for request, output in zip(requests, outputs, strict=True)
        ]

    def record_golden(self, requests: Sequence[RequestT]) -> None:
        """Answer ``requests`` now and keep both as this predictor's golden examples."""
        self.golden = tuple(
            Golden(request.model_dump(mode="json"), response.model_dump(mode="json"))
            for request, response in zip(requests, self.predict(requests), strict=True)
        )

    def replay_golden(self, tolerance: float = 1e-4) -> list[str]:
        """Answer the golden requests again; returns the differences, none at parity."""
        if not self.golden:
            return ["this predictor carries no golden examples"]
        requests = [self.request_type.model_validate(g.request) for g in self.golden]
        differences: list[str] = []
        for index, (golden, response) in enumerate(
            zip(self.golden, self.predict(requests), strict=True)
        ):
            differences += compare_answers(
                golden.response,
                response.model_dump(mode="json"),
                ignore=self.volatile_fields,
                tolerance=tolerance,
                path=f"golden[{index}]",
            )
        return differences

    def save(self, directory: Path | str) -> Path:
        """Write the predictor directory in one step: it is complete or missing."""
        target = Path(directory)
        with replacing_folder(target) as scratch:
            extra = self.write(scratch)
            golden = [{"request": g.request, "response": g.response} for g in self.golden]
            (scratch / GOLDEN).write_text(json.dumps(golden))
            manifest = {
                "family": self.family,
                "format": FORMAT,
                "crisol": __version__,
                "files": {
                    path.relative_to(scratch).as_posix(): file_sha256(path)
                    for path in sorted(scratch.rglob("*"))
                    if path.is_file()
                },
                **extra,
            }
            if self.backbones:
                manifest["backbones"] = [one.to_json() for one in self.backbones]
            (scratch / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True))
        return target

    @classmethod
    def load(cls, directory: Path | str, runtime: str | None = None) -> Self:
        """Read a predictor directory, after checking every file against the manifest.

        Raises:
            PredictorError: the directory is missing, of another family or format, or changed.
        """
        directory = Path(directory)
        manifest = read_manifest(directory)
        if manifest["family"] != cls.family:
            raise PredictorError(
                f"{directory} holds a {manifest['family']!r} predictor, not {cls.family!r}"
            )
        predictor = cls.read(directory, manifest, runtime)
        predictor.golden = tuple(
            Golden(g["request"], g["response"])
            for g in json.loads((directory / GOLDEN).read_text())
        )
        return predictor


def read_manifest(directory: Path | str) -> dict[str, Any]:
    """The manifest of a predictor directory whose files are all there and unchanged.

    Raises:
        PredictorError: no manifest, an unknown format, or a file that differs from its digest.
    """
    directory = Path(directory)
    path = directory / MANIFEST
    if not path.is_file():
        raise PredictorError(f"{directory} is not a predictor directory: {MANIFEST} is missing")
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        manifest["family"], manifest["files"].items()  # missing ones raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise PredictorError(
            f"{path} is damaged, it is not the JSON that a training wrote: take the version from "
            "the registry again, or train anew"
        ) from None
    if manifest.get("format") != FORMAT:
        raise PredictorError(
            f"{path}: format {manifest.get('format')!r} is not {FORMAT}; "
            "load it with the Crisol version that wrote it"
        )
    for name, digest in manifest["files"].items():
        file = directory / name
        if not file.is_file():
            raise PredictorError(f"{directory}: {name} is missing")
        if file_sha256(file) != digest:
            raise PredictorError(f"{directory}: {name} differs from the digest in {MANIFEST}")
    return manifest


def backbones_of(manifest: Mapping[str, Any]) -> tuple[BackboneReference, ...]:
    """The backbones that a predictor's manifest names."""
    return tuple(BackboneReference.from_json(one) for one in manifest.get("backbones", ()))


def check_runtime(runtime: str | None, *known: str) -> None:
    """Refuse a runtime that a predictor does not have; ``None`` asks for none in particular.

    Raises:
        UnknownRuntimeError: it is not one of ``known``.

    >>> check_runtime("onnx", "torch")
    Traceback (most recent call last):
    ...
    crisol.core.predictor.UnknownRuntimeError: no runtime 'onnx'; there is: torch
    """
    if runtime is not None and runtime not in known:
        there = "there is" if len(known) == 1 else "there are"
        raise UnknownRuntimeError(f"no runtime {runtime!r}; {there}: {', '.join(known)}")


def predictor_digest(directory: Path | str) -> str:
    """SHA-256 (hex) of the manifest, which names every other file by its own."""
    return file_sha256(Path(directory) / MANIFEST)


def compare_answers(
    expected: Any,
    actual: Any,
    *,
    ignore: frozenset[str] = frozenset(),
    tolerance: float = 0.0,
    path: str = "$",
) -> list[str]:
    """The differences of two JSON answers, one sentence each.

    Numbers may differ by ``tolerance``, or by that share of the expected one where it is above 1,
    because single precision has seven digits.

    >>> compare_answers({"p": 0.5, "t": 1}, {"p": 0.7, "t": 2}, ignore=frozenset({"t"}))
    ['$.p: 0.5 became 0.7']
    """
    if isinstance(expected, dict) and isinstance(actual, dict):
        differences = [
            f"{path}.{key}: only in one answer" for key in sorted(expected.keys() ^ actual.keys())
        ]
        for key in expected.keys() & actual.keys() - ignore:
            differences += compare_answers(
                expected[key], actual[key], ignore=ignore, tolerance=tolerance, path=f"{path}.{key}"
            )
        return differences
    if isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            return [f"{path}: {len(expected)} items became {len(actual)}"]
        return [
            difference
            for index, (a, b) in enumerate(zip(expected, actual, strict=True))
            for difference in compare_answers(
                a, b, ignore=ignore, tolerance=tolerance, path=f"{path}[{index}]"
            )
        ]
    if _is_number(expected) and _is_number(actual):
        same = abs(expected - actual) <= tolerance * max(1.0, abs(expected))
    else:
        same = expected == actual
    return [] if same else [f"{path}: {expected!r} became {actual!r}"]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
