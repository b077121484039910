"""Requests whose parts can be read in two ways: one reading, and never another's privileges.

Behind the request of somebody with a key follows ``NEXT``, without a key. Read as a request of its
own it is refused with 401; any success on the connection beyond the first was smuggled.
"""

import json
from dataclasses import dataclass

import pytest
from tests.attacks.answering import Target
from tests.attacks.wire import Reply, refused, request, send, stays_alive, still_answers

NEXT = "GET {guarded} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
HEAD = "Host: x\r\nX-API-Key: {key}\r\n"
CLOSE = "Connection: close\r\n"
POST = "POST {asking} HTTP/1.1\r\n" + HEAD + "Content-Type: application/json\r\n"
GET = "GET {guarded} HTTP/1.1\r\n" + HEAD
LAST = "GET {guarded} HTTP/1.1\r\n" + HEAD + CLOSE
CHUNKED = "Transfer-Encoding: chunked\r\n"
CHUNKS = "{size}\r\n{body}\r\n0\r\n\r\n"
EMPTY = "0\r\n\r\n"
DONE = (200, 201)


@dataclass(frozen=True)
class Attack:
    """Bytes, and the statuses that may answer them.

    Attributes:
        text: sent as Latin-1, with the target's facts in the place of names in braces.
        statuses: of the first answer.
        further: how many answers may follow it; each is a refusal.
    """

    text: str
    statuses: tuple[int, ...]
    further: int = 0

    def on(self, target: Target) -> bytes:
        """The bytes for a target."""
        body = json.dumps(dict(target.body))
        text = self.text
        for name, value in {
            "key": target.key, "asking": target.asking, "guarded": target.guarded, "body": body,
            "length": str(len(body)), "size": f"{len(body):x}",
        }.items():  # fmt: skip
            text = text.replace("{" + name + "}", value)
        return text.encode("latin-1")


def with_length(text: str) -> str:
    """A body and its length, as long as the names in it become."""
    return f"Content-Length: {len(text.replace('{guarded}', '/model'))}\r\n\r\n{text}"


BODY_LENGTHS = {
    "length and chunked": POST + "Content-Length: 5\r\n" + CHUNKED + "\r\n" + EMPTY + NEXT,
    "chunked and length": POST + CHUNKED + "Content-Length: 5\r\n\r\n" + EMPTY + NEXT,
    "two lengths": POST + "Content-Length: {length}\r\nContent-Length: 0\r\n\r\n{body}" + NEXT,
    "one length twice": POST + "Content-Length: {length}\r\n" * 2 + "\r\n{body}" + NEXT,
    "a list of lengths": POST + "Content-Length: {length}, {length}\r\n\r\n{body}" + NEXT,
    "a length with a sign": POST + "Content-Length: +{length}\r\n\r\n{body}" + NEXT,
    "a negative length": POST + "Content-Length: -1\r\n\r\n{body}" + NEXT,
    "a hexadecimal length": POST + "Content-Length: 0x5\r\n\r\n{body}" + NEXT,
    "an empty length": POST + "Content-Length:\r\n\r\n{body}" + NEXT,
    "a length of two words": POST + "Content-Length: 1 2\r\n\r\n{body}" + NEXT,
    "a length beyond 64 bits": POST + "Content-Length: " + "9" * 25 + "\r\n\r\n{body}" + NEXT,
    "space before the colon of a length": POST + "Content-Length : 0\r\n\r\n" + NEXT,
    "space before the colon of chunked": POST + "Transfer-Encoding : chunked\r\n\r\n" + EMPTY
    + NEXT,
    "chunked, then identity": POST + "Transfer-Encoding: chunked, identity\r\n\r\n" + EMPTY + NEXT,
    "chunked and identity": POST + CHUNKED + "Transfer-Encoding: identity\r\n\r\n" + EMPTY + NEXT,
    "not chunked": POST + "Transfer-Encoding: xchunked\r\n\r\n" + EMPTY + NEXT,
    "identity": POST + "Transfer-Encoding: identity\r\n\r\n{body}" + NEXT,
    "chunked behind a tab": POST + "Transfer-Encoding: \x0bchunked\r\n\r\n" + EMPTY + NEXT,
    "chunked on a second line": POST + "Transfer-Encoding:\r\n chunked\r\n\r\n" + EMPTY + NEXT,
    "a length on a second line": POST + "Content-Length: 0\r\n {length}\r\n\r\n{body}" + NEXT,
    "chunked in HTTP/1.0": (POST + CHUNKED + "\r\n" + EMPTY + NEXT).replace("1.1", "1.0", 1),
    "a size that is no number": POST + CHUNKED + "\r\nzz\r\n{body}\r\n0\r\n\r\n" + NEXT,
    "a size beyond 64 bits": POST + CHUNKED + "\r\n" + "f" * 17 + "\r\n{body}\r\n" + EMPTY + NEXT,
    "a size that wraps": POST + CHUNKED + "\r\n1" + "0" * 14 + CHUNKS + NEXT,
    "a negative size": POST + CHUNKED + "\r\n-1\r\n{body}\r\n" + EMPTY + NEXT,
    "a size with a prefix": POST + CHUNKED + "\r\n0x" + CHUNKS + NEXT,
    "a size and a space": POST + CHUNKED + "\r\n{size} \r\n{body}\r\n" + EMPTY + NEXT,
    "a bare LF in an extension": POST + CHUNKED + "\r\n{size};a\n\r\n{body}\r\n" + EMPTY + NEXT,
    "chunks with bare LF": POST + CHUNKED + "\r\n{size}\n{body}\n0\n\n" + NEXT,
    "a chunk longer than its size": POST + CHUNKED + "\r\n2\r\n{body}\r\n" + EMPTY + NEXT,
    "a chunk without an end": POST + CHUNKED + "\r\n{size}\r\n{body}" + EMPTY + NEXT,
    "a length in the trailers": POST + CHUNKED + "\r\n{size}\r\n{body}\r\n0\r\n"
    "Content-Length: 0\r\n\r\n" + NEXT,
}  # fmt: skip
"""The end of a body is said twice, or in a way that somebody may read otherwise: 400, closed."""

