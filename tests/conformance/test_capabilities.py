"""The capabilities that a family states are those of its code."""

from importlib import import_module

import pytest
from kedro.framework.startup import bootstrap_project
from pydantic import BaseModel
from tests.conformance.families import FAMILIES, Family
from tests.conftest import ROOT

from crisol import models
from crisol.core.training.loop_params import LoopParams

each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def has_loop(section: type[BaseModel]) -> bool:
    """Whether the section, or a part of it, holds the settings of the training loop."""
    parts = [field.annotation for field in section.model_fields.values()]
    kinds = [section, *(part for part in parts if isinstance(part, type))]
    return any(issubclass(kind, LoopParams) for kind in kinds)


@each_family
def test_a_network_is_trained_by_the_loop(family: Family) -> None:
    bootstrap_project(ROOT)
    from kedro.framework.project import pipelines

    pipeline = pipelines[family.name]
    stated = family.capabilities.trains_network
    assert has_loop(models.family(family.name).TrainParams) is stated
    assert (f"{family.name}.training_history" in pipeline.all_outputs()) is stated
    assert (f"{family.name}.checkpoints_folder" in pipeline.inputs()) is stated


@each_family
def test_training_can_start_from_the_champion(family: Family) -> None:
    bootstrap_project(ROOT)
    from kedro.framework.project import pipelines

    training = pipelines[family.name].only_nodes_with_tags("train")
    stated = family.capabilities.retrains
    assert ("init_from" in models.family(family.name).TrainParams.model_fields) is stated
    assert (f"{family.name}.champion" in training.inputs()) is stated


@each_family
def test_the_service_keeps_state_and_takes_the_contract_of_its_model(family: Family) -> None:
    service = import_module(f"crisol.serving.families.{family.name}").service
    assert service.keeps_state is family.capabilities.keeps_state
    taken = any(getattr(route, "takes_contract", False) for route in service.routes)
    assert taken is family.capabilities.several_lines
