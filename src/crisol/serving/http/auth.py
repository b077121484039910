"""Authentication by API keys and JWT bearer tokens, and the scopes of a caller."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from crisol.serving.http.config import (
    MIN_KEY_CHARACTERS,
    MIN_SECRET_BYTES,
    ConfigurationError,
    Settings,
    read_secret_file,
)
from crisol.serving.http.errors import ApiError

MAX_SUBJECT = 128
CHALLENGE = {"www-authenticate": 'Bearer realm="crisol", ApiKey realm="crisol"'}


SCOPES: Mapping[str, str] = {
    "viewer": "see what there is",
    "trainer": "what a viewer may, bring data and start training",
    "promoter": "what a viewer may, decide which version is served",
}
"""Every scope an endpoint can ask for, and what it allows."""
_ALSO = {"trainer": frozenset({"viewer"}), "promoter": frozenset({"viewer"})}
ALL_SCOPES = frozenset(SCOPES)


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller of a request.

    Attributes:
        name: name of the caller, safe to log: a digest, never the key. The same caller has the same
            name in every service and after every restart.
        scopes: what they may, what is included in it too.
        subject: whom a token names, for an audit log and people; empty for keys.
    """

    name: str
    scopes: frozenset[str] = frozenset()
    subject: str = ""

    def may(self, scope: str) -> bool:
        """Whether the caller carries a scope."""
        return scope in self.scopes

    def need(self, scope: str) -> None:
        """Refuse a caller without a scope.

        Raises:
            ApiError: 403, names the scope.
        """
        if scope not in self.scopes:
            raise ApiError(403, f"This needs the scope {scope!r}, which you do not carry.")


NOBODY = Identity("")
ANYBODY = Identity("anonymous", ALL_SCOPES)
"""The caller of every request where authentication is switched off."""


def with_included(scopes: frozenset[str]) -> frozenset[str]:
    """The scopes and what they include.

    >>> sorted(with_included(frozenset({"trainer"})))
    ['trainer', 'viewer']
    """
    return scopes.union(*(_ALSO.get(scope, frozenset()) for scope in scopes))


@dataclass(frozen=True)
class TokenRule:
    """How a bearer token must be signed and what it must claim."""

    algorithm: str
    key: Any
    audience: str
    issuer: str
    scope: str | None

    def identify(self, token: str) -> Identity:
        """The token's subject, with the words of its ``scope`` claim.

        The algorithm comes from the configuration, never from the token's header, so a token
        signed with the public key as an HMAC secret, or with ``none``, is refused.

        Raises:
            ApiError: 401 for a token that does not hold, 403 for one without the scope.
        """
        try:
            claims = jwt.decode(
                token,
                self.key,
                algorithms=[self.algorithm],
                audience=self.audience,
                issuer=self.issuer,
                options={"require": ["exp", "aud", "iss"]},
            )
            subject, words = _text_claim(claims, "sub"), _text_claim(claims, "scope")
        except jwt.PyJWTError as error:
            raise _not_valid(_reason(error)) from None
        except (ArithmeticError, TypeError, ValueError, RecursionError):
            # PyJWT compares and converts claims of any JSON type, and only some of what that raises
            # is its own.
            raise _not_valid("unreadable") from None
        scopes = frozenset(words.split())
        if self.scope is not None and self.scope not in scopes:
            raise ApiError(403, f"The token's scope does not contain {self.scope!r}.")
        name = "jwt:" + _digest(subject)
        return Identity(name, with_included(scopes), subject[:MAX_SUBJECT])


class Authenticator:
    """Names the caller of a request, or refuses it."""

    def __init__(self, settings: Settings) -> None:
        """Read keys and token rule.

        Raises:
            ConfigurationError: nothing is configured and ``CRISOL_AUTH=disabled`` is not set, or
                what is configured cannot be used.
        """
        self.disabled = settings.auth == "disabled"
        self._keys = tuple(
            (key.encode(), Identity(_key_name(key), scopes)) for key, scopes in _read_keys(settings)
        )
        self._rule = _read_rule(settings)
        if not (self.disabled or self._keys or self._rule):
            raise ConfigurationError(
                "no API key is configured: set CRISOL_API_KEYS, CRISOL_API_KEYS_FILE or "
                "CRISOL_JWT_ALGORITHM, or CRISOL_AUTH=disabled for local use"
            )

    def identify(self, api_key: bytes | None, authorization: bytes | None) -> Identity:
        """The caller.

        Args:
            api_key: the ``X-API-Key`` header.
            authorization: the ``Authorization`` header; ``Bearer`` takes a token or an API key.

        Raises:
            ApiError: 401 or 403.
        """
        if self.disabled:
            return ANYBODY
        if api_key is not None:
            return self._identify_key(api_key)
        if authorization is None:
            raise ApiError(401, headers=CHALLENGE)
        scheme, _, credential = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not credential:
            raise ApiError(
                401, "Send Authorization: Bearer <token>, or X-API-Key.", headers=CHALLENGE
            )
        if self._rule is None:
            raise ApiError(401, "This service takes API keys, no tokens.", headers=CHALLENGE)
        try:
            token = credential.strip().decode("ascii")
        except UnicodeDecodeError:
            raise ApiError(401, "The bearer token is not ASCII.", headers=CHALLENGE) from None
        return self._rule.identify(token)

    def _identify_key(self, given: bytes) -> Identity:
        # Every key is compared, in constant time each, so that time tells nothing about any.
        found = None
        for key, identity in self._keys:
            if hmac.compare_digest(key, given):
                found = identity
        if found is None:
            raise ApiError(401, "The API key is not valid.", headers=CHALLENGE)
        return found


