"""Credentials that are forged, stale, of somebody else, or in the wrong place."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.attacks.answering import APPLICATIONS, AUDIENCE, ISSUER, KEYS, Target
from tests.attacks.wire import refused, request, send

targets = pytest.mark.parametrize("target", ["signals", "platform"], indirect=True)
Credentials = dict[str, str]


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says, with changes; ``None``: without it."""
    now = int(time.time())
    full = {
        "sub": "ada", "aud": AUDIENCE, "iss": ISSUER, "exp": now + 60, "scope": "trainer", **changes
    }  # fmt: skip
    return {name: value for name, value in full.items() if value is not None}


def encoded(part: Any) -> bytes:
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=")


def by_hand(header: Any, content: Any, sign: Callable[[bytes], bytes] = lambda _: b"") -> str:
    """A token that no library would make."""
    signed = encoded(header) + b"." + encoded(content)
    return (signed + b"." + encoded(sign(signed))).decode()


def with_secret(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda signed: hmac.digest(secret, signed, hashlib.sha256)


def status_of(target: Target, credentials: Credentials, path: str = "") -> int:
    """The status of a request with these headers; a refusal has its shape."""
    with target.client(None) as client:
        answer = client.get(path or target.guarded, headers=credentials)
    if answer.status_code != 200:
        refused(answer, 401, 403)
    if answer.status_code == 401:
        assert "www-authenticate" in answer.headers
    return answer.status_code


def bearer(token: str) -> Credentials:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def sign(private_key: rsa.RSAPrivateKey) -> Callable[..., str]:
    """Makes a token that is signed as it should be."""

    def make(headers: dict[str, Any] | None = None, **changes: Any) -> str:
        return jwt.encode(claims(**changes), private_key, "RS256", headers=headers)

    return make


@targets
def test_a_good_token_is_believed(target: Target, sign: Callable[..., str]) -> None:
    assert status_of(target, bearer(sign())) == 200
    assert status_of(target, {"authorization": f"bearer   {sign()}"}) == 200


WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "expired": {"exp": 1_000_000_000},
    "expired just now": {"exp": int(time.time()) - 2},
    "no expiry": {"exp": None},
    "an expiry that is a text": {"exp": "soon"},
    "an expiry that is no number": {"exp": [9_999_999_999]},
    "an endless expiry": {"exp": float("inf")},
    "no expiry but nan": {"exp": float("nan")},
    "a boolean expiry": {"exp": True},
    "not yet": {"nbf": 9_999_999_999},
    "not yet issued": {"iat": 9_999_999_999},
    "another audience": {"aud": "other"},
    "no audience": {"aud": None},
    "audiences without ours": {"aud": ["other", "more"]},
    "an audience in capitals": {"aud": AUDIENCE.upper()},
    "an audience that begins as ours": {"aud": AUDIENCE + "2"},
    "an audience that is an object": {"aud": {AUDIENCE: 1}},
    "another issuer": {"iss": "other"},
    "no issuer": {"iss": None},
    "several issuers": {"iss": [ISSUER, "other"]},
    "a subject that is a number": {"sub": 7},
    "a subject that is a list": {"sub": ["ada"]},
    "a subject that is an object": {"sub": {"a": 1}},
}


@targets
@pytest.mark.parametrize("changes", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
def test_a_signed_token_that_says_something_wrong_is_refused(
    target: Target, private_key: rsa.RSAPrivateKey, changes: dict[str, Any]
) -> None:
    content = claims(**changes)
    token = jwt.PyJWS().encode(json.dumps(content).encode(), private_key, "RS256")
    assert status_of(target, bearer(token)) == 401


@targets
def test_the_algorithm_is_ours_to_say(
    target: Target, private_key: rsa.RSAPrivateKey, public_pem: bytes, sign: Callable[..., str]
) -> None:
    for name in ("none", "None", "NONE", "nOnE", "", None, ["RS256"], {"a": 1}, 256, "RS256 "):
        assert status_of(target, bearer(by_hand({"alg": name, "typ": "JWT"}, claims()))) == 401
    for name in ("HS256", "RS256"):
        for secret in (public_pem, public_pem.strip(), b"", b"\0"):
            forged = by_hand({"alg": name, "typ": "JWT"}, claims(), with_secret(secret))
            assert status_of(target, bearer(forged)) == 401
    for name in ("RS384", "RS512", "PS256", "PS512"):
        other = jwt.encode(claims(), private_key, name)
        assert status_of(target, bearer(other)) == 401
    head, body, signature = sign().split(".")
    for wrong in (
        "",
        "AAAA",
        signature[:-4],
        signature[::-1],
        signature + "AAAA",
        encoded(b"\0" * 256).decode(),
    ):
        assert status_of(target, bearer(f"{head}.{body}.{wrong}")) == 401
    richer = encoded(claims(scope="viewer trainer promoter")).decode()
    assert status_of(target, bearer(f"{head}.{richer}.{signature}")) == 401
    unsigned = encoded({"alg": "none"}).decode()
    assert status_of(target, bearer(f"{unsigned}.{body}.{signature}")) == 401


@targets
def test_a_token_does_not_bring_its_own_key(target: Target, tmp_path: Any) -> None:
    """Nor names one: nothing is fetched, nothing is read."""
    stranger = rsa.generate_private_key(65537, 2048)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(stranger.public_key()))
    (tmp_path / "key").write_bytes(b"secret")
    for header in (
        {"jwk": jwk},
        {"jku": "http://127.0.0.1:9/keys.json"},
        {"x5u": "file:///etc/passwd"},
        {"x5c": ["MIIB"]},
        {"kid": "../../../../../../dev/null"},
        {"kid": str(tmp_path / "key")},
        {"kid": "x' UNION SELECT 'secret"},
        {"kid": "|id"},
        {"crit": ["exp"], "exp": 1},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
    ):
        token = by_hand({"alg": "RS256", **header}, claims(), with_secret(b"secret"))
        assert status_of(target, bearer(token)) == 401, header
        if "crit" not in header and "b64" not in header:
            token = jwt.encode(claims(), stranger, "RS256", headers=header)
            assert status_of(target, bearer(token)) == 401, header


