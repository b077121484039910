"""Which node takes what from the catalog."""

from kedro.pipeline import Node, Pipeline

from crisol.pipelines.tabular import nodes

_TABLES = ["rows_table", "images_table", "parts_table", "schema_table"]


def create_pipeline() -> Pipeline:
    """The pipeline of `tabular`, its nodes tagged prepare, train, evaluate and register."""
    return Pipeline(
        [
            Node(
                nodes.clean,
                ["source_raw", "params:data"],
                ["rows_table", "schema_table", "images_table"],
                name="clean",
                tags="prepare",
            ),
            Node(
                nodes.split,
                ["rows_table", "schema_table", "params:data"],
                "parts_table",
                name="split",
                tags="prepare",
            ),
            Node(
                nodes.fit,
                [*_TABLES, "params:data", "params:model", "params:train", "checkpoints_folder"],
                ["trained_predictor", "training_history", "leaderboard_table", "forecasts_table"],
                name="fit",
                tags="train",
            ),
            Node(
                nodes.evaluate,
                [
                    "trained_predictor",
                    "champion",
                    *_TABLES,
                    "forecasts_table",
                    "leaderboard_table",
                    "training_history",
                    "params:data",
                ],
                ["evaluation_report", "scores_table", "evaluation_figures", "evaluation_metrics"],
                name="evaluate",
                tags="evaluate",
            ),
            Node(
                nodes.register,
                [
                    "trained_predictor",
                    "scores_table",
                    "evaluation_report",
                    "schema_table",
                    "params:data",
                ],
                "predictor",
                name="register",
                tags="register",
            ),
        ],
        namespace="tabular",
    )
