"""The registry over HTTP: what is listed, and that moving the champion goes through the gate."""

import json
from collections.abc import Iterator

import httpx
import pytest
from tests.platform.answering import KEYS, error, served
from tests.platform.conftest import job_project
from tests.registry.conftest import Project

from crisol.registry.release import promotion, versions


@pytest.fixture(scope="module")
def project(
    families: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    template_database: object,
) -> Project:
    """Two versions of `linear`: one that passes the gate, one that is worse."""
    made = job_project(tmp_path_factory.mktemp("models") / "project", template_database)  # type: ignore[arg-type]
    made.store.activate()
    made.run()
    made.run(model={"slope_error": 1.0})
    return made


@pytest.fixture(scope="module")
def url(project: Project) -> Iterator[str]:
    with served(project.store) as service:
        yield service.url


@pytest.fixture(scope="module")
def viewer(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"X-API-Key": KEYS["viewer"]}) as client:
        yield client


@pytest.fixture(scope="module")
def promoter(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"X-API-Key": KEYS["promoter"]}, timeout=60) as client:
        yield client


def change(client: httpx.Client, version: str, **body: object) -> httpx.Response:
    return client.patch(f"/v1/models/linear/versions/{version}", json=body)


def test_what_is_registered_is_listed(viewer: httpx.Client) -> None:
    [model] = viewer.get("/v1/models").json()["items"]
    assert (model["id"], model["versions"], model["candidate"]) == ("linear", 2, "2")
    first, second = viewer.get("/v1/models/linear/versions?sort=created").json()["items"]
    assert (first["number"], first["semver"]) == ("1", "1.0.0")
    assert second["semver"] == "1.1.0"
    assert first["metrics"]
    assert first["size_bytes"] > 0
    assert first["gate"]["sentences"]
    by_name = viewer.get("/v1/models/linear/versions/1.0.0").json()
    assert by_name == viewer.get("/v1/models/linear/versions/1").json() == first
    page = viewer.get("/v1/models/linear/versions?limit=1").json()
    rest = viewer.get(
        "/v1/models/linear/versions", params={"limit": 1, "page_token": page["next_page_token"]}
    ).json()
    assert [v["number"] for v in (*page["items"], *rest["items"])] == ["2", "1"]
    assert rest["next_page_token"] is None


NOWHERE = (
    "linear/versions/9",
    "linear/versions/1.9.9",
    "linear/versions/x",
    "nothing/versions/1",
    "signals/versions",
    "../x/versions",
)


@pytest.mark.parametrize("path", NOWHERE)
def test_what_is_not_there_is_404(viewer: httpx.Client, path: str) -> None:
    assert viewer.get(f"/v1/models/{path}").status_code == 404


def test_only_a_promoter_changes_versions(viewer: httpx.Client, url: str) -> None:
    trainer = httpx.Client(base_url=url, headers={"X-API-Key": KEYS["trainer"]})
    for client in (viewer, trainer):
        refused = change(client, "1", action="promote")
        assert error(refused) == (403, "forbidden")
        assert "promoter" in refused.json()["error"]


def test_a_version_moves_through_the_gate(promoter: httpx.Client, project: Project) -> None:
    done = change(promoter, "1.0.0", action="promote", reason="the first")
    assert done.json()["champion"] == "1", done.text
    assert done.json()["version"]["status"] == "deployed"
    assert change(promoter, "1", action="promote").json()["changed"] is False
    assert error(change(promoter, "1", action="archive")) == (409, "conflict")
    refused = change(promoter, "2", action="promote")
    assert error(refused) == (409, "gate_refused")
    assert refused.json()["details"]
    assert "kedro" not in json.dumps(refused.json())
    blind = change(promoter, "2", action="promote", force=True)
    assert error(blind) == (422, "invalid_request")
    forced = change(promoter, "2", action="promote", force=True, reason="to see")
    assert forced.json()["champion"] == "2"
    assert error(change(promoter, "2", action="rollback")) == (409, "not_previous")
    assert change(promoter, "1", action="rollback", reason="worse").json()["champion"] == "1"
    assert change(promoter, "2", action="archive", reason="bad").json()["changed"] is True
    assert error(change(promoter, "2", action="promote")) == (409, "conflict")
    archived = promoter.get("/v1/models/linear/versions?status=archived").json()["items"]
    assert [v["number"] for v in archived] == ["2"]
    assert change(promoter, "2", action="unarchive").json()["version"]["status"] == "ready"
    moves = promotion.history(project.store, "linear")
    assert [(m.kind, m.new, m.forced) for m in moves] == [
        ("promote", "1", False), ("promote", "2", True), ("rollback", "1", False),
    ]  # fmt: skip
    assert {m.by[:4] for m in moves} == {"key:"}
    assert versions.aliases(project.store, "linear")["champion"] == "1"


def test_the_page_of_the_api_describes_it(viewer: httpx.Client) -> None:
    document = viewer.get("/openapi.json").json()
    paths = document["paths"]
    assert {"get", "patch"} <= set(paths["/v1/models/{model_id}/versions/{version}"])
    assert {"post", "get"} <= set(paths["/v1/datasets"])
    assert {"post", "patch", "get", "delete"} <= set(paths["/v1/datasets/{dataset_id}/files"])
    headers = {p["name"] for p in paths["/v1/datasets"]["post"]["parameters"]}
    assert "Idempotency-Key" in headers
    page = viewer.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["content-type"].startswith("text/html")