NO_TOKENS = {
    "dots": "..",
    "one part": "abc",
    "two parts": "a.b",
    "four parts": "a.b.c.d",
    "five parts, as of JWE": "a.b.c.d.e",
    "no base64": "?.?.?",
    "no JSON": by_hand(b"{", b"{"),
    "a list": by_hand({"alg": "RS256"}, []),
    "a header that is a list": by_hand([], {}),
    "a header that is null": by_hand(None, {}),
    "a number": by_hand({"alg": "RS256"}, 1),
    "UTF-16": by_hand('{"alg": "RS256"}'.encode("utf-16"), {}),
    "deep": by_hand(b'{"alg":' + b"[" * 10_000, {}),
    "deep claims": by_hand({"alg": "RS256"}, b"[" * 20_000),
    "large": by_hand({"alg": "RS256", "a": "a" * 8_000}, {"a": "a" * 8_000}),
}


@targets
@pytest.mark.parametrize("token", NO_TOKENS.values(), ids=NO_TOKENS)
def test_what_is_no_token_is_refused(target: Target, token: str) -> None:
    assert status_of(target, bearer(token)) == 401


@targets
def test_a_signed_subject_with_lone_surrogates_is_refused(
    target: Target, private_key: rsa.RSAPrivateKey
) -> None:
    text = json.dumps(claims()).replace('"ada"', r'"\ud800"')
    token = jwt.PyJWS().encode(text.encode(), private_key, "RS256")
    assert status_of(target, bearer(token)) == 401


@targets
@pytest.mark.parametrize(
    "written",
    ["Bearer", "Basic YTpi", "Token {token}", "{token}", "BearerX {token}",
     "Bearer {token} {token}", "Bearer {token},", 'Bearer "{token}"', "Bearer\t{token}",
     "Bearer {key}", "ApiKey {key}", "Bearer Bearer {token}"],
)  # fmt: skip
def test_a_token_is_written_in_one_way(
    target: Target, sign: Callable[..., str], written: str
) -> None:
    text = written.format(token=sign(), key=target.key)
    assert status_of(target, {"authorization": text}) == 401


@pytest.mark.parametrize("target", APPLICATIONS, indirect=True)
def test_a_key_in_another_place_is_no_key(target: Target) -> None:
    key, path = target.key, target.guarded
    for where in (
        f"{path}?x-api-key={key}", f"{path}?api_key={key}", f"{path}?X-API-Key={key}",
        f"{path}?key={key}", f"{path}?access_token={key}", f"{path}?token={key}",
        f"{path}#{key}",
    ):  # fmt: skip
        assert status_of(target, {}, where) == 401, where
    for header in ("cookie", "x-key", "api-key", "x-apikey", "proxy-authorization", "x-api-key2"):
        assert status_of(target, {header: key}) == 401, header
        assert status_of(target, {header: f"x-api-key={key}"}) == 401, header
    headers = {"x-forwarded-for": "127.0.0.1", "x-real-ip": "127.0.0.1", "forwarded": "for=::1",
               "x-original-url": path, "x-rewrite-url": "/livez", "x-forwarded-user": "admin",
               "x-forwarded-prefix": path, "host": "localhost"}  # fmt: skip
    assert status_of(target, headers) == 401
    assert status_of(target, headers, f"{path}?/livez") == 401


