"""Which errors mean that the store does not answer."""

import sqlite3
from pathlib import Path

import pytest
import requests
from mlflow.exceptions import MlflowException
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from crisol.registry.outages import explained, is_away
from crisol.registry.store import Store


def test_a_tracking_server_that_is_down_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(MlflowException) as failed:
        Store(tracking_uri="http://127.0.0.1:9", artifact_root=None).client().search_experiments()
    assert is_away(failed.value)
    assert (explained(failed.value) or "").startswith("the MLflow store does not answer")


def test_a_sqlite_file_is_away_while_another_process_writes_it_and_never_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "some.db"
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 0})
    with sqlite3.connect(path) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OperationalError, match="locked") as locked, engine.begin() as reader:
            reader.execute(text("CREATE TABLE a (b)"))
    assert is_away(locked.value)
    with pytest.raises(OperationalError, match="no such table") as other, engine.begin() as reader:
        reader.execute(text("SELECT * FROM c"))
    assert not is_away(other.value)


def test_a_download_that_fails_is_no_outage_of_the_store() -> None:
    assert not is_away(requests.ConnectionError("no network"))
    assert explained(KeyError("x")) is None
