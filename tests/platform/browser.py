"""A headless Chromium, driven over its own pipe (Chrome DevTools Protocol): no driver, no port."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.platform.conftest import until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
]


class Page:
    """One page of a browser."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._rest = b""
        self._count = 0
        self.session = ""
        self.complaints: list[str] = []
        """What went wrong in the page: exceptions, refused sources, failed loads."""

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Carry out one command of the protocol."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        while True:
            told = self._read()
            if told.get("id") == self._count:
                assert "error" not in told, told
                return dict(told["result"])

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._reading, 1 << 16)
            assert piece, "the browser ended"
            self._rest += piece
        text, _, self._rest = self._rest.partition(b"\0")
        told = dict(json.loads(text))
        if told.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(told["params"]["exceptionDetails"])[:1000])
        if told.get("method") == "Log.entryAdded" and told["params"]["entry"]["level"] == "error":
            self.complaints.append(told["params"]["entry"]["text"])
        return told

    def open(self, url: str) -> None:
        """Go somewhere."""
        self.send("Page.navigate", url=url)
        until(lambda: self.ask("document.readyState") == "complete", 20)

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        found = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str, seconds: float = 60.0) -> None:
        """Wait for an expression to hold."""
        try:
            until(lambda: self.ask(f"!!({expression})"), seconds)
        except AssertionError:
            text = self.ask("document.body.innerText")
            raise AssertionError(f"{expression} did not come; the page says:\n{text}") from None

    def click(self, selector: str) -> None:
        """Click on an element as a person does: where it is on the screen."""
        self.send(
            "Runtime.evaluate", expression=f"{_one(selector)}.scrollIntoView({{block: 'center'}})"
        )
        place = self.ask(
            f"(r => [r.x + r.width / 2, r.y + r.height / 2])({_one(selector)}"
            ".getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left",
                clickCount=1,
            )  # fmt: skip

    def type(self, selector: str, text: str) -> None:
        """Type into a field."""
        self.ask(f"{_one(selector)}.focus()")
        self.send("Input.insertText", text=text)

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in a form."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def resize(self, width: int, height: int) -> None:
        """Give the page another window."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip

    def picture(self, path: Path) -> None:
        """Save what the page looks like, down to its end."""
        taken = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(taken["data"]))


def _one(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)})"


@contextmanager
def browser() -> Iterator[Page]:
    """A browser with an empty profile and one page, ended with the block."""
    assert CHROMIUM is not None
    child_reads, we_write = os.pipe()
    we_read, child_writes = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The protocol's pipe is descriptors 3 and 4.
        script = f'exec "$@" 3<&{child_reads} 4>&{child_writes}'
        process = subprocess.Popen(
            ["bash", "-c", script, "-", CHROMIUM, *_FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(child_reads, child_writes),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(child_reads)
        os.close(child_writes)
        page = Page(we_read, we_write)
        try:
            target = page.send("Target.createTarget", url="about:blank")["targetId"]
            attached = page.send("Target.attachToTarget", targetId=target, flatten=True)
            page.session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Log", "DOM"):
                page.send(f"{domain}.enable")
            yield page
        finally:
            process.kill()
            process.wait()
            os.close(we_read)
            os.close(we_write)
