"""Bodies that are no JSON, that cost, or that say the same thing twice: refused, and cheaply."""

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from tests.attacks.answering import APPLICATIONS, JSON, Target
from tests.attacks.wire import refused, stays_alive

from crisol.serving.http.config import Settings

every = pytest.mark.parametrize("target", APPLICATIONS, indirect=True)
DEEP = 100_000
TOO_LARGE = Settings().max_upload_bytes + 1
"""More than any of the routes here takes."""


def post(target: Target, content: bytes, headers: Mapping[str, str] = JSON) -> httpx.Response:
    with target.client() as client:
        return client.post(target.asking, content=content, headers=dict(headers))


def plain(target: Target) -> str:
    return json.dumps(dict(target.body))


NO_JSON: dict[str, Callable[[Target], bytes]] = {
    "nothing": lambda _: b"",
    "spaces": lambda _: b" \n\t",
    "a cut object": lambda t: plain(t).encode()[:-1],
    "more behind it": lambda t: plain(t).encode() + b"{}",
    "two in two lines": lambda t: plain(t).encode() + b"\n" + plain(t).encode(),
    "a comma too many": lambda t: plain(t).encode()[:-1] + b",}",
    "single quotes": lambda t: plain(t).replace('"', "'").encode(),
    "a comment": lambda t: b"/* */" + plain(t).encode(),
    "a byte order mark": lambda t: b"\xef\xbb\xbf" + plain(t).encode(),
    "UTF-16": lambda t: plain(t).encode("utf-16"),
    "UTF-32": lambda t: plain(t).encode("utf-32"),
    "Latin-1": lambda _: '{"é": 1}'.encode("latin-1"),
    "half a character": lambda _: b'{"\xc3": 1}',
    "a surrogate in UTF-8": lambda _: b'{"\xed\xa0\x80": 1}',
    "an overlong slash": lambda _: b'{"\xc0\xaf": 1}',
    "NUL behind it": lambda t: plain(t).encode() + b"\0",
    "NUL in a text": lambda _: b'{"a": "\0"}',
    "a line break in a text": lambda _: b'{"a": "\n"}',
    "a lone surrogate": lambda _: rb'{"a": "\ud800"}',
    "a surrogate pair turned round": lambda _: rb'{"a": "\udc00\ud800"}',
    "no escape": lambda _: rb'{"a": "\x41"}',
    "leading zeros": lambda _: b'{"a": 007}',
    "a plus sign": lambda _: b'{"a": +1}',
    "a hexadecimal number": lambda _: b'{"a": 0x10}',
    "a point at the end": lambda _: b'{"a": 1.}',
    "deep arrays": lambda _: b"[" * DEEP,
    "deep and closed arrays": lambda _: b"[" * DEEP + b"]" * DEEP,
    "deep objects": lambda _: b'{"a":' * DEEP,
    "deep and closed objects": lambda _: b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "gzip": lambda t: gzip.compress(plain(t).encode()),
    "a picture": lambda _: b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
    "XML": lambda _: b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
}


@every
@pytest.mark.parametrize("make", NO_JSON.values(), ids=NO_JSON)
def test_what_is_no_json_is_refused(target: Target, make: Callable[[Target], bytes]) -> None:
    answer = post(target, make(target))
    assert refused(answer, 400)["code"] == "malformed_json"


NO_BODY: dict[str, bytes] = {
    "null": b"null",
    "a number": b"1",
    "a text": b'"text"',
    "a list": b"[]",
    "many empty objects": b"[" + b"{}," * 50_000 + b"{}]",
    "an empty object's neighbours": b'{"": {}, " ": [], "\\u0000": null}',
    "a prototype": b'{"__proto__": {"a": 1}, "constructor": {"prototype": {}}}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "1e999": b'{"a": 1e999}',
    "a huge exponent": b'{"a": 1e999999999999999999}',
    "a tiny exponent": b'{"a": 1e-999999999999999999}',
    "a million digits": b'{"a": ' + b"9" * 1_000_000 + b"}",
    "a million decimals": b'{"a": 0.' + b"9" * 1_000_000 + b"}",
    "a long text": b'{"a": "' + b"a" * 3_000_000 + b'"}',
    "escapes alone": b'{"a": "' + b"\\u0041" * 400_000 + b'"}',
    "the same name 50,000 times": b"{" + b'"a":1,' * 50_000 + b'"a":1}',
}


@every
@pytest.mark.parametrize("content", NO_BODY.values(), ids=NO_BODY)
def test_json_of_another_shape_is_refused_quickly(target: Target, content: bytes) -> None:
    with stays_alive(target):
        answer = post(target, content)
    refused(answer, 400, 422)
    assert len(answer.content) < 20_000, "what was sent does not come back"


@every
def test_a_long_name_does_not_come_back_whole(target: Target) -> None:
    answer = post(target, b'{"' + b"a" * 1_000_000 + b'": 1}')
    refused(answer, 400, 413, 422)
    assert len(answer.content) < 20_000


FREE = {
    "platform": [
        (
            "/v1/jobs",
            '{"family": "linear", "start": false, "parameters": {"linear": {"train": {}}}}',
        ),
        ("/v1/datasets", '{"name": "deep", "options": {"a": {}}}'),
    ],
    "products": [("/embeddings/batch", '{"products": [{"a": {}}]}')],
}


@pytest.mark.parametrize("depth", [150, 250, 5_000, DEEP])
@pytest.mark.parametrize("target", FREE, indirect=True)
def test_where_anything_may_stand_it_may_not_be_deep(target: Target, depth: int) -> None:
    for path, body in FREE[target.name]:
        deep = body.replace("{}", '{"a":' * depth + "1" + "}" * depth)
        with stays_alive(target), target.client() as client:
            answer = client.post(path, content=deep, headers=JSON)
        if (path, answer.status_code) != ("/embeddings/batch", 202):  # each product is read later
            refused(answer, 400, 422)


