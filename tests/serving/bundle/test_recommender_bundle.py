"""The Bento of `recommender`, really built, served, killed and served again."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from crisol.core.predictor import predictor_digest
from crisol.serving.bundle import package
from crisol.serving.bundle.local_server import LocalServer, serving


@pytest.fixture(scope="module")
def bundle(
    shop_dir: Path, stamp: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[package.Bundle]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(tmp_path_factory.mktemp("bentoml")))
        whole = {**stamp, "predictor_digest": predictor_digest(shop_dir)}
        yield package.build("recommender", shop_dir, whole)


@contextmanager
def served(bundle: package.Bundle, folder: Path) -> Iterator[LocalServer]:
    environment = {**os.environ, "BENTOML_HOME": str(bundle.path.parents[2])}
    with serving(
        bundle.tag,
        python=[sys.executable],
        cwd=folder,
        environment=environment,
        log=folder / "serve.log",
    ) as server:
        yield server


def test_the_image_installs_no_torch_and_has_a_folder_for_the_state(
    bundle: package.Bundle,
) -> None:
    names = {line.partition("==")[0] for line in bundle.requirements}
    assert "scipy" in names
    assert not names & {"torch", "pandas", "kedro", "mlflow", "torch-geometric"}
    text = bundle.dockerfile.read_text()
    [script] = re.findall(r"^RUN .*chmod \+x (\./env/docker/script\S+)", text, re.MULTILINE)
    assert text.index("useradd") < text.index(script) < text.index("USER bentoml")
    said = (bundle.path / script).read_text()
    assert "install -d -o bentoml -g bentoml /home/bentoml/crisol-state" in said


@pytest.mark.slow
def test_events_outlive_the_service_being_killed(bundle: package.Bundle, tmp_path: Path) -> None:
    events = [{"user_id": "visitor", "item_id": f"item-{n}"} for n in (25, 26)]
    question = {"user_id": "visitor", "num_recs": 5}
    with served(bundle, tmp_path) as server:
        assert server.first_route() == "/recommendations"
        assert server.post("/recommendations", server.first_example()).body["items"]
        before = server.post("/recommendations", question).body
        assert server.post("/events", {"events": events}).body["accepted"] == 2
        told = server.post("/recommendations", question).body
        everybody = psutil.Process(server.pid)
        for process in (*everybody.children(recursive=True), everybody):
            process.send_signal(signal.SIGKILL)
    with served(bundle, tmp_path) as server:
        after = server.post("/recommendations", question).body
    assert before["basis"] == "popularity"
    assert after["basis"] == "history"
    assert after["items"] == told["items"]
    home = bundle.path.parents[2]
    assert (home / "crisol-state" / "recommender" / "events.sqlite3").is_file()
    assert not list(home.glob("bentos/**/events.sqlite3*"))
