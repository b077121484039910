"""The nodes of `tabular`, with their inputs and outputs."""

from kedro.pipeline import Pipeline

from crisol.pipelines import wiring
from crisol.pipelines.tabular import nodes

_TABLES = ["rows_table", "images_table", "parts_table", "schema_table"]


def create_pipeline() -> Pipeline:
    """The pipeline of `tabular`: a table, texts or pictures → predictor → report → version."""
    return wiring.family_pipeline(
        "tabular",
        wiring.prepare(
            nodes.clean,
            ["source_raw", "params:data"],
            ["rows_table", "schema_table", "images_table"],
        ),
        wiring.prepare(nodes.split, ["rows_table", "schema_table", "params:data"], "parts_table"),
        wiring.fit(
            nodes.fit, _TABLES, also=["leaderboard_table", "forecasts_table", "workers_table"]
        ),
        wiring.evaluate(
            *_TABLES,
            "forecasts_table",
            "leaderboard_table",
            "training_history",
            "params:data",
            "workers_table",
        ),
        wiring.register(nodes.register, more=["schema_table"]),
    )
