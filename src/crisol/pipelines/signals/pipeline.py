"""Which node takes what from the catalog."""

from kedro.pipeline import Node, Pipeline

from crisol.pipelines.signals import nodes


def create_pipeline() -> Pipeline:
    """The pipeline of `signals`, its nodes tagged prepare, train, evaluate and register."""
    return Pipeline(
        [
            Node(nodes.clean, "bars_raw", "bars_table", name="clean", tags="prepare"),
            Node(
                nodes.label,
                ["bars_table", "params:data"],
                "samples_table",
                name="label",
                tags="prepare",
            ),
            Node(
                nodes.fit,
                [
                    "bars_table",
                    "samples_table",
                    "params:data",
                    "params:model",
                    "params:train",
                    "checkpoints_folder",
                    "champion",
                ],
                ["trained_predictor", "training_history", "forecasts_table"],
                name="fit",
                tags="train",
            ),
            Node(
                nodes.forecast_baselines,
                ["bars_table", "samples_table", "params:data", "params:train"],
                "baseline_forecasts_table",
                name="forecast_baselines",
                tags="train",
            ),
            Node(
                nodes.evaluate,
                [
                    "trained_predictor",
                    "champion",
                    "bars_table",
                    "samples_table",
                    "forecasts_table",
                    "baseline_forecasts_table",
                    "training_history",
                    "params:data",
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
        namespace="signals",
    )