HEADERS = {
    "a value on a second line": LAST + "X-A: b\r\n c\r\n\r\n",
    "bare LF": (LAST + "\r\n").replace("\r\n", "\n"),
    "one bare LF": LAST + "X-A: b\nX-B: c\r\n\r\n",
    "a bare CR": LAST + "X-A: b\rX-B: c\r\n\r\n",
    "NUL in a value": LAST + "X-A: a\0b\r\n\r\n",
    "NUL in a name": LAST + "X-A\0: a\r\n\r\n",
    "NUL behind the key": LAST.replace("{key}", "{key}\0") + "\r\n",
    "no name": LAST + ": a\r\n\r\n",
    "no colon": LAST + "abc\r\n\r\n",
    "a name behind a space": LAST.replace("\r\nHost", "\r\n Host") + "\r\n",
    "a space in the path": LAST.replace("{guarded}", "{guarded} x") + "\r\n",
    "tabs in the request line": LAST.replace(" ", "\t", 2) + "\r\n",
    "a path that is not ASCII": LAST.replace("{guarded}", "{guarded}\xe9") + "\r\n",
    "no slash": LAST.replace("{guarded}", "livez") + "\r\n",
    "backslashes": LAST.replace("{guarded}", "\\livez") + "\r\n",
    "the authority alone": LAST.replace("{guarded}", "evil.example:80") + "\r\n",
    "a made-up method": LAST.replace("GET", "FOO") + "\r\n",
    "a method in lower case": LAST.replace("GET", "get") + "\r\n",
    "a method in mixed case": LAST.replace("GET", "Get") + "\r\n",
    "CONNECT": LAST.replace("GET {guarded}", "CONNECT evil.example:443") + "\r\n",
    "HTTP/1.2": LAST.replace("/1.1", "/1.2") + "\r\n",
    "a version and more": LAST.replace("/1.1", "/1.1x") + "\r\n",
    "the preface of HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a TLS greeting": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\x00" * 40,
}
"""No request at all: 400, and closed."""


def like(text: str, *statuses: int, further: int = 0) -> Attack:
    return Attack(text, statuses, further)


