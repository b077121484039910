"""Every operation of every OpenAPI document, asked by everybody: who may is written down here."""

import re
from typing import Any

import httpx
import pytest
from tests.attacks.answering import APPLICATIONS, JSON, Target
from tests.attacks.wire import refused

MAY = {
    "anybody": (None, "viewer", "trainer", "promoter", "everything"),
    "a key": ("viewer", "trainer", "promoter", "everything"),
    "viewer": ("viewer", "trainer", "promoter", "everything"),
    "trainer": ("trainer", "everything"),
    "promoter": ("promoter", "everything"),
}
"""Who passes, by what an operation needs."""
PUBLIC = {
    "GET /livez": "anybody",
    "GET /readyz": "anybody",
    "GET /health": "anybody",
    "GET /metrics": "anybody",
    "GET /openapi.json": "anybody",
}
SERVICE = {**PUBLIC, "GET /model": "a key"}
NEEDS: dict[str, dict[str, str]] = {
    "signals": {**SERVICE, "POST /predict": "a key", "POST /predict/batch": "a key"},
    "recommender": {
        **SERVICE,
        "POST /recommendations": "a key",
        "POST /recommendations/batch": "a key",
        "POST /similar-items": "a key",
        "POST /events": "a key",
    },
    "tabular": {
        **SERVICE,
        "POST /predict": "a key",
        "GET /schema": "a key",
        "POST /explain/batch": "a key",
        "GET /explain/batch/{job_id}": "a key",
        "DELETE /explain/batch/{job_id}": "a key",
        "GET /explain/batch/{job_id}/results": "a key",
    },
    "products": {
        **SERVICE,
        "POST /analyze": "a key",
        "POST /classify": "a key",
        "POST /quality": "a key",
        "POST /price": "a key",
        "POST /search": "a key",
        "POST /embeddings/batch": "a key",
        "GET /embeddings/batch/{job_id}": "a key",
        "DELETE /embeddings/batch/{job_id}": "a key",
        "GET /embeddings/batch/{job_id}/results": "a key",
    },
    "platform": {
        **PUBLIC,
        "GET /v1/health": "anybody",
        "POST /v1/datasets": "trainer",
        "GET /v1/datasets": "viewer",
        "GET /v1/datasets/{dataset_id}": "viewer",
        "GET /v1/datasets/{dataset_id}/profile": "viewer",
        "POST /v1/datasets/{dataset_id}/files": "trainer",
        "PATCH /v1/datasets/{dataset_id}/files": "trainer",
        "GET /v1/datasets/{dataset_id}/files": "trainer",
        "DELETE /v1/datasets/{dataset_id}/files": "trainer",
        "POST /v1/jobs": "trainer",
        "GET /v1/jobs": "viewer",
        "GET /v1/jobs/{job_id}": "viewer",
        "POST /v1/jobs/{job_id}/start": "trainer",  # of one's own; see the test of it below
        "POST /v1/jobs/{job_id}/cancel": "viewer",
        "GET /v1/jobs/{job_id}/progress": "viewer",
        "GET /v1/jobs/{job_id}/events": "viewer",
        "GET /v1/jobs/{job_id}/logs": "viewer",
        "GET /v1/models": "viewer",
        "GET /v1/models/{model_id}/versions": "viewer",
        "GET /v1/models/{model_id}/versions/{version}": "viewer",
        "PATCH /v1/models/{model_id}/versions/{version}": "promoter",
    },
}
every = pytest.mark.parametrize("target", APPLICATIONS, indirect=True)


