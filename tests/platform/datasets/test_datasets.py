"""Datasets: versions, names, who sees what, pages, profiles, and what a restart finds."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import jwt
import pytest
from tests.platform.answering import bare_store, error, new_dataset, rows, served, settled
from tests.platform.conftest import until

from crisol.core.errors import FieldError
from crisol.platform.api.dataset_api import DatasetQuery
from crisol.platform.api.jobs_api import JobQuery
from crisol.platform.datasets.dataset import (
    Dataset,
    DatasetConflictError,
    DatasetLimitError,
    NewDataset,
    StoredFile,
    UnknownDatasetError,
)
from crisol.platform.datasets.dataset_store import CUT_SHORT, NEWEST_FIRST, OPTIONS, DatasetStore
from crisol.platform.datasets.profiling import Profiler
from crisol.platform.listing import PageQuery, decode_token, encode_token
from crisol.platform.settings import PlatformSettings
from crisol.registry.store import Store, StoreError
from crisol.serving.http.config import ConfigurationError


@pytest.fixture
def store(tmp_path: Path, template_database: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("CRISOL_STORE", "")
    return bare_store(tmp_path / "project", template_database)


def opened(store: Store, **settings: str) -> DatasetStore:
    return DatasetStore(store, limits(store, **settings))


def limits(store: Store, **settings: str) -> PlatformSettings:
    texts = {f"CRISOL_PLATFORM_{k.upper()}": v for k, v in settings.items()}
    return PlatformSettings.from_environment(texts, Path(store.project))


def with_file(datasets: DatasetStore, dataset_id: str, content: bytes, file: str) -> None:
    path = Path(datasets._store.project) / file
    path.write_bytes(content)
    part = file.partition(".")[0]
    stored = StoredFile(part, "x", file, len(content), "0" * 64)  # type: ignore[arg-type]
    datasets.attach(datasets.get(dataset_id), stored, path)


def test_the_same_name_makes_the_next_version(store: Store) -> None:
    datasets = opened(store)
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: datasets.create(NewDataset(name="adult"), "me"), range(6)))
    assert sorted(d.version for d in made) == [1, 2, 3, 4, 5, 6]
    assert {d.state for d in made} == {"open"}
    with pytest.raises(DatasetConflictError, match="in use by somebody else"):
        datasets.create(NewDataset(name="adult"), "you")


def test_what_waits_for_files_is_limited(store: Store) -> None:
    datasets = opened(store, max_open_datasets="2")
    for name in ("one", "two"):
        datasets.create(NewDataset(name=name), "me")
    with pytest.raises(DatasetLimitError, match="2 of your datasets wait"):
        datasets.create(NewDataset(name="three"), "me")
    datasets.create(NewDataset(name="three"), "you")


def test_a_wish_with_the_same_mark_is_the_same_wish(store: Store) -> None:
    datasets = opened(store)
    first = datasets.create(NewDataset(name="adult"), "me", "mark")
    assert datasets.create(NewDataset(name="adult"), "me", "mark").id == first.id
    assert datasets.create(NewDataset(name="adult"), "me", "other").version == 2


def test_making_that_was_cut_short_is_done_again(store: Store) -> None:
    """As ``kill -9`` between the two halves of making a version leaves it."""
    datasets = opened(store)
    made = datasets.create(NewDataset(name="adult"), "me", "mark")
    client = store.client()

    artefacts = Path(made.artefact_uri.removeprefix("file://"))

    def cut() -> None:
        client.update_run(made.id, status="RUNNING")
        (artefacts / OPTIONS).unlink()

    cut()
    again = datasets.create(NewDataset(name="adult"), "me", "mark")
    assert (again.id, again.state, datasets.options(again)) == (made.id, "open", {})
    cut()
    assert datasets.settle() == []
    assert (datasets.get(made.id).state, datasets.get(made.id).reason) == ("refused", CUT_SHORT)
    other = datasets.create(NewDataset(name="adult"), "me", "mark")
    assert (other.state, other.version) == ("open", 2)
    assert datasets.create(NewDataset(name="adult"), "me", "mark").id == other.id


def test_a_file_kept_twice_leaves_a_ready_dataset_alone(store: Store) -> None:
    datasets = opened(store)
    made = datasets.create(NewDataset(name="a"), "me")
    with_file(datasets, made.id, rows(), "all.csv")
    store.client().set_terminated(made.id, "FINISHED")
    [file] = datasets.get(made.id).files
    assert datasets.attach(made, file, Path("gone") / file.file).state == "ready"


def test_another_version_reads_the_same_files_otherwise(store: Store) -> None:
    datasets = opened(store)
    first = datasets.create(NewDataset(name="adult"), "me")
    wish = {"from": first.id, "options": {"target": "b", "columns": {"a": {"kind": "text"}}}}
    with pytest.raises(DatasetConflictError, match="not got its files yet"):
        datasets.create(NewDataset.model_validate(wish), "me")
    with_file(datasets, first.id, b"a,b\n1,2\n", "all.csv")
    second = datasets.create(NewDataset.model_validate(wish), "me")
    assert (second.name, second.version, second.state) == ("adult", 2, "profiling")
    given = datasets.parameters(second)
    assert given["target"] == "b"
    assert given["columns"] == {"a": {"kind": "text"}}
    assert Path(given["file"]).read_bytes() == b"a,b\n1,2\n"
    # A version of a version holds on to the first one's files.
    third = datasets.create(NewDataset.model_validate({"from": second.id}), "me")
    assert third.files_of == first.id
    with pytest.raises(UnknownDatasetError):
        datasets.create(NewDataset.model_validate({"from": first.id}), "you")


def test_options_cannot_read_the_environment(store: Store) -> None:
    wish = NewDataset(name="adult", options={"target": "${oc.env:SECRET}"})
    with pytest.raises(StoreError, match=r"options\.target"):
        opened(store).create(wish, "me")


def test_a_version_is_of_a_family_and_old_ones_of_the_default(store: Store) -> None:
    datasets = opened(store)
    made = datasets.create(NewDataset(name="adult", family="tabular"), "me")
    assert (made.family, made.tags["family"]) == ("tabular", "tabular")
    store.client().delete_tag(made.id, "crisol.dataset.family")  # as before families were named
    assert datasets.get(made.id).family == "tabular"


def test_others_see_what_is_ready_alone_and_pages_have_no_gaps(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crisol.platform.datasets.dataset_store._PAGE", 4)
    datasets = opened(store, max_open_datasets="100")
    made = [datasets.create(NewDataset(name=f"set_{i}"), "me") for i in range(9)]
    for dataset in made[::2]:
        datasets._store.client().set_terminated(dataset.id, "FINISHED")

    def pages(caller: str) -> list[str]:
        found, position = [], None
        while True:
            page, position = datasets.search({}, NEWEST_FIRST, position, 2, caller)
            assert len(page) <= 2
            found += [d.id for d in page]
            if position is None:
                return found
            position = decode_token(PageQuery(page_token=encode_token(PageQuery(), position)))

    assert sorted(pages("you")) == sorted(d.id for d in made[::2])
    assert sorted(pages("me")) == sorted(d.id for d in made)
    with pytest.raises(UnknownDatasetError):
        datasets.get_for(made[1].id, "you")


def test_a_restart_finds_what_was_being_read(store: Store) -> None:
    datasets = opened(store)
    whole, cut_short = (datasets.create(NewDataset(name=n), "me") for n in ("whole", "cut"))
    with_file(datasets, whole.id, rows(), "all.csv")
    datasets._store.client().update_run(cut_short.id, status="RUNNING")
    assert [d.id for d in datasets.settle()] == [whole.id]
    assert datasets.get(cut_short.id).state == "open"


def test_reading_is_held_to_its_limits(store: Store) -> None:
    cases = {
        "time": ({"profile_time_s": "0.05"}, rows(), "longer than 0.05 s"),
        "broken": ({}, b"PAR1 and nothing else", "parquet"),
        "wide": ({"max_columns": "3"}, rows(), "it has 4 columns, and the platform allows 3"),
    }
    for name, (settings, content, expected) in cases.items():
        datasets = opened(store, **settings)
        dataset = datasets.create(NewDataset(name=name), "me")
        with_file(datasets, dataset.id, content, "all.parquet" if name == "broken" else "all.csv")
        profiler = Profiler(datasets, limits(store, **settings))
        profiler.submit(dataset)
        until(lambda: datasets.get(dataset.id).state != "profiling")  # noqa: B023
        profiler.close()
        found = datasets.get(dataset.id)
        assert found.state == "refused"
        assert expected in found.reason.lower()
        assert str(store.project) not in found.reason


def test_owners_take_turns_at_being_read(store: Store) -> None:
    datasets = opened(store)
    looked_at: list[str] = []
    begin = Event()

    class Watched(DatasetStore):
        def get(self, dataset_id: str) -> Dataset:
            begin.wait(10)
            looked_at.append(dataset_id)
            return super().get(dataset_id)  # without a file: nothing is read

    profiler = Profiler(Watched(store, limits(store)), limits(store))
    made = [datasets.create(NewDataset(name=n), n[:3]) for n in ("ann_1", "ann_2", "ann_3", "bob")]
    for dataset in made:
        profiler.submit(dataset)
    begin.set()
    until(lambda: len(looked_at) == len(made), 10)
    profiler.close()
    assert looked_at.index(made[3].id) < looked_at.index(made[2].id), "bob waits for one of ann's"


def test_reading_is_held_to_its_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = limits(store).model_copy(update={"profile_memory_mb": 20})
    datasets = DatasetStore(store, settings)
    dataset = datasets.create(NewDataset(name="large"), "me")
    with_file(datasets, dataset.id, rows(), "all.csv")
    profiler = Profiler(datasets, settings)
    profiler.submit(dataset)
    until(lambda: datasets.get(dataset.id).state != "profiling")
    profiler.close()
    assert "more than 20 MB" in datasets.get(dataset.id).reason


def test_over_http(store: Store) -> None:
    with (
        served(store) as service,
        service.client("trainer") as mine,
        service.client("viewer") as viewer,
    ):
        options = {"target": "churned", "columns": {"age": {"kind": "category"}}}
        dataset = new_dataset(mine, "customers", **options)
        place = f"/v1/datasets/{dataset['id']}"
        assert error(mine.get(f"{place}/profile")) == (409, "not_profiled")
        mine.post(f"{place}/files?name=a.csv", content=rows())
        found = settled(mine, dataset["id"])
        assert (found["state"], found["task"], found["rows"]) == ("ready", "classification", 60)
        columns = {c["name"]: c for c in found["schema"]["columns"]}
        assert columns["churned"]["role"] == "target"
        assert columns["age"]["kind"] == "category"
        assert columns["id"]["role"] in ("id", "ignore")
        profile = viewer.get(f"{place}/profile").json()
        assert profile["schema"] == found["schema"]
        assert json.dumps(profile["profile"], allow_nan=False)
        # Immutable; other options are another version.
        other = mine.post(
            "/v1/datasets", json={"from": dataset["id"], "options": {"target": "age"}}
        )
        assert settled(mine, other.json()["id"])["task"] == "regression"
        wrong_options(mine)
        listed(mine, viewer)
        scopes(mine, viewer)
        same_key(mine)


def test_a_token_has_scopes_and_a_subject(store: Store) -> None:
    secret = "a-secret-of-at-least-32-characters"
    environment = {
        "CRISOL_JWT_ALGORITHM": "HS256",
        "CRISOL_JWT_SECRET": secret,
        "CRISOL_JWT_AUDIENCE": "crisol",
        "CRISOL_JWT_ISSUER": "me",
    }

    def bearer(**claims: str) -> dict[str, str]:
        said = {"aud": "crisol", "iss": "me", "exp": time.time() + 60, **claims}
        return {"Authorization": f"Bearer {jwt.encode(said, secret, 'HS256')}"}

    with served(store, environment) as service, httpx.Client(base_url=service.url) as client:

        def make(name: str, **claims: str) -> httpx.Response:
            return client.post("/v1/datasets", json={"name": name}, headers=bearer(**claims))

        assert make("of_ada", sub="ada", scope="trainer").status_code == 201
        assert error(make("x", sub="ada", scope="viewer promoter")) == (403, "forbidden")
        assert error(make("x", scope="trainer")) == (403, "forbidden")
        assert error(make("of_ada", sub="bob", scope="trainer")) == (409, "conflict")
        # The same person with another token is the same owner.
        assert make("of_ada", sub="ada", scope="trainer viewer").json()["version"] == 2


def wrong_options(mine: httpx.Client) -> None:
    for wish, field in (
        ({"options": {"colour": 1}}, "options.colour"),
        ({"options": {"read": {"delimiter": "ab"}}}, "options.read.delimiter"),
        ({"options": {"read": {"delimiter": "§"}}}, "options.read.delimiter"),
        ({"options": {"read": {"encoding": "zlib_codec"}}}, "options.read.encoding"),
        ({"family": "signals"}, "family"),
    ):
        answer = mine.post("/v1/datasets", json={"name": "wrong", **wish})
        assert error(answer) == (422, "invalid_request")
        assert [detail["field"] for detail in answer.json()["details"]] == [field]
    assert mine.get("/v1/datasets?name=wrong").json()["items"] == []


def listed(mine: httpx.Client, viewer: httpx.Client) -> None:
    first = viewer.get("/v1/datasets", params={"name": "customers", "limit": 1}).json()
    assert [d["version"] for d in first["items"]] == [2]
    later = new_dataset(mine, "customers")  # would move the others on by one
    mine_first = mine.get("/v1/datasets?limit=1").json()["items"]
    assert [d["id"] for d in mine_first] == [later["id"]]
    again = {"name": "customers", "limit": 1, "page_token": first["next_page_token"]}
    assert [d["version"] for d in viewer.get("/v1/datasets", params=again).json()["items"]] == [1]
    foreign = viewer.get("/v1/datasets", params={**again, "name": "other"})
    assert error(foreign) == (422, "invalid_request")
    tasks = viewer.get("/v1/datasets?task=regression&sort=name").json()["items"]
    assert [d["version"] for d in tasks] == [2]
    assert viewer.get("/v1/datasets?owner=me").json()["items"] == []
    assert len(mine.get("/v1/datasets?owner=me&state=ready").json()["items"]) == 2
    assert error(viewer.get("/v1/datasets?state=nonsense")) == (422, "invalid_request")


def scopes(mine: httpx.Client, viewer: httpx.Client) -> None:
    assert error(viewer.post("/v1/datasets", json={"name": "x"})) == (403, "forbidden")
    assert error(viewer.post("/v1/datasets/1/files")) == (403, "forbidden")
    assert error(httpx.get(f"{mine.base_url}/v1/datasets")) == (401, "unauthorized")
    assert error(mine.get("/v1/datasets/nonsense")) == (404, "dataset_unknown")
    change = mine.patch("/v1/models/a/versions/1", json={"action": "promote"})
    assert error(change) == (403, "forbidden")


def same_key(mine: httpx.Client) -> None:
    """Many at once with one key make one."""

    def post(_: int) -> httpx.Response:
        return mine.post("/v1/datasets", json={"name": "raced"}, headers={"Idempotency-Key": "k"})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(16)))
    made = [a for a in answers if a.status_code == 201]
    assert len({a.content for a in made}) == 1
    assert {error(a) for a in answers if a not in made} <= {(409, "request_in_progress")}
    assert len(mine.get("/v1/datasets?name=raced").json()["items"]) == 1
    assert post(0).content == made[0].content
    other = mine.post("/v1/datasets", json={"name": "b"}, headers={"Idempotency-Key": "k"})
    assert error(other) == (422, "idempotency_key_reused")
    bad = mine.post("/v1/datasets", json={"name": "b"}, headers={"Idempotency-Key": "k" * 201})
    assert error(bad) == (400, "bad_request")
    # What was refused made nothing, and its key is free.
    wrong = {"from": "0" * 32}
    twice = [mine.post("/v1/datasets", json=wrong, headers={"Idempotency-Key": "f"})] * 2
    assert {error(a) for a in twice} == {(404, "dataset_unknown")}


def test_a_token_of_another_listing_is_refused() -> None:
    with pytest.raises(FieldError, match="is not the next_page_token"):
        decode_token(PageQuery(page_token="e30"))
    token = encode_token(PageQuery(), 5)
    assert decode_token(PageQuery(page_token=token, limit=7)) == 5


def test_a_forged_token_is_refused_by_every_listing(store: Store) -> None:
    def theirs(content: Any) -> str:
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        return base64.b64encode(text).decode()

    tokens = [
        "", "x", "\u00e9", "e30=", theirs(b"\xff"), theirs(7), theirs([]), theirs({}),
        *(theirs({"offset": offset}) for offset in (-1, 0, 10**30, 1.5, "7", [7], None, True)),
        theirs(b'{"offset": 1e999}'), theirs(b'{"offset": ' + b"9" * 999 + b"}"),
    ]  # fmt: skip
    positions = [7, None, {}, [None], *([0, token] for token in tokens)]
    positions += [[moment, theirs({"offset": 1})] for moment in (-1, 10**15, "0", 1e300)]
    with served(store) as service, service.client("trainer") as mine:
        for place, query, wrap in (
            ("/v1/datasets", DatasetQuery(), lambda token: [token, 0]),
            ("/v1/jobs", JobQuery(), lambda token: token),
        ):
            forged = [
                encode_token(
                    query, [p[0], wrap(p[1])] if isinstance(p, list) and len(p) == 2 else p
                )
                for p in positions
            ]
            surrogate = theirs(b'["", [0, "\\ud800"]]')
            for token in [*forged, surrogate, "[[]]", "\u00e9", "A" * 2000]:
                answer = mine.get(place, params={"page_token": token})
                assert error(answer) == (422, "invalid_request"), token
                assert answer.json()["details"][0]["type"] == "page_token_invalid", token


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(ConfigurationError, match="CRISOL_PLATFORM_MAX_FILE_BYTES"):
        PlatformSettings.from_environment({"CRISOL_PLATFORM_MAX_FILE_BYTES": "many"}, Path("/"))


def test_a_state_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(ConfigurationError, match=r"CRISOL_PLATFORM_STATE_DIR: .*make it writable"):
        PlatformSettings.from_environment({}, tmp_path).make_state_dir()
