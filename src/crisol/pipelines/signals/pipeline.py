"""The nodes of `signals`, with their inputs and outputs."""

from kedro.pipeline import Pipeline

from crisol.pipelines import wiring
from crisol.pipelines.signals import nodes


def create_pipeline() -> Pipeline:
    """The pipeline of `signals`: bars → samples → predictor → report → registered version."""
    return wiring.family_pipeline(
        "signals",
        wiring.prepare(nodes.clean, ["bars_raw", "params:data"], ["bars_table", "notes_table"]),
        wiring.prepare(nodes.label, ["bars_table", "params:data"], "samples_table"),
        wiring.fit(
            nodes.fit, ["bars_table", "samples_table"], also=["forecasts_table"], more=["champion"]
        ),
        wiring.train(
            nodes.forecast_baselines,
            ["bars_table", "samples_table", "params:data", "params:train"],
            "baseline_forecasts_table",
        ),
        wiring.evaluate(
            "bars_table",
            "samples_table",
            "forecasts_table",
            "baseline_forecasts_table",
            "training_history",
            "params:data",
            "notes_table",
        ),
        wiring.register(),
    )
