"""What a build refuses, what it leaves when it is killed, and where it may be installed."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crisol
from crisol.core.errors import MendableError
from crisol.core.predictor import PredictorError, predictor_digest, read_manifest
from crisol.models import family_names
from crisol.serving.bundle import building, package


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))
    return tmp_path / "bentoml"


@pytest.fixture
def full_stamp(stamp: dict[str, str], predictor_dir: Path) -> dict[str, str]:
    return {**stamp, "predictor_digest": predictor_digest(predictor_dir)}


def found(home: Path) -> list[str]:
    """Every Bento and model of a home, by path."""
    return sorted(str(p.relative_to(home)) for p in home.glob("*/signals/*") if p.is_dir())


def test_building_twice_is_fine_and_the_second_replaces_the_first(
    home: Path, predictor_dir: Path, full_stamp: dict[str, str]
) -> None:
    first = package.build("signals", predictor_dir, full_stamp)
    (first.path / "left-by-the-first").touch()
    second = package.build("signals", predictor_dir, {**full_stamp, "alias": "again"})
    assert second.tag == first.tag
    assert not (second.path / "left-by-the-first").exists()
    assert "alias: again" in (second.path / "bento.yaml").read_text()
    version = first.tag.partition(":")[2]
    assert found(home) == [f"bentos/signals/{version}", f"models/signals/{version}"]
    assert (home / "bentos" / "signals" / "latest").read_text() == version
    assert not list((home / building.BUILDING).iterdir())


def test_a_killed_build_leaves_no_bento_and_is_swept(
    home: Path, predictor_dir: Path, full_stamp: dict[str, str]
) -> None:
    code = (
        "from pathlib import Path\nfrom crisol.serving.bundle import package\n"
        f"package.build('signals', Path({str(predictor_dir)!r}), {full_stamp!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    folder = home / building.BUILDING
    for _ in range(2000):  # until the child that assembles has begun to write
        if list(folder.glob("*/home/models/signals/*")):
            break
        time.sleep(0.01)
    # The parent alone: the child is still writing, and keeps its folder until it ends.
    process.kill()
    process.wait()
    assert building.sweep() == []
    assert len(list(folder.iterdir())) == 1
    os.killpg(process.pid, signal.SIGKILL)
    wait_until_free(folder)
    assert found(home) == []
    swept = building.sweep()
    assert len(swept) == 1
    assert "interrupted" in swept[0]
    assert not list(folder.iterdir())
    assert building.sweep() == []


def wait_until_free(folder: Path) -> None:
    """Until the killed processes are gone, and their locks with them."""
    [lock] = folder.glob("*/lock")
    with lock.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)


def test_a_bundle_that_was_about_to_be_replaced_comes_back(home: Path) -> None:
    """Killed between taking the old one away and moving the new one in."""
    retired = home / building.BUILDING / "123-abc" / "retired" / "bentos" / "signals" / "v1-x"
    retired.mkdir(parents=True)
    (retired / "bento.yaml").touch()
    (home / "bentos" / "signals").mkdir(parents=True)
    said = building.sweep()
    assert "put signals:v1-x (bentos) back" in said[0]
    assert (home / "bentos" / "signals" / "v1-x" / "bento.yaml").is_file()


def test_a_running_build_is_not_swept(home: Path) -> None:
    with building.scratch() as mine:
        assert building.sweep() == []
        assert mine.path.is_dir()
        assert mine.path.is_relative_to(home)
    assert not mine.path.exists()


def test_a_home_that_bentoml_cannot_build_in_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for home, told in ((".cache/bentos", r"inside \.cache: set BENTOML_HOME"), ("file", "cannot")):
        monkeypatch.setenv("BENTOML_HOME", str(tmp_path / home))
        with pytest.raises(MendableError, match=told), building.scratch():
            pass


@pytest.mark.parametrize("text", ["", '{"format": 1, "fam', "[]", "{}", "[" * 100_000, "\udcff"])
def test_a_damaged_manifest_is_named(text: str, predictor_dir: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "predictor"
    shutil.copytree(predictor_dir, damaged)
    (damaged / "predictor.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(PredictorError, match=r"predictor\.json is damaged"):
        read_manifest(damaged)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run_id": None}, "lacks run_id"),
        ({"predictor_digest": "00" * 32}, "not the registered predictor"),
        ({"model_version": "../1"}, "not a model version"),
    ],
)
def test_a_stamp_that_does_not_hold_is_refused(
    home: Path,
    predictor_dir: Path,
    full_stamp: dict[str, str],
    changes: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(package.BundleError, match=message):
        package.build("signals", predictor_dir, {**full_stamp, **changes})
    assert found(home) == []


def test_a_changed_predictor_is_refused(
    home: Path, predictor_dir: Path, full_stamp: dict[str, str], tmp_path: Path
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(predictor_dir, changed)
    (changed / "golden.json").write_text("[]")
    with pytest.raises(package.BundleError, match=r"golden\.json differs"):
        package.build("signals", changed, full_stamp)
    with pytest.raises(package.BundleError, match="is not a predictor directory"):
        package.build("signals", tmp_path / "nothing", full_stamp)
    with pytest.raises(package.BundleError, match="holds a 'signals' predictor"):
        package.build("other", predictor_dir, full_stamp)
    assert found(home) == []


@pytest.mark.parametrize(
    ("envs", "message"),
    [
        ("- name: LOG_LEVEL", "LOG_LEVEL.*no value"),
        ("- {name: CRISOL_API_KEYS, value: abcdefghijklmnop}", "looks like a secret"),
        ("- {name: DB_PASSWORD, value: x}", "looks like a secret"),
    ],
)
def test_environment_variables_without_value_and_secrets_are_refused(
    home: Path,
    predictor_dir: Path,
    full_stamp: dict[str, str],
    tmp_path: Path,
    envs: str,
    message: str,
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "bentofile.yaml").write_text(f"envs:\n  {envs}\n")
    with pytest.raises(package.BundleError, match=message):
        package.build("signals", predictor_dir, full_stamp, project_dir=project)
    assert found(home) == []


def test_a_bundle_builds_from_an_installed_package(
    home: Path, predictor_dir: Path, full_stamp: dict[str, str], tmp_path: Path
) -> None:
    """A plain copy on the path, as ``pip install`` leaves it; no src/, another directory."""
    site = tmp_path / "site-packages"
    shutil.copytree(
        Path(crisol.__file__).parent, site / "crisol", ignore=shutil.ignore_patterns("__pycache__")
    )
    code = textwrap.dedent(
        f"""
        from pathlib import Path
        import crisol
        from crisol.serving.bundle import package
        assert Path(crisol.__file__).is_relative_to({str(site)!r}), crisol.__file__
        print(package.build("signals", Path({str(predictor_dir)!r}), {full_stamp!r}).tag)
        """
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("signals:v7-")
    assert len(found(home)) == 2


def test_bentoml_build_works_by_itself(
    home: Path,
    predictor_dir: Path,
    full_stamp: dict[str, str],
    example: dict[str, Any],
    make_predictor: Callable[..., Any],
) -> None:
    root = Path(__file__).parents[3]
    package.build("signals", predictor_dir, full_stamp)
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "build", "--version", "byhand", "--output", "tag"],
        cwd=root, env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    built = home / "bentos" / "signals" / "byhand"
    assert (built / "src" / "crisol" / "serving" / "families" / "signals.py").is_file()
    assert not (built / "src" / "crisol" / "registry").exists()
    assert "torch==2.13.0" in (built / "env" / "python" / "requirements.txt").read_text()


NAMED_LIKE_MODULES = ("events", "jobs", "state", "auth", "package", "signals_2", "sig")


@pytest.mark.parametrize("family", ["signals", "events", "sig"])
def test_a_family_named_like_a_module_takes_nothing_from_a_bundle(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(crisol.__file__).parent
    checkout = tmp_path / "src/crisol"
    skip = shutil.ignore_patterns("__pycache__", "pipelines", "platform", "registry", "skeleton")
    shutil.copytree(source, checkout, ignore=skip)
    for name in NAMED_LIKE_MODULES:
        (checkout / "models" / name / "data").mkdir(parents=True)
        (checkout / "models" / name / "__init__.py").touch()
        (checkout / "models" / name / "data" / "prepare.py").touch()
        (checkout / "serving/families" / f"{name}.py").touch()
    monkeypatch.setattr(crisol, "__file__", str(checkout / "__init__.py"))
    monkeypatch.setattr("crisol.models.__path__", [str(checkout / "models")])
    family_names.cache_clear()
    copied = package._copy_package(family, tmp_path / "context") / "crisol"
    family_names.cache_clear()

    def files(folder: Path) -> set[str]:
        return {p.relative_to(folder).as_posix() for p in folder.rglob("*.py")}

    others = {*NAMED_LIKE_MODULES, "products", "recommender", "signals", "tabular"} - {family}
    expected = {
        name
        for name in files(checkout)
        if name.startswith(("core/", "serving/", "models/", "__init__"))
        and not any(
            name.startswith(f"models/{other}/") or name == f"serving/families/{other}.py"
            for other in others
        )
    }
    assert files(copied) == expected
    assert {"serving/state/events.py", "serving/state/jobs.py", "serving/http/auth.py"} <= expected
