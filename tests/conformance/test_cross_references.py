"""A parameter that names what another section lacks is refused before the first node runs."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from kedro.framework.project import configure_project, settings
from tests.conftest import ROOT, copy_project, run_in

from crisol import models
from crisol.registry.tracking.parameters import mismatch, section_problems

CASES = [
    ("recommender", {"model": {"by_study": {"yours": {}}}}, "model.by_study: 'yours'"),
    ("recommender", {"train": {"by_study": {"shop2": {}}}}, "train.by_study: 'shop2'"),
    ("recommender", {"data": {"register_study": "yours"}}, "register_study 'yours'"),
    ("recommender", {"data": {"gate_against": ["ease"]}}, "gate_against: .*does not train 'ease'"),
    ("recommender", {"model": {"methods": ["popularity", "transitions"]}}, "no similar items"),
    ("recommender", {"model": {"in_hybrid": ["lightgcn"]}}, "in_hybrid: 'lightgcn' is not among"),
    ("products", {"model": {"by_study": {"flipkart": {}}}}, "model.by_study: 'flipkart'"),
    ("products", {"train": {"by_study": {"flipkart": {}}}}, "train.by_study: 'flipkart'"),
    ("products", {"data": {"register_study": "amazon"}}, "register_study 'amazon'"),
    ("signals", {"train": {"by_study": {"acl18": {}}}}, "train.by_study: 'acl18'"),
    ("signals", {"model": {"by_study": {"btc": {"hidden": 4}}}}, "model.by_study: 'btc'"),
    ("signals", {"data": {"register_study": "acl18"}}, "register_study 'acl18'"),
    (
        "tabular",
        {"data": {"task": "regression"}, "model": {"algorithm": "kmeans", "settings": None}},
        "tabular.model.algorithm: 'kmeans' does not do regression",
    ),
    (
        "tabular",
        {
            "data": {"task": "clustering"},
            "model": {
                "algorithm": "auto",
                "settings": None,
                "auto": {"algorithms": [], "metric": "auc"},
            },
        },
        "tabular.model.auto.metric: 'auc' does not measure clustering",
    ),
    (
        "tabular",
        {"data": {"target": "price", "ids": ["price"]}},
        "tabular.data.ids: column 'price' is data.target already",
    ),
]


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The base with nested changes; ``None`` takes a value away."""
    whole = dict(base)
    for name, value in changes.items():
        if value is None:
            whole.pop(name, None)
            continue
        nested = isinstance(value, Mapping) and isinstance(whole.get(name), Mapping)
        whole[name] = merged(whole[name], value) if nested else value
    return whole


@pytest.fixture(scope="module")
def configured() -> dict[str, Any]:
    configure_project("crisol")
    loader = settings.CONFIG_LOADER_CLASS(
        conf_source=str(ROOT / "conf"), env="ci", **settings.CONFIG_LOADER_ARGS
    )
    found: dict[str, Any] = loader["parameters"]
    return found


@pytest.mark.parametrize(
    ("family", "changes", "message"), CASES, ids=[f"{c[0]}-{c[2]}" for c in CASES]
)
def test_a_name_that_is_nowhere_is_refused(
    configured: dict[str, Any], family: str, changes: dict[str, Any], message: str
) -> None:
    sections = merged(configured[family], changes)
    package = models.family(family)
    found = [
        problem
        for name, kind in (("data", "DataParams"), ("model", "ModelParams"))
        for problem in section_problems(f"{family}.{name}", getattr(package, kind), sections[name])
    ]
    found += [] if found else [str(mismatch(family, sections))]
    assert any(re.search(message, problem) for problem in found), found


@pytest.mark.parametrize("family", models.family_names())
def test_the_sections_of_an_environment_fit_each_other(
    configured: dict[str, Any], family: str
) -> None:
    assert mismatch(family, configured[family]) is None


@pytest.mark.slow
@pytest.mark.parametrize("family", ["recommender", "products", "signals"])
def test_a_run_ends_before_its_first_node(tmp_path: Any, family: str) -> None:
    project = copy_project(tmp_path / "project")
    changed = f"{family}.train.by_study.yours.epochs=3"
    if family == "recommender":
        changed = "recommender.train.by_study.yours.attention.epochs=3"
    done = run_in(
        project,
        *("kedro", "run", "--env", "ci", "--pipelines", family, "--params", changed),
        check=False,
    )
    assert done.returncode == 1
    assert f"{family}.train.by_study: 'yours' is not a study" in done.stdout + done.stderr
    assert not list((project / "data").rglob("*.parquet"))