@pytest.mark.parametrize("target", ["signals", "recommender", "tabular"], indirect=True)
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400, "1e400"])
def test_a_number_that_is_none_is_refused_by_its_field(target: Target, number: str) -> None:
    field, text = {
        "signals": ("sequence.0.close", _with_close(target, number)),
        "recommender": ("num_recs", f'{{"user_id": "user-0", "num_recs": {number}}}'),
        "tabular": ("rows.0.income", f'{{"rows": [{{"income": {number}}}]}}'),
    }[target.name]
    body = refused(post(target, text.encode()), 422)
    assert field in [detail["field"] for detail in body["details"]]


def _with_close(target: Target, number: str) -> str:
    if target.name != "signals":
        return ""
    body = json.loads(plain(target))
    body["sequence"][0]["close"] = "HERE"
    return json.dumps(body).replace('"HERE"', number)


@every
def test_a_name_that_is_there_twice_is_one_value(target: Target) -> None:
    """The last one, as in every other reader of JSON; never a mixture, never two readings."""
    name = next(iter(target.body))
    twice = f'{{"{name}": [{{}}], {plain(target)[1:]}'
    assert post(target, twice.encode()).status_code in (200, 201)
    behind = f'{plain(target)[:-1]}, "{name}": [{{}}]}}'
    refused(post(target, behind.encode()), 422)


TYPES = {
    "none": {},
    "empty": {"content-type": ""},
    "text": {"content-type": "text/plain"},
    "a form": {"content-type": "application/x-www-form-urlencoded"},
    "XML": {"content-type": "application/xml"},
    "JSON of another kind": {"content-type": "application/json-patch+json"},
    "JSON as a suffix": {"content-type": "application/vnd.api+json"},
    "two": {"content-type": "application/json, text/plain"},
    "JSON in UTF-16": {"content-type": "application/json; charset=utf-16"},
    "JSON in UTF-7": {"content-type": "application/json; charset=utf-7"},
    "a form of parts without a boundary": {"content-type": "multipart/form-data"},
    "gzip": {**JSON, "content-encoding": "gzip"},
    "deflate": {**JSON, "content-encoding": "deflate"},
    "br": {**JSON, "content-encoding": "br"},
    "zstd": {**JSON, "content-encoding": "zstd"},
    "twice compressed": {**JSON, "content-encoding": "gzip, gzip"},
}


@every
@pytest.mark.parametrize("headers", TYPES.values(), ids=TYPES)
def test_a_body_of_another_type_is_415(target: Target, headers: dict[str, str]) -> None:
    refused(post(target, plain(target).encode(), headers), 415)


@every
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
def test_a_compressed_bomb_is_not_unpacked(target: Target, pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(b'{"a": "' + b"a" * 30_000_000 + b'"}')
    coding = {gzip.compress: "gzip", zlib.compress: "deflate"}[pack]
    with stays_alive(target):
        refused(post(target, bomb, {**JSON, "content-encoding": coding}), 415)


@every
def test_a_body_beyond_the_limit_is_413(target: Target) -> None:
    text = b'{"a": "' + b"a" * TOO_LARGE + b'"}'
    with stays_alive(target):
        refused(post(target, text), 413)


@pytest.mark.parametrize("target", ["signals", "platform"], indirect=True)
def test_hundreds_of_thousands_of_unknown_keys_hold_nobody_up(target: Target) -> None:
    content = b"{" + b",".join(b'"k%d":1' % n for n in range(350_000)) + b"}"
    with stays_alive(target):
        answer = post(target, content)
    refused(answer, 400, 413, 422)
    assert len(answer.json()["details"]) <= 50


@pytest.mark.parametrize("target", ["platform"], indirect=True)
def test_a_job_of_many_unknown_parameters_holds_nobody_up(target: Target) -> None:
    many = {f"k{n}": 1 for n in range(10_000)}
    body = {"family": "linear", "parameters": {"linear": {"train": many}}, "start": False}
    with stays_alive(target), target.client() as client:
        answer = client.post("/v1/jobs", json=body)
        refused(answer, 400, 413, 422)
    assert len(answer.json()["details"]) <= 51, "fifty, and that there are more"


TEXTS = {
    "NUL": "a\0b",
    "a surrogate pair": "\U0001f4a3",
    "right to left": "\u202eabc",
    "a line": "a\nb",
}


@pytest.mark.parametrize("target", ["platform"], indirect=True)
@pytest.mark.parametrize("field", ["name", "description"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_of_any_characters_is_kept_or_refused(target: Target, field: str, text: str) -> None:
    body: dict[str, Any] = {"name": "texts", field: text}
    with target.client() as client:
        answer = client.post("/v1/datasets", json=body)
        if answer.status_code == 201:
            shown = client.get(answer.headers["location"]).json()
            assert shown[field] == text
        else:
            refused(answer, 422)


@pytest.mark.parametrize("target", ["platform"], indirect=True)
def test_nul_is_refused_in_every_text(target: Target) -> None:
    with target.client() as client:
        for path, body in (
            ("/v1/datasets", {"name": "texts", "description": "a\0b"}),
            ("/v1/jobs", {"family": "linear", "start": False, "name": "a\0b"}),
            ("/v1/jobs", {"family": "linear", "start": False, "model": "linear.a\0"}),
        ):
            refused(client.post(path, json=body), 422)
