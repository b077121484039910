"""The nodes of `products`, with their inputs and outputs."""

from kedro.pipeline import Pipeline

from crisol.pipelines import wiring
from crisol.pipelines.products import nodes

_TABLES = ["products_table", "images_table", "parts_table"]


def create_pipeline() -> Pipeline:
    """The pipeline of `products`: catalogue and pictures → predictor → report → index → version."""
    return wiring.family_pipeline(
        "products",
        wiring.prepare(
            nodes.clean,
            ["products_raw", "pictures_folder", "pairs_raw", "params:data"],
            ["products_table", "images_table", "pairs_table", "notes_table"],
        ),
        wiring.prepare(nodes.split, ["products_table", "params:data"], "parts_table"),
        wiring.fit(nodes.fit, _TABLES, also=["forecasts_table", "ranks_table"]),
        wiring.evaluate(
            *_TABLES,
            "pairs_table",
            "forecasts_table",
            "ranks_table",
            "training_history",
            "params:data",
            "notes_table",
        ),
        wiring.step(
            nodes.index,
            ["trained_predictor", "products_table", "images_table"],
            "search_index",
            tag="register",
        ),
        wiring.register(nodes.register, more=["search_index"]),
    )
