"""Which node takes what from the catalog."""

from kedro.pipeline import Node, Pipeline

from crisol.pipelines.recommender import nodes


def create_pipeline() -> Pipeline:
    """The pipeline of `recommender`, its nodes tagged prepare, train, evaluate and register."""
    return Pipeline(
        [
            Node(
                nodes.clean,
                ["events_raw", "items_raw", "users_raw"],
                ["events_table", "items_table", "users_table"],
                name="clean",
                tags="prepare",
            ),
            Node(
                nodes.split,
                ["events_table", "items_table", "params:data"],
                "interactions_table",
                name="split",
                tags="prepare",
            ),
            Node(
                nodes.fit,
                [
                    "interactions_table",
                    "items_table",
                    "params:data",
                    "params:model",
                    "params:train",
                    "checkpoints_folder",
                ],
                ["trained_predictor", "training_history", "rankings_table"],
                name="fit",
                tags="train",
            ),
            Node(
                nodes.evaluate,
                [
                    "trained_predictor",
                    "champion",
                    "interactions_table",
                    "items_table",
                    "rankings_table",
                    "training_history",
                    "params:data",
                    "users_table",
                ],
                [
                    "evaluation_report",
                    "scores_table",
                    "evaluation_figures",
                    "evaluation_metrics",
                ],
                name="evaluate",
                tags="evaluate",
            ),
            Node(
                nodes.register,
                ["trained_predictor", "scores_table", "evaluation_report", "params:data"],
                "predictor",
                name="register",
                tags="register",
            ),
        ],
        namespace="recommender",
    )