READ_ONE_WAY = {
    # Bodies that end where they say.
    "an extension": like(POST + CLOSE + CHUNKED + "\r\n{size};a=b\r\n{body}\r\n0\r\n\r\n", *DONE),
    "chunked in capitals": like(POST + CLOSE + CHUNKED.upper() + "\r\n" + CHUNKS, *DONE),
    "chunks, then another request": like(POST + CHUNKED + "\r\n" + CHUNKS + NEXT, *DONE, further=1),
    "gzip inside chunked": like(
        POST + "Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS + NEXT, *DONE, 400, 415, 501,
        further=1),
    "a body on GET": like(GET + with_length(NEXT), 200),
    "chunks on GET": like(GET + CHUNKED + "\r\n%x\r\n" % (len(NEXT) - 3) + NEXT + "\r\n" + EMPTY,
                          200),
    "a body on a path that is not": like("POST /no HTTP/1.1\r\n" + HEAD + with_length(NEXT), 404),
    "a body without a key": like("POST {asking} HTTP/1.1\r\nHost: x\r\n" + with_length(NEXT), 401),
    "a body on another method": like("DELETE /livez HTTP/1.1\r\n" + HEAD + with_length(NEXT), 405),
    "a body of another type": like("POST {asking} HTTP/1.1\r\n" + HEAD + with_length(NEXT), 415),
    "expecting 100": like(
        POST + CLOSE + "Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n{body}", *DONE),
    "expecting magic": like(
        POST + CLOSE + "Expect: magic\r\nContent-Length: {length}\r\n\r\n{body}", *DONE, 417),
    # Several requests on one connection.
    "without a key, behind one with": like(GET + "\r\n" + NEXT, 200, further=1),
    "behind Connection: close": like(LAST + "\r\n" + NEXT, 200),
    "the key named as hop by hop": like(
        GET.replace("Host", "Connection: X-API-Key\r\nHost") + "\r\n" + NEXT, 200, further=1),
    "h2c": like(GET + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA"
                "\r\n\r\n" + NEXT, 200, 400, further=1),
    "websocket": like(
        GET + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n" + NEXT, 200, 400, further=1),
    # Other forms of the request line.
    "HTTP/1.0": like("GET {guarded} HTTP/1.0\r\nX-API-Key: {key}\r\n\r\n", 200),
    "HTTP/1.0 kept alive": like(
        "GET {guarded} HTTP/1.0\r\nConnection: keep-alive\r\nX-API-Key: {key}\r\n\r\n" + NEXT,
        200, further=1),
    "HTTP/0.9": like("GET {guarded}\r\n\r\n", 400, 401),
    "HTTP/0.9 by name": like("GET {guarded} HTTP/0.9\r\n\r\n", 400, 401, 505),
    "HTTP/2.0 by name": like(LAST.replace("/1.1", "/2.0") + "\r\n", 200, 400, 505),
    "an absolute path": like(LAST.replace("{guarded}", "http://evil.example{guarded}") + "\r\n",
                             200, 400),
    "an absolute path without a key": like(NEXT.replace("{guarded}", "http://evil.example{guarded}"),
                                           400, 401),
    "OPTIONS *": like(LAST.replace("GET {guarded}", "OPTIONS *") + "\r\n", 400, 404, 405),
    "GET *": like(LAST.replace("{guarded}", "*") + "\r\n", 400, 404),
    "no host": like(LAST.replace("Host: x\r\n", "") + "\r\n", 200, 400),
    "two hosts": like(LAST + "Host: y\r\n\r\n", 200, 400),
    "empty lines first": like("\r\n\r\n" + LAST + "\r\n", 200, 400),
    "underscores in a name": like(
        "GET {guarded} HTTP/1.1\r\nHost: x\r\nX_API_Key: {key}\r\nConnection: close\r\n\r\n", 401),
    "a long path": like(LAST.replace("{guarded}", "/" + "a" * 100_000) + "\r\n",
                        400, 404, 414, 431),
    "a long query": like(LAST.replace("{guarded}", "{guarded}?" + "a=1&" * 30_000) + "\r\n",
                         400, 414, 422, 431),
    # Methods.
    "TRACE": like(LAST.replace("GET", "TRACE") + "\r\n", 400, 405),
    "PROPFIND": like(LAST.replace("GET", "PROPFIND") + "\r\n", 400, 405),
    "OPTIONS": like(LAST.replace("GET", "OPTIONS") + "\r\n", 405),
    "a method in a header": like(
        "POST /livez HTTP/1.1\r\n" + HEAD + CLOSE
        + "X-HTTP-Method-Override: GET\r\nContent-Length: 0\r\n\r\n", 405),
}  # fmt: skip


def judge(target: Target, text: bytes, statuses: tuple[int, ...], further: int) -> Reply:
    """Send an attack; the first answer, when nothing was smuggled and others are still answered."""
    answers, closed = send(target, text)
    assert answers, "no answer"
    first, *rest = answers
    assert first.status in statuses, first
    assert [a.status for a in rest] in [[401] * n for n in range(further + 1)], rest
    if first.status == 400:
        assert closed
    still_answers(target)
    return first


def is_refusal(answer: Reply) -> None:
    """The error shape, or the words of the server, which never called the application."""
    if answer.headers.get("content-type", "").startswith("application/json"):
        refused(answer, answer.status)
    else:
        assert len(answer.body) < 100
        assert b"Traceback" not in answer.body


@pytest.mark.parametrize("target", ["signals"], indirect=True)
@pytest.mark.parametrize("text", [*BODY_LENGTHS.values(), *HEADERS.values()],
                         ids=[*BODY_LENGTHS, *HEADERS])  # fmt: skip
def test_what_can_be_read_in_two_ways_is_refused_and_the_connection_closed(
    target: Target, text: str
) -> None:
    is_refusal(judge(target, Attack(text, (400,)).on(target), (400,), 0))


@pytest.mark.parametrize("target", ["signals"], indirect=True)
@pytest.mark.parametrize("attack", READ_ONE_WAY.values(), ids=READ_ONE_WAY)
def test_what_is_odd_is_read_in_one_way(target: Target, attack: Attack) -> None:
    answer = judge(target, attack.on(target), attack.statuses, attack.further)
    assert b"evil" not in answer.body
    assert b"evil" not in str(answer.headers).encode()


@pytest.mark.parametrize("target", ["platform"], indirect=True)
@pytest.mark.parametrize(
    "name",
    ["length and chunked", "two lengths", "chunked, then identity", "a chunk longer than its size",
     "space before the colon of a length", "chunked on a second line", "NUL behind the key",
     "bare LF"],
)  # fmt: skip
def test_the_platform_refuses_it_too(target: Target, name: str) -> None:
    text = {**BODY_LENGTHS, **HEADERS}[name]
    is_refusal(judge(target, Attack(text, (400,)).on(target), (400,), 0))


@pytest.mark.parametrize("target", ["signals", "platform"], indirect=True)
def test_a_key_in_the_trailers_is_no_key(target: Target) -> None:
    text = (
        "POST {asking} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + CLOSE + CHUNKED
        + "Trailer: X-API-Key\r\n\r\n{size}\r\n{body}\r\n0\r\nX-API-Key: {key}\r\n\r\n"
    )  # fmt: skip
    judge(target, Attack(text, (401,)).on(target), (401, 400), 0)


PATHS = {
    "//": "/{guarded}",
    "..": "/..{guarded}",
    "%2e%2e": "/%2e%2e{guarded}",
    "%252e": "/%252e{guarded}",
    "a slash at the end": "{guarded}/",
    "%2f at the end": "{guarded}%2f",
    "NUL at the end": "{guarded}%00",
    "a line break": "{guarded}%0d%0aSet-Cookie:%20a=b",
    "parameters": "{guarded};a=b",
    "capitals": "{capitals}",
    "..; of Tomcat": "{guarded}/..;{guarded}",
    "a cut escape": "{guarded}%",
    "no escape": "{guarded}%zz",
    "another host": "//evil.example{guarded}",
    "another host and a slash": "//evil.example{guarded}/",
}


@pytest.mark.parametrize("target", ["signals", "platform"], indirect=True)
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_path_has_one_spelling_and_leads_nowhere_else(target: Target, path: str) -> None:
    path = path.replace("{capitals}", target.guarded.upper()).replace("{guarded}", target.guarded)
    asked = request(target, "GET", path, Connection="close").replace(
        b"Host: x", b"Host: evil.example"
    )
    [answer], _ = send(target, asked)
    refused(answer, 404)
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("target", ["platform"], indirect=True)
@pytest.mark.parametrize(
    "id_", ["a%2fb", "..%2f..%2fmodel", "%2e%2e", "a%00b", "%ff", "a%0ab", "'", "1%20OR%201=1",
            "a" * 5000, "%F0%9F%92%A3", "{}", "null", "-1"]
)  # fmt: skip
def test_an_id_that_is_none_is_not_found(target: Target, id_: str) -> None:
    path = target.objects.replace("{}", id_, 1)
    [answer], _ = send(target, request(target, "GET", path, Connection="close"))
    refused(answer, 404)


@pytest.mark.parametrize("target", ["signals", "platform"], indirect=True)
def test_the_answer_to_head_has_no_body(target: Target) -> None:
    alive = request(target, "GET", "/livez", key=None, Connection="close")
    for path, key, status in (
        (target.guarded, "", 200), ("/no", "", 404), (target.guarded, None, 401),
        ("/openapi.json", None, 200),
    ):  # fmt: skip
        [first, second], closed = send(target, request(target, "HEAD", path, key=key) + alive)
        assert (first.status, second.status, closed) == (status, 200, True)
        assert json.loads(second.body)["status"] == "alive"


@pytest.mark.parametrize("target", ["signals", "platform"], indirect=True)
@pytest.mark.parametrize(
    "headers",
    [b"X-A: " + b"a" * 1_000_000 + b"\r\n", b"".join(b"X-%d: a\r\n" % n for n in range(20_000))],
    ids=["one", "many"],
)
def test_large_headers_are_refused(target: Target, headers: bytes) -> None:
    with stays_alive(target):
        answers, closed = send(
            target, request(target, "GET", target.guarded)[:-2] + headers + b"\r\n"
        )
    assert [a.status for a in answers] == [431]
    assert closed
    still_answers(target)


@pytest.mark.parametrize("target", ["signals"], indirect=True)
def test_bytes_that_come_one_by_one_are_the_same_request(target: Target) -> None:
    pieces = request(target, "GET", target.guarded, Connection="close")
    answers, _ = send(target, *(pieces[at : at + 8] for at in range(0, len(pieces), 8)))
    assert [a.status for a in answers] == [200]