def _key_name(key: str) -> str:
    return "key:" + _digest(key)


def _digest(secret: str) -> str:
    """96 bits, so that nobody who chooses a subject can make it another's."""
    return hashlib.sha256(secret.encode()).hexdigest()[:24]


def _read_keys(settings: Settings) -> list[tuple[str, frozenset[str]]]:
    written = [key.strip() for key in settings.api_keys.split(",")]
    if settings.api_keys_file is not None:
        text = read_secret_file(settings.api_keys_file, "CRISOL_API_KEYS_FILE")
        written += [line.strip() for line in text.splitlines() if not line.lstrip().startswith("#")]
    keys = [_key_and_scopes(key) for key in written if key]
    if any(len(key) < MIN_KEY_CHARACTERS or not key.isascii() for key, _ in keys):
        raise ConfigurationError(
            f"an API key must be ASCII of at least {MIN_KEY_CHARACTERS} characters; make one with: "
            'python -c "import secrets; print(secrets.token_urlsafe(24))"'
        )
    return keys


def _key_and_scopes(written: str) -> tuple[str, frozenset[str]]:
    """``key=viewer+trainer`` taken apart; a key alone carries every scope.

    What follows the last ``=`` names scopes and nothing else. An entry that ends with ``=`` could
    be a key in Base64, or one whose scopes were forgotten, which must not get all of them.
    """
    key, equals, words = written.rpartition("=")
    if not equals:
        return written, ALL_SCOPES
    scopes = frozenset(word.strip() for word in words.split("+"))
    if not scopes <= ALL_SCOPES:
        raise ConfigurationError(
            "CRISOL_API_KEYS: what follows the last = of an API key are its scopes, joined by +; "
            f"there are: {', '.join(SCOPES)}. After a key that ends with =, write them too: "
            f"<key>={'+'.join(SCOPES)} lets it do everything"
        )
    return key.rstrip(), with_included(scopes)


def _read_rule(settings: Settings) -> TokenRule | None:
    if settings.jwt_algorithm is None:
        return None
    if not settings.jwt_audience or not settings.jwt_issuer:
        raise ConfigurationError(
            "JWT needs CRISOL_JWT_AUDIENCE and CRISOL_JWT_ISSUER: without them a token made for "
            "another service would be accepted"
        )
    key: Any = _read_secret(settings) if settings.jwt_algorithm == "HS256" else _read_pem(settings)
    return TokenRule(
        settings.jwt_algorithm, key, settings.jwt_audience, settings.jwt_issuer, settings.jwt_scope
    )


def _read_secret(settings: Settings) -> bytes:
    text = settings.jwt_secret
    if settings.jwt_secret_file is not None:
        text = read_secret_file(settings.jwt_secret_file, "CRISOL_JWT_SECRET_FILE").strip()
    if len(text.encode()) < MIN_SECRET_BYTES:
        raise ConfigurationError(
            f"HS256 needs a secret of at least {MIN_SECRET_BYTES} bytes: set "
            "CRISOL_JWT_SECRET_FILE or CRISOL_JWT_SECRET"
        )
    return text.encode()


def _read_pem(settings: Settings) -> Any:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if settings.jwt_public_key_file is None:
        raise ConfigurationError("RS256 needs CRISOL_JWT_PUBLIC_KEY_FILE (a PEM public key)")
    text = read_secret_file(settings.jwt_public_key_file, "CRISOL_JWT_PUBLIC_KEY_FILE")
    try:
        key = load_pem_public_key(text.encode())
    except ValueError:
        key = None
    if not isinstance(key, RSAPublicKey) or key.key_size < 2048:
        raise ConfigurationError(
            "CRISOL_JWT_PUBLIC_KEY_FILE does not hold an RSA public key of 2048 bits or more in PEM"
        )
    return key


def _text_claim(claims: Mapping[str, Any], name: str) -> str:
    """A claim that is a text; empty: it is not there.

    Raises:
        ValueError: it is another thing, or holds what no log and no store can write.
    """
    value = claims.get(name, "")
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError(name)
    value.encode()  # a lone surrogate has no bytes
    return value


def _not_valid(reason: str) -> ApiError:
    return ApiError(401, f"The bearer token is not valid: {reason}.", headers=CHALLENGE)


def _reason(error: jwt.PyJWTError) -> str:
    reasons: dict[type[jwt.PyJWTError], str] = {
        jwt.ExpiredSignatureError: "it has expired",
        jwt.InvalidAudienceError: "it was made for another audience",
        jwt.InvalidIssuerError: "it was made by another issuer",
        jwt.InvalidAlgorithmError: "it is signed with another algorithm",
        jwt.InvalidSignatureError: "its signature does not match",
        jwt.ImmatureSignatureError: "it is not valid yet",
        jwt.MissingRequiredClaimError: "it lacks exp, aud or iss",
    }
    return next((text for kind, text in reasons.items() if isinstance(error, kind)), "unreadable")
