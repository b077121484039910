from crisol.pipelines.linear import nodes
from kedro.pipeline import Node, Pipeline


def create_pipeline() -> Pipeline:
    return Pipeline(
        [
            Node(nodes.clean, "rows_raw", "rows_table", name="clean", tags="prepare"),
            Node(
                nodes.fit,
                [
                    "rows_table",
                    "params:data",
                    "params:model",
                    "params:train",
                    "checkpoints_folder",
                ],
                ["trained_predictor", "training_history"],
                name="fit",
                tags="train",
            ),
            Node(
                nodes.evaluate,
                ["trained_predictor", "champion", "rows_table", "params:data"],
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
        namespace="linear",
    )
