"""The service of `signals` refuses bars of another clock, on both routes."""

import asyncio
import copy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crisol.models.signals.bar_clock import BarClock


@pytest.fixture(scope="module")
def hourly_dir(make_predictor, tmp_path_factory) -> Path:
    """A predictor that knows that its bars are hourly."""
    plain = make_predictor()
    clock = BarClock(interval_s=3600.0, calendar="always", opens_s=(0.0,))
    knowing = type(plain)(
        plain.description.model_copy(update={"clocks": {"binance": clock}}),
        plain.weights,
        plain.familiarity,
    )
    knowing.golden = plain.golden
    return knowing.save(tmp_path_factory.mktemp("hourly") / "predictor")


def later(example: dict[str, Any], hours: list[float]) -> dict[str, Any]:
    """The example, its bars that many hours later."""
    changed = copy.deepcopy(example)
    for bar, more in zip(changed["sequence"], hours, strict=True):
        time = datetime.fromisoformat(bar["timestamp"]) + timedelta(hours=more)
        bar["timestamp"] = time.isoformat()
    return changed


SHIFTS = {
    "bars_interval": ([float(i) for i in range(60)], "sequence.1.timestamp"),
    "bars_hole": ([0.0] * 30 + [1.0] * 30, "sequence.30.timestamp"),
    "bars_clock": ([0.5] * 60, "sequence.0.timestamp"),
}


@pytest.mark.parametrize("kind", SHIFTS)
def test_other_bars_are_refused_with_field_and_fix(
    running, app, hourly_dir, key, example, kind
) -> None:
    hours, field = SHIFTS[kind]
    wrong = later(example, hours)

    async def ask() -> None:
        async with running(app, hourly_dir) as client:
            client.headers["x-api-key"] = key
            good = await client.post("/predict", json=example)
            alone = await client.post("/predict", json=wrong)
            batch = await client.post("/predict/batch", json={"requests": [example, wrong]})
            document = (await client.get("/openapi.json")).json()
        assert good.status_code == 200, good.text
        for answer, prefix in ((alone, ""), (batch, "requests.1.")):
            assert answer.status_code == 422, answer.text
            [detail] = answer.json()["details"]
            assert (detail["field"], detail["type"]) == (prefix + field, kind)
            assert "send" in detail["message"]
        body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
        shown = body["examples"]["example"]["value"]
        assert shown["sequence"][0] == example["sequence"][0]

    asyncio.run(ask())
