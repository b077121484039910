"""What an answer says beside its body: one shape of errors, no leak, nothing for other origins."""

import base64
import json
from functools import cache
from typing import Any

import httpx
import pytest
from tests.attacks.answering import APPLICATIONS, JSON, Target
from tests.attacks.wire import Reply, refused, request, send

every = pytest.mark.parametrize("target", APPLICATIONS, indirect=True)


@every
@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*;q=0", "", "a" * 5000])
def test_an_error_is_json_whatever_is_accepted(target: Target, accept: str) -> None:
    with target.client() as client:
        client.headers["accept"] = accept
        refused(client.get("/nowhere"), 404)
        refused(client.put(target.guarded), 405)
        refused(client.post(target.asking, content=b"{", headers=JSON), 400)
        refused(client.get(target.guarded, headers={"x-api-key": "no"}), 401)


@every
def test_every_answer_has_an_id_and_no_sniffing(target: Target) -> None:
    with target.client() as client:
        for answer in (
            client.get("/livez"), client.get("/nowhere"), client.get(target.guarded),
            client.get("/metrics"), client.get("/openapi.json"), client.get("/docs"),
            client.put(target.guarded), client.post(target.asking, content=b""),
        ):  # fmt: skip
            assert answer.headers["x-request-id"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert float(answer.headers["x-process-time-ms"]) >= 0


@every
@pytest.mark.parametrize(
    "given", ["a" * 65, "a b", "<script>", "é", "a\tb", "a,b", "${jndi:ldap://x}", "", "../../x"]
)
def test_an_id_that_is_not_sane_is_replaced(target: Target, given: str) -> None:
    with target.client(None) as client:
        answer = client.get("/nowhere", headers={"x-request-id": given.encode()})  # type: ignore[dict-item]
        assert refused(answer, 404)["request_id"] != given
        again = client.get("/nowhere", headers={"x-request-id": "sane-1.2_3"})
        assert refused(again, 404)["request_id"] == "sane-1.2_3"


@pytest.mark.parametrize("target", ["signals", "platform"], indirect=True)
def test_an_id_with_a_line_break_adds_no_header(target: Target) -> None:
    for given in ("a\rSet-Cookie: a=b", "a%0d%0aSet-Cookie: a=b", "a\x85Set-Cookie: a=b"):
        asked = request(target, "GET", "/nowhere", X_Request_Id=given, Connection="close")
        [answer], _ = send(target, asked)
        assert isinstance(answer, Reply)
        assert answer.status in (400, 404)
        assert "set-cookie" not in answer.headers


@every
def test_other_origins_are_told_nothing(target: Target) -> None:
    """Without ``CRISOL_CORS_ORIGINS`` no answer opens itself to a page of another origin."""
    origin = {"origin": "https://evil.example"}
    preflight = {**origin, "access-control-request-method": "POST",
                 "access-control-request-headers": "x-api-key"}  # fmt: skip
    with target.client() as client:
        answers = [
            client.options(target.asking, headers=preflight),
            client.get(target.guarded, headers=origin),
            client.get("/nowhere", headers=origin),
            client.get("/openapi.json", headers={"origin": "null"}),
        ]
    refused(answers[0], 405)
    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "set-cookie" not in answer.headers


@every
@pytest.mark.parametrize(
    "query",
    ["a=b", "limit=1&limit=2", "limit=x", "limit=-1", "limit=1e3", "limit=99999999999999999",
     "limit=%00", "limit=%ff", "&" * 5000, "=" * 5000, "limit[]=1", "limit=%D9%A1",
     "page_token=" + "a" * 3000, "page_token=e30", "owner=' OR 1=1 --", "sort=created;DROP"]
)  # fmt: skip
def test_a_query_that_is_none_is_refused_or_of_no_matter(target: Target, query: str) -> None:
    with target.client() as client:
        answer = client.get(f"{target.guarded}?{query}")
        if answer.status_code != 200:
            refused(answer, 400, 422)
        elif target.name == "platform":
            assert query.startswith(("&", "=")), "a parameter that is not known is refused"
        if target.name == "platform":
            for path in ("/v1/datasets", "/v1/models"):
                answer = client.get(f"{path}?{query}")
                if answer.status_code != 200:
                    refused(answer, 400, 422)


@cache
def page_token(target: Target, path: str) -> list[Any]:
    """What the token of a second page holds: a digest of the listing, and the position."""
    with target.client() as client:
        for _ in range(2):
            client.post("/v1/datasets", json={"name": "listed"})
            client.post("/v1/jobs", json={"family": "linear", "start": False})
        token = client.get(path, params={"limit": 1}).json()["next_page_token"]
    found: list[Any] = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    return found


def with_token(target: Target, path: str, content: Any) -> httpx.Response:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    token = base64.urlsafe_b64encode(text).decode().rstrip("=")
    with target.client() as client:
        return client.get(path, params={"limit": 1, "page_token": token})


LISTINGS = pytest.mark.parametrize("path", ["/v1/jobs", "/v1/datasets"])
platform = pytest.mark.parametrize("target", ["platform"], indirect=True)
SOON = 10**13


@platform
@LISTINGS
def test_a_forged_page_token_is_refused(target: Target, path: str) -> None:
    digest, position = page_token(target, path)
    for forged in (
        [digest, None], [digest, -1], [digest, 10**400], [digest, [[]] * 3], [digest, {}],
        [digest], [digest, position, 1], ["", position], [digest, [SOON, "\ud800"]],
        [digest, [SOON, ["\ud800", 0]]], [digest, [SOON, "a\0"]], [digest, [-1, position[1]]],
        b"[" * 1_000, b"\xff", b"", b"null", b"{}",
    ):  # fmt: skip
        refused(with_token(target, path, forged), 422)
    assert with_token(target, path, [digest, position]).status_code == 200


INSIDE = {
    "nonsense": "' OR 1=1",
    "a list": "[]",
    "nothing": "{}",
    "a text": '{"offset": "x"}',
    "a negative number": '{"offset": -5}',
    "a number beyond 64 bits": '{"offset": 99999999999999999999}',
    "a fraction": '{"offset": 0.5}',
}


@platform
@LISTINGS
@pytest.mark.parametrize("text", INSIDE.values(), ids=INSIDE)
def test_a_forged_token_of_the_store_inside_a_page_token_is_refused(
    target: Target, path: str, text: str
) -> None:
    digest, _ = page_token(target, path)
    inside = base64.b64encode(text.encode()).decode()
    position = [SOON, [inside, 0]] if path == "/v1/datasets" else [SOON, inside]
    refused(with_token(target, path, [digest, position]), 422)
