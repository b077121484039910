"""Every family, every environment: parameters resolve, the catalog loads, names follow the page."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from kedro.config import OmegaConfigLoader
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from tests.conformance.families import FAMILIES, Family
from tests.conftest import ROOT

from crisol import models
from crisol.settings import CONFIG_LOADER_ARGS

ENVIRONMENTS = sorted(p.name for p in (ROOT / "conf").iterdir() if p.is_dir() and p.name != "local")
SECTIONS = {"data": "DataParams", "model": "ModelParams", "train": "TrainParams"}

each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
each_environment = pytest.mark.parametrize("env", ENVIRONMENTS)


def test_every_family_is_listed_here() -> None:
    assert sorted(f.name for f in FAMILIES) == sorted(models.family_names())


@each_family
@each_environment
def test_parameters_resolve(family: Family, env: str) -> None:
    as_the_project = {**CONFIG_LOADER_ARGS, "default_run_env": env}
    loader = OmegaConfigLoader(str(ROOT / "conf"), env=env, **as_the_project)
    parameters = loader["parameters"][family.name]
    assert sorted(parameters) == sorted(SECTIONS)
    for section, class_name in SECTIONS.items():
        section_class = getattr(models.family(family.name), class_name)
        built = section_class.model_validate(parameters[section])
        with pytest.raises(ValueError, match="no_such_key"):
            section_class.model_validate({**parameters[section], "no_such_key": 1})
        with pytest.raises(ValueError, match="frozen"):
            setattr(built, next(iter(section_class.model_fields)), None)


def test_a_file_of_ones_own_is_searched_by_the_defaults() -> None:
    given = {"tabular": {"data": {"file": "mine.csv"}}}
    for runtime_params, trials, folds in (({}, 6, 3), (given, None, 5)):
        arguments = {**CONFIG_LOADER_ARGS, "default_run_env": "base"}
        loader = OmegaConfigLoader(
            str(ROOT / "conf"), env="base", runtime_params=runtime_params, **arguments
        )
        auto = loader["parameters"]["tabular"]["model"]["auto"]
        assert (auto["max_trials"], auto["folds"]) == (trials, folds)


@each_family
@each_environment
def test_catalog_loads(family: Family, env: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///unused.db")
    bootstrap_project(ROOT)
    from kedro.framework.project import pipelines

    with KedroSession.create(ROOT, env=env) as session:
        catalog = session.load_context().catalog
        names = pipelines[family.name].datasets()
        for name in names:
            dataset = catalog.get(name)
            assert dataset is not None, f"{name} has no entry in the catalog of {env}"
            if not name.startswith("params:"):
                assert type(dataset).__name__ != "MemoryDataset", f"{name} is not persisted"


@each_family
def test_dataset_names_and_tags(family: Family) -> None:
    bootstrap_project(ROOT)
    from kedro.framework.project import pipelines

    pipeline = pipelines[family.name]
    noun_kind = re.compile(rf"^{family.name}\.(predictor|champion|[a-z0-9]+(_[a-z0-9]+)+)$")
    for name in pipeline.datasets():
        if not name.startswith("params:"):
            assert noun_kind.match(name), name
    assert set().union(*(n.tags for n in pipeline.nodes)) == {
        "prepare",
        "train",
        "evaluate",
        "register",
    }
    assert all(n.namespace == family.name for n in pipeline.nodes)


@each_family
def test_pipelines_load_no_heavy_library(family: Family) -> None:
    code = (
        f"import sys, crisol.pipelines.{family.name} as p; p.create_pipeline(); "
        "print([m for m in ('torch', 'mlflow', 'bentoml', 'sklearn', 'onnxruntime') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
