import pytest

from crisol.serving.http.config import ConfigurationError, Settings


def settings(**environment: str) -> Settings:
    return Settings.from_environment({f"CRISOL_{k.upper()}": v for k, v in environment.items()})


def test_origins_are_taken_apart_and_off_by_default() -> None:
    assert Settings().origins == ()
    written = "https://shop.example.com, http://localhost:3000,http://[::1]:8080,"
    assert settings(cors_origins=written).origins == (
        "https://shop.example.com", "http://localhost:3000", "http://[::1]:8080"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("*", "every page on the internet"),
        ("https://*.example.com", "every page on the internet"),
        ("https://good.example.com,shop.example.com", "entry 2 is not an origin"),
        ("null", "entry 1 is not an origin"),
        ("https://shop.example.com/", "without / at the end"),
        ("https://shop.example.com/page", "without path"),
        ("https://Shop.example.com", "lower case"),
        ("https://user@shop.example.com", "not an origin"),
        ("https://shop.example.com\nhttps://evil.example.com", "not an origin"),
        ("https://shop.example.com:99999", "not an origin"),
        ("https://", "not an origin"),
        ("https://shop.example.com:443", "leave out :443"),
    ],
)
def test_an_origin_that_no_browser_would_send_is_refused(written: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^CRISOL_CORS_ORIGINS: .*{message}") as error:
        settings(cors_origins=written)
    assert "example.com/" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    ["", "redis://redis:6379/0", "rediss://user:pa%2Fss@10.0.0.1", "unix:///run/redis.sock?db=1"],
)
def test_a_redis_is_named_by_its_url(url: str) -> None:
    assert settings(redis_url=url).redis_url == url


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379", "http://hidden@redis", "redis://", "redis:///0", "unix://",
        "redis://:hidden@redis:port", "redis://:hidden]@redis", "redis://:hidden@redis:99999",
    ],
)  # fmt: skip
def test_another_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^CRISOL_REDIS_URL: give redis://") as error:
        settings(redis_url=url)
    assert "hidden" not in str(error.value)
    assert "hidden" not in repr(settings(redis_url="redis://:hidden@redis"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_header_bytes", "1"), ("max_header_bytes", "9999999999"), ("header_timeout_s", "0"),
        ("header_timeout_s", "1e9"), ("keep_alive_s", "inf"), ("max_connections", "0"),
        ("max_batch", "1" + "0" * 400), ("timeout_s", "1e300"), ("max_body_bytes", "99999999999"),
    ],
)  # fmt: skip
def test_every_number_has_a_bound(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"CRISOL_{name.upper()}"):
        settings(**{name: value})


@pytest.mark.parametrize(
    "url", ["redis://h:6379/0?foo=x", "redis://h:6379/notadb", "redis://h/0?socket_timeout=abc",
            "rediss://h/0?ssl_cert_reqs=zzz", "redis://h/0?db="],
)  # fmt: skip
def test_a_redis_url_with_an_option_that_nobody_knows_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="CRISOL_REDIS_URL"):
        Settings.from_environment({"CRISOL_REDIS_URL": url})


@pytest.mark.parametrize(
    "url", ["redis://h:6379/0", "redis://h", "rediss://u:p@h:6380/3?ssl_cert_reqs=none",
            "unix:///run/redis.sock?db=2"],
)  # fmt: skip
def test_a_redis_url_names_place_database_and_certificates(url: str) -> None:
    assert Settings.from_environment({"CRISOL_REDIS_URL": url}).redis_url == url