def document(target: Target) -> dict[str, Any]:
    with target.client(None) as client:
        found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def operations(target: Target) -> dict[str, dict[str, Any]]:
    """The documented operations by method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, found in document(target)["paths"].items()
        for method, operation in found.items()
        if method in ("get", "post", "put", "patch", "delete", "head", "options", "trace")
    }


def ask(client: httpx.Client, operation: str) -> httpx.Response:
    """Ask with ids of nothing and with a body that is not valid: nothing is made."""
    method, path = operation.split(" ")
    path = re.sub(r"{\w+}", "0" * 32, path)
    if method in ("GET", "HEAD"):
        return client.request(method, path)
    return client.request(method, path, content=b"{]", headers=JSON)


@every
def test_every_operation_is_written_down_here(target: Target) -> None:
    assert set(operations(target)) == set(NEEDS[target.name])


@every
@pytest.mark.parametrize("who", [None, "viewer", "trainer", "promoter", "everything"])
def test_an_operation_answers_those_who_may_and_nobody_else(
    target: Target, who: str | None
) -> None:
    wrong = {}
    with target.client(who) as client:
        for operation, need in NEEDS[target.name].items():
            answer = ask(client, operation)
            if who in MAY[need]:
                good = answer.status_code not in (401, 403) and answer.status_code < 500
            else:
                good = answer.status_code == (401 if who is None else 403)
                refused(answer, 401, 403)
            if not good:
                wrong[operation] = answer.status_code
    assert wrong == {}


@every
def test_head_needs_what_get_needs(target: Target) -> None:
    for who in (None, "viewer", "trainer", "promoter"):
        with target.client(who) as client:
            for operation in NEEDS[target.name]:
                if operation.startswith("GET ") and not operation.endswith("/events"):
                    got, headed = (
                        ask(client, operation),
                        ask(client, operation.replace("GET", "HEAD")),
                    )
                    assert headed.status_code == got.status_code, operation
                    assert headed.content == b""


@every
def test_the_document_says_what_a_request_needs(target: Target) -> None:
    for name, operation in operations(target).items():
        need = NEEDS[target.name][name]
        assert bool(operation.get("security")) == (need != "anybody"), name
        if need in ("viewer", "trainer", "promoter"):
            assert f"`{need}`" in operation["description"], name


@every
def test_other_methods_of_a_path_are_refused(target: Target) -> None:
    paths = {operation.split(" ")[1] for operation in NEEDS[target.name]}
    with target.client() as client:
        for path in paths:
            known = {o.split(" ")[0] for o in NEEDS[target.name] if o.endswith(f" {path}")}
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
                if method not in known:
                    answer = ask(client, f"{method} {path}")
                    refused(answer, 405)
                    allowed = set(answer.headers["allow"].split(", "))
                    assert allowed - {"HEAD"} == known, (method, path)


@pytest.mark.parametrize("target", ["platform"], indirect=True)
def test_a_job_is_started_and_ended_by_its_owner_or_a_promoter(target: Target) -> None:
    with target.client("trainer") as mine:
        made = mine.post("/v1/jobs", json={"family": "linear", "start": False})
        assert made.status_code == 201, made.text
        place = made.headers["location"]
        for who in ("viewer", "another"):
            with target.client(who) as client:
                for action in ("start", "cancel"):
                    refused(client.post(f"{place}/{action}"), 403)
        assert mine.get(place).json()["detail"] == "held"
        with target.client("promoter") as client:
            assert client.post(f"{place}/cancel").status_code == 202


@pytest.mark.parametrize("target", ["platform", "products", "tabular"], indirect=True)
def test_what_is_not_ones_own_is_as_what_does_not_exist(target: Target) -> None:
    if target.name == "products":
        asked = [("POST", "/embeddings/batch", {"products": [{"title": "Mug"}]})]
        looks = [("GET", ""), ("GET", "/results"), ("DELETE", "")]
    elif target.name == "tabular":
        asked = [("POST", "/explain/batch", target.body)]
        looks = [("GET", ""), ("GET", "/results"), ("DELETE", "")]
    else:
        asked = [("POST", "/v1/datasets", {"name": "private"})]
        looks = [("GET", ""), ("GET", "/profile"), ("GET", "/files"), ("DELETE", "/files")]
    with target.client("trainer") as mine, target.client("another") as theirs:
        for method, path, body in asked:
            made = mine.request(method, path, json=body).json()
            made_id = made.get("id") or made["job_id"]
            for look, more in looks:
                there = theirs.request(look, target.objects.format(made_id) + more)
                nowhere = theirs.request(look, target.objects.format("0" * 32) + more)
                one, other = refused(there, 404), refused(nowhere, 404)
                assert one["code"] == other["code"]
                assert one["error"].replace(made_id, "") == other["error"].replace("0" * 32, "")


@every
def test_what_everybody_sees_names_no_caller_and_no_folder(target: Target) -> None:
    pages = [o.split(" ")[1] for o, need in NEEDS[target.name].items() if need == "anybody"]
    with target.client(None) as client:
        text = "\n".join(client.get(page).text for page in [*pages, "/docs"])
    assert target.key not in text
    assert "key:" not in text
    assert "/tmp/" not in text
    assert "sqlite" not in text
