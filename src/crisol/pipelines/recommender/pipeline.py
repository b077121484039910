"""The nodes of `recommender`, with their inputs and outputs."""

from kedro.pipeline import Pipeline

from crisol.pipelines import wiring
from crisol.pipelines.recommender import nodes


def create_pipeline() -> Pipeline:
    """The pipeline of `recommender`: events → interactions → predictor → report → version."""
    return wiring.family_pipeline(
        "recommender",
        wiring.prepare(
            nodes.clean,
            ["events_raw", "items_raw", "users_raw", "params:data"],
            ["events_table", "items_table", "users_table", "reading_table"],
        ),
        wiring.prepare(
            nodes.split,
            ["events_table", "items_table", "reading_table", "params:data"],
            ["interactions_table", "assumptions_table"],
        ),
        wiring.fit(
            nodes.fit,
            ["interactions_table", "items_table"],
            also=["rankings_table", "parts_table", "adjustments_table"],
        ),
        wiring.evaluate(
            "interactions_table",
            "items_table",
            "rankings_table",
            "training_history",
            "params:data",
            "users_table",
            "parts_table",
            "assumptions_table",
            "adjustments_table",
        ),
        wiring.register(),
    )