@pytest.mark.parametrize("target", APPLICATIONS, indirect=True)
def test_a_key_is_the_whole_key(target: Target) -> None:
    key = target.key
    for wrong in (
        "", key[:-1], key[1:], key + "x", key.upper(), key + "\t" + key, f"{key},{key}",
        f'"{key}"', f"{key};", key.replace("-", "%2d"), key + "%00", f"{key}=trainer", f"{key} x",
        "*", "null", "undefined", "x" * 8000, key * 2, f"{KEYS['viewer']},{KEYS['promoter']}",
    ):  # fmt: skip
        assert status_of(target, {"x-api-key": wrong}) == 401, wrong
    for raw in (b"\xff" * 20, "schlüssel".encode(), key.encode() + b"\xc2\xa0", b"\x80"):
        asked = request(target, "GET", target.guarded, key=None, Connection="close")
        [answer], _ = send(target, asked[:-2] + b"X-API-Key: " + raw + b"\r\n\r\n")
        refused(answer, 400, 401)
    for spaced, statuses in ((f"  \t{key}", (200,)), (f"{key} \t ", (200, 401))):
        asked = request(target, "GET", target.guarded, key=spaced, Connection="close")
        [answer], _ = send(target, asked)
        assert answer.status in statuses, "spaces around a header's value are no part of it"


@targets
def test_a_key_that_is_wrong_is_not_mended_by_a_token(
    target: Target, sign: Callable[..., str]
) -> None:
    good, wrong = bearer(sign()), bearer(sign(exp=1))
    assert status_of(target, {**good, "x-api-key": "wrong-key-of-nobody"}) == 401
    assert status_of(target, {**good, "x-api-key": ""}) == 401
    assert status_of(target, {**wrong, "x-api-key": "wrong-key-of-nobody"}) == 401
    assert status_of(target, {**good, "x-api-key": target.key}) == 200


@targets
@pytest.mark.parametrize("order", [1, -1], ids=["good first", "good last"])
def test_two_credentials_of_one_kind_are_never_a_mixture(
    target: Target, sign: Callable[..., str], order: int
) -> None:
    for name, good, bad in (
        ("X-API-Key", target.key, "wrong-key-of-nobody"),
        ("Authorization", f"Bearer {sign()}", f"Bearer {sign(exp=1)}"),
        ("Authorization", f"Bearer {sign()}", "Basic YTpi"),
    ):
        lines = [f"{name}: {value}".encode() for value in (good, bad)[::order]]
        asked = request(target, "GET", target.guarded, key=None, Connection="close")[:-2]
        [answer], _ = send(target, asked + b"\r\n".join([*lines, b"", b""]))
        assert answer.status in (200, 401), "one of the two decides"
        twice = asked + f"{name}: {bad}\r\n".encode() * 2 + b"\r\n"
        [answer], _ = send(target, twice)
        refused(answer, 401)


@pytest.mark.parametrize("target", ["platform"], indirect=True)
@pytest.mark.parametrize("order", [1, -1], ids=["more first", "more last"])
def test_two_keys_never_add_their_scopes(target: Target, order: int) -> None:
    both = [KEYS["viewer"], KEYS["promoter"]][::order]
    asked = request(target, "POST", "/v1/datasets", key=None, body=b'{"name": "both"}',
                    Connection="close")  # fmt: skip
    head, body = asked.split(b"\r\n\r\n")
    lines = "".join(f"\r\nX-API-Key: {key}" for key in both).encode()
    [answer], _ = send(target, head + lines + b"\r\n\r\n" + body)
    refused(answer, 401, 403)


@pytest.mark.parametrize("target", ["platform"], indirect=True)
@pytest.mark.parametrize(
    ("scope", "status"),
    [("trainer", 201), ("viewer", 403), ("promoter", 403), ("", 403), (None, 403), ("TRAINER", 403),
     ("trainers", 403), ("trainer,viewer", 403), ("viewer\ttrainer", 201), (["trainer"], 401),
     ({"trainer": 1}, 401), (1, 401), ("*", 403), ("all", 403)],
)  # fmt: skip
def test_a_scope_is_a_word_of_the_claim(
    target: Target, sign: Callable[..., str], scope: Any, status: int
) -> None:
    with target.client(None) as client:
        made = client.post(
            "/v1/datasets", json={"name": "token"}, headers=bearer(sign(scope=scope))
        )
    assert made.status_code == status, made.text


@pytest.mark.parametrize("target", ["platform"], indirect=True)
def test_subjects_that_look_alike_are_different_callers(
    target: Target, sign: Callable[..., str]
) -> None:
    owners = set()
    subjects = [
        "ada",
        "Ada",
        "ada ",
        " ada",
        "ada\0",
        "ad\u0430",
        "a" * 200,
        "a" * 201,
        "jwt:ada",
        "me",
    ]
    with target.client(None) as client:
        for number, subject in enumerate(subjects):
            made = client.post(
                "/v1/datasets", json={"name": f"of_{number}"}, headers=bearer(sign(sub=subject))
            )
            assert made.status_code in (201, 401, 422), made.text
            owners.add(made.json().get("owner", subject))
    assert len(owners) == len(subjects)
