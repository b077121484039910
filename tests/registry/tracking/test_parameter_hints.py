"""An error of a parameter has a path that works and the same hint in every family."""

from typing import Any

import pytest
from kedro.framework.project import configure_project
from tests.conformance.families import FAMILIES

from crisol import models
from crisol.registry.store import StoreError
from crisol.registry.tracking.parameters import refuse_unknown, section_problems

SECTIONS = {"data": "DataParams", "model": "ModelParams", "train": "TrainParams"}
STUDIES: dict[str, dict[str, Any]] = {
    "products": {"name": "shop", "split": {"kind": "random", "test_share": "a third"}},
    "recommender": {"name": "shop", "source": "shop", "split": {"kind": "leave_one_out"}, "k": "x"},
    "signals": {
        "name": "shop", "exchanges": ["binance"],
        "split": {"kind": "walk_forward", "folds": "a few", "test_fraction": 0.5},
        "label": {"kind": "volatility", "sigmas": 0.5, "bars": 168},
    },
}  # fmt: skip


def said(path: str, value: Any) -> list[str]:
    """The errors of a family's section in which one parameter is set."""
    family, section, *names = path.split(".")
    for name in reversed(names):
        value = {name: value}
    kind = getattr(models.family(family), SECTIONS[section])
    return section_problems(f"{family}.{section}", kind, value)


LOOPS = {"recommender": "train.attention"}


@pytest.mark.parametrize("family", [family.name for family in FAMILIES])
@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("epochs", "three", "valid integer (given: 'three'; write a whole number, such as 3)"),
        ("epochs", "3", "valid integer (given: '3'; write it without quotes: 3)"),
        ("epochs", 3.0, "valid integer (given: 3.0; write 3)"),
        ("epochs", True, "valid integer (given: True; write a whole number, such as 3)"),
        ("learning_rate", "fast", "valid number (given: 'fast'; write a number, such as 0.5)"),
        ("learning_rate", "1e-3", "valid number (given: '1e-3'; write it without quotes: 1e-3)"),
        ("compile", "maybe", "valid boolean (given: 'maybe'; write true or false)"),
        ("monitor", 7, "write '\"7\"', or ./7 for a file"),
    ],
)
def test_a_wrong_value_has_one_hint_in_every_family(family, name, value, hint) -> None:
    path = f"{family}.{LOOPS.get(family, 'train')}.{name}"
    [found] = said(path, value)
    assert found.startswith(f"{path}: ")
    assert hint in found


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("products.train.by_study.shop.seed", "x", "products.train.by_study.shop.seed"),
        ("signals.train.by_study.shop.epochs", "x", "signals.train.by_study.shop.epochs"),
        ("signals.model.by_study.shop.hidden", "x", "signals.model.by_study.shop.hidden"),
        (
            "recommender.train.by_study.shop.attention.epochs",
            "x",
            "recommender.train.by_study.shop.attention.epochs",
        ),
        (
            "products.data.studies",
            [STUDIES["products"]],
            "products.data.studies.0.split.test_share",
        ),
        ("recommender.data.studies", [STUDIES["recommender"]], "recommender.data.studies.0.k"),
        ("signals.data.studies", [STUDIES["signals"]], "signals.data.studies.0.split.folds"),
        ("tabular.data.columns", {"zip.code": {"kind": 3}}, "tabular.data.columns.zip.code.kind"),
        (
            "tabular.model",
            {"algorithm": "mlp", "settings": {"hidden": "x"}},
            "tabular.model.settings.hidden",
        ),
    ],
)
def test_the_path_of_an_error_is_that_of_the_parameter(path, value, named) -> None:
    """Without the members of unions, and with the study or the settings it stands in."""
    found = [line.partition(": ")[0] for line in said(path, value)]
    assert named in found
    assert "studies" not in {name.rpartition(".")[2] for name in found}


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("recommender.train.epochs", "recommender.train.attention.epochs"),
        ("signals.train.epoch", "signals.train.epochs"),
        ("tabular.model.max_trials", "tabular.model.auto.max_trials"),
        ("products.model.preset", "products.model.network.preset"),
    ],
)
def test_an_unknown_parameter_is_told_what_it_may_mean(path: str, meant: str) -> None:
    [found] = said(path, 3)
    assert f"{path}: Extra inputs are not permitted (given: 3; did you mean " in found
    assert meant in found


@pytest.mark.parametrize(
    ("given", "family", "text"),
    [
        ({"epochs": 3}, "signals", "did you mean signals.train.epochs?"),
        ({"signals": {"epochs": 3}}, "signals", "did you mean signals.train.epochs?"),
        ({" really": "1.csv"}, "tabular", "a comma in --params begins the next parameter"),
    ],
)
def test_a_parameter_outside_of_a_section_is_told_where_it_belongs(given, family, text) -> None:
    configure_project("crisol")  # makes the pipelines known
    sections = {"data": {}, "model": {}, "train": {}}
    with pytest.raises(StoreError) as refused:
        refuse_unknown({family: {**sections, **given.pop(family, {})}, **given}, [family])
    assert text in str(refused.value)
    assert "\n" not in str(refused.value)
