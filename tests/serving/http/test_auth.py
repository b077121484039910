import base64
import contextlib
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from crisol.serving.http.auth import Authenticator
from crisol.serving.http.config import ConfigurationError, Settings
from crisol.serving.http.errors import ApiError

SECRET = "s" * 40
JWT = {
    "CRISOL_JWT_ALGORITHM": "HS256",
    "CRISOL_JWT_SECRET": SECRET,
    "CRISOL_JWT_AUDIENCE": "crisol",
    "CRISOL_JWT_ISSUER": "tests",
}


def authenticator(**environment: str) -> Authenticator:
    return Authenticator(Settings.from_environment(environment))


def claims(**changes: Any) -> dict[str, Any]:
    full = {"sub": "ada", "aud": "crisol", "iss": "tests", "exp": time.time() + 60, **changes}
    return {name: value for name, value in full.items() if value is not None}


def bearer(token: str) -> bytes:
    return b"Bearer " + token.encode()


def status(authenticator: Authenticator, *credentials: bytes | None) -> int:
    with pytest.raises(ApiError) as refused:
        authenticator.identify(*credentials)
    return refused.value.status


def test_several_keys_from_environment_and_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# ours\n\nkey-number-three-of-3\n")
    one = authenticator(
        CRISOL_API_KEYS="key-number-one-of-three, key-number-two-of-three",
        CRISOL_API_KEYS_FILE=str(file),
    )
    names = {
        one.identify(key, None).name
        for key in (
            b"key-number-one-of-three",
            b"key-number-two-of-three",
            b"key-number-three-of-3",
        )
    }
    assert len(names) == 3
    assert not any("number" in name for name in names)
    assert status(one, b"key-number-four-of-three", None) == 401
    assert status(one, b"", None) == 401
    assert status(one, "schlüssel".encode(), None) == 401
    assert status(one, None, None) == 401
    assert status(one, None, b"Basic abc") == 401
    assert status(one, None, b"Bearer abc") == 401


def test_a_key_carries_the_scopes_written_after_it(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(
        "a-key-for-all-of-it\nBase64-ends-like-this===viewer+trainer+promoter\nkey-of-both-scopes=trainer+promoter\n"
    )
    one = authenticator(
        CRISOL_API_KEYS="a-key-to-see-with=viewer, a-key-to-train-with=trainer",
        CRISOL_API_KEYS_FILE=str(file),
    )
    scopes = {
        key: sorted(one.identify(key.encode(), None).scopes)
        for key in (
            "a-key-to-see-with",
            "a-key-to-train-with",
            "a-key-for-all-of-it",
            "Base64-ends-like-this==",
            "key-of-both-scopes",
        )
    }
    every = ["promoter", "trainer", "viewer"]
    assert list(scopes.values()) == [["viewer"], ["trainer", "viewer"], every, every, every]
    assert status(one, b"a-key-to-see-with=viewer", None) == 401
    with pytest.raises(ConfigurationError, match="viewer, trainer, promoter") as error:
        authenticator(CRISOL_API_KEYS="a-secret-of-somebody=root")
    assert "secret" not in str(error.value)
    assert "root" not in str(error.value)


@pytest.mark.parametrize("end", ["=", "= ", "==", "=+", "=viewer+", "=+viewer", "=viewer,="])
def test_a_key_whose_scopes_are_empty_is_refused_by_name(end: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"CRISOL_API_KEYS: .* after|After") as error:
        authenticator(CRISOL_API_KEYS=f"a-secret-of-somebody{end}")
    assert "secret" not in str(error.value)
    file = tmp_path / "keys"
    file.write_text(f"a-secret-of-somebody{end}\n")
    with pytest.raises(ConfigurationError, match="CRISOL_API_KEYS"):
        authenticator(CRISOL_API_KEYS_FILE=str(file))


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "change",
    [
        {"sub": "\ud800"}, {"sub": "a\x00b"}, {"sub": ["ada"]}, {"sub": {"a": 1}}, {"sub": 7},
        {"scope": "viewer \udfff"}, {"scope": ["trainer"]}, {"scope": {"trainer": 1}},
        {"scope": 7}, {"scope": "a\x00"}, {"iss": ["tests"]}, {"iss": "\ud800"}, {"iss": 7},
        {"aud": {"crisol": 1}}, {"aud": [["crisol"]]}, {"aud": "\ud800"}, {"aud": [7]},
        {"exp": float("nan")}, {"exp": float("inf")}, {"exp": -float("inf")}, {"exp": "soon"},
        {"exp": [1]}, {"exp": {}}, {"exp": True}, {"nbf": float("inf")}, {"nbf": "x"},
        {"nbf": [1]}, {"iat": float("nan")}, {"iat": {}}, {"sub": nested(500)},
        {"jti": 7}, {"jti": nested(3)},
    ],
    ids=lambda change: ascii(change)[:40],
)  # fmt: skip
def test_claims_of_another_type_are_401(change: dict[str, Any]) -> None:
    """Truly signed, as an issuer that is careless, or is fed by its users, would sign them."""
    one = authenticator(**JWT)
    token = _hs256({**claims(), **change}, SECRET.encode())
    assert status(one, None, bearer(token)) == 401


