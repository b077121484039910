"""Which node takes what from the catalog."""

from kedro.pipeline import Node, Pipeline

from crisol.pipelines.products import nodes

_TABLES = ["products_table", "images_table", "parts_table"]


def create_pipeline() -> Pipeline:
    """The pipeline of `products`, its nodes tagged prepare, train, evaluate and register."""
    return Pipeline(
        [
            Node(
                nodes.clean,
                ["products_raw", "pictures_folder", "pairs_raw", "params:data"],
                ["products_table", "images_table", "pairs_table"],
                name="clean",
                tags="prepare",
            ),
            Node(
                nodes.split,
                ["products_table", "params:data"],
                "parts_table",
                name="split",
                tags="prepare",
            ),
            Node(
                nodes.fit,
                [*_TABLES, "params:data", "params:model", "params:train", "checkpoints_folder"],
                ["trained_predictor", "training_history", "forecasts_table", "ranks_table"],
                name="fit",
                tags="train",
            ),
            Node(
                nodes.evaluate,
                [
                    "trained_predictor",
                    "champion",
                    *_TABLES,
                    "pairs_table",
                    "forecasts_table",
                    "ranks_table",
                    "training_history",
                    "params:data",
                ],
                ["evaluation_report", "scores_table", "evaluation_figures", "evaluation_metrics"],
                name="evaluate",
                tags="evaluate",
            ),
            Node(
                nodes.index,
                ["trained_predictor", "products_table", "images_table"],
                "search_index",
                name="index",
                tags="register",
            ),
            Node(
                nodes.register,
                [
                    "trained_predictor",
                    "search_index",
                    "scores_table",
                    "evaluation_report",
                    "params:data",
                ],
                "predictor",
                name="register",
                tags="register",
            ),
        ],
        namespace="products",
    )
