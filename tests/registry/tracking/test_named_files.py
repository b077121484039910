"""A parameter that names another file than the catalog reads is refused before the first node."""

from pathlib import Path
from typing import Any

import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from tests.conftest import ROOT

from crisol.registry.store import StoreError
from crisol.registry.tracking.named_files import refuse_unread

NAMED = [
    ("signals", "file", "SAP.DE.csv"),
    ("recommender", "events", "/shop/ratings.csv"),
    ("products", "file", "Katalog März.csv"),
    ("products", "images", "/shop/pictures"),
    ("tabular", "file", "mine.csv"),
]


def _check(env: str, family: str, given: dict[str, Any], change: dict[str, Any]) -> None:
    bootstrap_project(ROOT)
    runtime = {family: {"data": given}} if given else {}
    with KedroSession.create(ROOT, env=env, runtime_params=runtime) as session:
        context = session.load_context()
        parameters = dict(context.config_loader["parameters"])
        section = parameters[family]
        parameters[family] = {**section, "data": {**section["data"], **change}}
        refuse_unread(parameters, [family], context.catalog, ROOT)


@pytest.mark.parametrize(("family", "name", "file"), NAMED)
def test_a_file_of_the_command_line_is_read(family: str, name: str, file: str) -> None:
    _check("ci", family, {name: file}, {})


@pytest.mark.parametrize(("family", "name", "file"), NAMED[:-1])
def test_an_environment_for_one_data_set_reads_no_other(family: str, name: str, file: str) -> None:
    _check("real", family, {}, {})
    with pytest.raises(StoreError, match=rf"^{family}\.data\.{name} names {file}, and .*real_"):
        _check("real", family, {name: file}, {})


def test_public_tables_may_be_replaced() -> None:
    _check("real", "tabular", {}, {})
    _check("real", "tabular", {"file": "mine.csv"}, {})


@pytest.mark.parametrize(("family", "name", "file"), NAMED)
def test_a_name_that_stands_in_a_file_alone_is_refused(family: str, name: str, file: str) -> None:
    with pytest.raises(StoreError, match="or name the file in the catalog alone"):
        _check("base", family, {}, {name: file})
    raw = Path("data/01_raw/tabular/sample_customers.csv")
    assert (ROOT / raw).is_file()
    _check("base", "tabular", {}, {"file": raw.as_posix()})