def test_a_claim_that_is_far_too_large_never_fails_the_service() -> None:
    one = authenticator(**JWT)
    for exp in (10**400, 10**5000, 1e308, -(10**400)):
        payload = json.dumps({**claims(), "exp": 0})
        with contextlib.suppress(ApiError):
            text = payload.replace('"exp": 0', f'"exp": {_digits(exp)}')
            one.identify(None, bearer(_signed(text.encode(), SECRET.encode())))


def _digits(number: float) -> str:
    return str(number) if isinstance(number, float) else f"{number:x}".translate(_DECIMAL)


_DECIMAL = str.maketrans("abcdef", "123456")
"""Python writes no integer of more than 4,300 digits; any digits will do."""


def test_a_token_carries_the_words_of_its_claim() -> None:
    one = authenticator(**JWT)

    def scopes(**changes: Any) -> frozenset[str]:
        return one.identify(None, bearer(jwt.encode(claims(**changes), SECRET, "HS256"))).scopes

    assert scopes() == frozenset()
    assert scopes(scope="trainer") == {"trainer", "viewer"}
    assert scopes(scope="promoter other") == {"promoter", "viewer", "other"}
    ada = one.identify(None, bearer(jwt.encode(claims(), SECRET, "HS256")))
    eve = one.identify(None, bearer(jwt.encode(claims(sub="eve"), SECRET, "HS256")))
    assert (ada.subject, eve.subject) == ("ada", "eve")
    assert ada.name != eve.name


def test_nothing_configured_is_refused_unless_switched_off() -> None:
    with pytest.raises(ConfigurationError, match=r"CRISOL_API_KEYS.*CRISOL_AUTH=disabled"):
        authenticator()
    assert authenticator(CRISOL_AUTH="disabled").identify(None, None).name == "anonymous"
    with pytest.raises(ConfigurationError, match="CRISOL_AUTH"):
        authenticator(CRISOL_AUTH="off")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"CRISOL_API_KEYS": "short"}, "at least 16"),
        ({"CRISOL_API_KEYS_FILE": "/nowhere/keys"}, "CRISOL_API_KEYS_FILE"),
        ({**JWT, "CRISOL_JWT_SECRET": "short"}, "32 bytes"),
        ({**JWT, "CRISOL_JWT_AUDIENCE": ""}, "CRISOL_JWT_AUDIENCE"),
        ({**JWT, "CRISOL_JWT_ALGORITHM": "none"}, "CRISOL_JWT_ALGORITHM"),
        ({**JWT, "CRISOL_JWT_ALGORITHM": "RS256"}, "CRISOL_JWT_PUBLIC_KEY_FILE"),
    ],
)
def test_a_wrong_configuration_names_the_variable_and_not_the_value(
    environment: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as error:
        authenticator(**environment)
    assert "short" not in str(error.value)


def test_token_claims_are_checked() -> None:
    one = authenticator(**JWT)
    good = jwt.encode(claims(), SECRET, "HS256")
    assert one.identify(None, bearer(good)).name.startswith("jwt:")
    for wrong in (
        claims(exp=time.time() - 10),
        claims(exp=None),
        claims(aud="other"),
        claims(aud=None),
        claims(iss="other"),
        claims(iss=None),
        claims(nbf=time.time() + 60),
    ):
        assert status(one, None, bearer(jwt.encode(wrong, SECRET, "HS256"))) == 401
    assert status(one, None, bearer(jwt.encode(claims(), "t" * 40, "HS256"))) == 401
    assert status(one, None, bearer(jwt.encode(claims(), SECRET + "0" * 24, "HS512"))) == 401
    assert status(one, None, bearer(jwt.encode(claims(), None, "none"))) == 401
    assert status(one, None, "Bearer tökén".encode()) == 401


def test_a_missing_scope_is_403() -> None:
    one = authenticator(**JWT, CRISOL_JWT_SCOPE="predict")
    with_scope = jwt.encode(claims(scope="read predict"), SECRET, "HS256")
    assert one.identify(None, bearer(with_scope))
    assert status(one, None, bearer(jwt.encode(claims(), SECRET, "HS256"))) == 403
    near = jwt.encode(claims(scope="predictions"), SECRET, "HS256")
    assert status(one, None, bearer(near)) == 403


def test_rs256_refuses_a_token_signed_with_the_public_key_as_secret(tmp_path: Path) -> None:
    private = rsa.generate_private_key(65537, 2048)
    pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    file = tmp_path / "public.pem"
    file.write_bytes(pem)
    environment = {
        **JWT, "CRISOL_JWT_ALGORITHM": "RS256", "CRISOL_JWT_PUBLIC_KEY_FILE": str(file)
    }  # fmt: skip
    one = authenticator(**environment)
    assert one.identify(None, bearer(jwt.encode(claims(), private, "RS256")))
    assert status(one, None, bearer(_hs256(claims(), pem))) == 401
    file.write_text(SECRET)
    with pytest.raises(ConfigurationError, match="RSA public key"):
        authenticator(**environment)


def _hs256(content: dict[str, Any], secret: bytes) -> str:
    return _signed(json.dumps(content).encode(), secret)


def _signed(content: bytes, secret: bytes) -> str:
    """Signed by hand: PyJWT refuses to use a public key as a secret, an attacker does not."""

    def encode(value: bytes) -> bytes:
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    signed = encode(b'{"alg":"HS256","typ":"JWT"}') + b"." + encode(content)
    return (signed + b"." + encode(hmac.digest(secret, signed, hashlib.sha256))).decode()
