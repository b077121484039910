"""A proxy in the environment never comes between Crisol and a service on this machine."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from crisol import LOCAL_ADDRESSES, reach_local_addresses_directly
from crisol.serving.bundle.local_server import LocalServer

DEAD = "http://127.0.0.1:9"
"""Nothing listens here."""
PROXIES: dict[str, dict[str, str]] = {
    "http_proxy": {"http_proxy": DEAD},
    "HTTP_PROXY": {"HTTP_PROXY": DEAD, "HTTPS_PROXY": DEAD},
    "all_proxy": {"all_proxy": DEAD},
    "with exceptions": {"http_proxy": DEAD, "no_proxy": "intranet, 10.0.0.1"},
    "with exceptions in capitals": {"ALL_PROXY": DEAD, "NO_PROXY": "intranet"},
}
CLIENTS = """
import sys, urllib.request
import crisol
url = sys.argv[1]
assert urllib.request.urlopen(url + "/health", timeout=5).status == 200
import requests
assert requests.get(url + "/health", timeout=5).status_code == 200
import httpx
assert httpx.get(url + "/health", timeout=5).status_code == 200
import mlflow
from mlflow.utils.rest_utils import MlflowHostCreds, http_request
mlflow.set_tracking_uri(url)
assert http_request(MlflowHostCreds(url), "/health", "GET", max_retries=0).status_code == 200
"""


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"paths": {"/predict": {}}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def plain_environment() -> dict[str, str]:
    return {n: v for n, v in os.environ.items() if not n.lower().endswith("_proxy")}


@pytest.mark.parametrize("proxies", PROXIES.values(), ids=PROXIES)
def test_the_client_of_a_local_bundle_uses_no_proxy(url: str, proxies, monkeypatch) -> None:
    for name, value in proxies.items():
        monkeypatch.setenv(name, value)
    assert LocalServer(url, "key", 0, 0.0).first_route() == "/predict"


@pytest.mark.parametrize("proxies", PROXIES.values(), ids=PROXIES)
def test_exceptions_are_kept_and_completed(proxies: dict[str, str]) -> None:
    environment = dict(proxies)
    reach_local_addresses_directly(environment)
    names = environment["no_proxy"].split(",")
    assert set(LOCAL_ADDRESSES) <= set(names)
    assert environment["NO_PROXY"] == environment["no_proxy"]
    assert ("intranet" in names) is any("intranet" in value for value in proxies.values())
    reach_local_addresses_directly(environment)
    assert environment["no_proxy"].split(",") == names


@pytest.mark.parametrize(
    "environment", [{}, {"http_proxy": ""}, {"A_PROXY": DEAD, "no_proxy": "*"}]
)
def test_without_a_proxy_and_without_limits_nothing_changes(environment: dict[str, str]) -> None:
    before = dict(environment)
    reach_local_addresses_directly(environment)
    assert environment == before


@pytest.mark.slow
@pytest.mark.parametrize("proxies", PROXIES.values(), ids=PROXIES)
def test_every_http_client_reaches_a_local_service(url: str, proxies: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLIENTS, url],
        env={**plain_environment(), **proxies},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
