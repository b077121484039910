"""Builds the pipeline of a family from its functions and the names of its tables.

Written once for every family: the names and tags of the nodes, the parameter sections and the
checkpoint folder of training, and the inputs and outputs of evaluation and registration.
"""

from collections.abc import Callable, Sequence
from typing import Any

from kedro.pipeline import Node, Pipeline

from crisol.pipelines import shared_nodes

Function = Callable[..., Any]
Names = str | list[str]


def family_pipeline(family: str, *nodes: Node) -> Pipeline:
    """The nodes under the namespace of the family."""
    return Pipeline(nodes, namespace=family)


def step(function: Function, inputs: Names, outputs: Names, tag: str) -> Node:
    """A node with the name of its function and one tag."""
    return Node(function, inputs, outputs, name=function.__name__, tags=tag)


def prepare(function: Function, inputs: Names, outputs: Names) -> Node:
    """A step that makes tables of raw data."""
    return step(function, inputs, outputs, "prepare")


def train(function: Function, inputs: Names, outputs: Names) -> Node:
    """A step of training."""
    return step(function, inputs, outputs, "train")


def fit(
    function: Function, tables: Sequence[str], also: Sequence[str] = (), more: Sequence[str] = ()
) -> Node:
    """The node that trains the predictor in the training loop.

    Args:
        function: takes the tables, the sections ``data``, ``model`` and ``train``, the folder of
            the checkpoints, and ``more``; returns the predictor, its history, and ``also``.
        tables: the first inputs.
        also: the outputs after the predictor and the history.
        more: the last inputs, such as ``champion`` where training can start from it.
    """
    sections = ["params:data", "params:model", "params:train"]
    inputs = [*tables, *sections, "checkpoints_folder", *more]
    return train(function, inputs, ["trained_predictor", "training_history", *also])


def evaluate(*evidence: str) -> Node:
    """The node that calls the family's ``evaluate``.

    Args:
        evidence: the inputs after the predictor and the champion.
    """
    return step(
        shared_nodes.evaluate,
        ["trained_predictor", "champion", *evidence],
        ["evaluation_report", "scores_table", "evaluation_figures", "evaluation_metrics"],
        "evaluate",
    )


def register(function: Function = shared_nodes.register, more: Sequence[str] = ()) -> Node:
    """The node that registers the predictor with the evidence for it.

    Args:
        function: takes the predictor, the scores, the report, the section ``data``, and ``more``;
            returns a :class:`crisol.core.candidate.Candidate`.
        more: the last inputs.
    """
    evidence = ["trained_predictor", "scores_table", "evaluation_report", "params:data"]
    return step(function, [*evidence, *more], "predictor", "register")
