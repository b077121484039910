from datetime import datetime

from crisol.core.contract import Contract


class Point(Contract):
    x: float
    note: str | None = None


class Request(Contract):
    name: str
    points: tuple[Point, ...]


class Response(Contract):
    name: str
    values: list[float]
    facts: dict[str, float]
    model_version: str
    inference_time_ms: float
    timestamp: datetime


def example_request() -> Request:
    return Request(name="two points", points=(Point(x=1.0), Point(x=2.5, note="half")))
