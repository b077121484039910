from crisol.pipelines.burdens import nodes
from kedro.pipeline import Node, Pipeline


def create_pipeline() -> Pipeline:
    carry = Node(nodes.carry, ["params:train", "checkpoints_folder"], "work_metrics", name="carry")
    return Pipeline([carry], namespace="burdens")
