"""A page in Debian's Chromium, without a window: what it shows, what its scripts hold and what it asks for."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SIZE = 1000, 640
_OPTIONS = (
    *("--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--no-first-run", "--hide-scrollbars"),
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking"),
    f"--window-size={SIZE[0]},{SIZE[1]}",
)
_READS, _WRITES = 3, 4  # the ends of the pipe as Chromium expects them


class Page:
    """A page that is open. It is told what to do by the protocol of the developer tools.

    Attributes:
        requests: addresses that it asked for, without what lies in itself.
    """

    def __init__(self, to: io.BufferedWriter, back: io.BufferedReader) -> None:
        self._to, self._back = to, back
        self._number, self._session = 0, ""
        self.requests: list[str] = []

    def open(self, path: Path) -> None:
        """Open a page of this computer."""
        self._session, self.requests = "", []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self._ask(f"{domain}.enable")
        self._ask("Emulation.setFocusEmulationEnabled", enabled=True)
        self._ask("Page.navigate", url=path.as_uri())
        while self.value("location.href + document.readyState") != path.as_uri() + "complete":
            time.sleep(0.02)

    def value(self, script: str) -> Any:
        """What an expression comes to; a promise is waited for."""
        answer = self._ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", "exception"))
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self._ask("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """``mousePressed``, ``mouseReleased`` or ``mouseWheel`` at a point of the page."""
        self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def picture(self) -> np.ndarray:
        """What is seen, uint8 (rows, columns, 3)."""
        from PIL import Image

        # what was drawn is on the screen after two frames
        self.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        png = base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"])
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def print(self) -> bytes:
        """The page on paper, as PDF."""
        return base64.b64decode(self._ask("Page.printToPDF", printBackground=True)["data"])

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        question = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            question["sessionId"] = self._session
        self._to.write(json.dumps(question).encode() + b"\0")
        self._to.flush()
        while (answer := self._hear()).get("id") != self._number:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _hear(self) -> dict[str, Any]:
        """The next answer or event."""
        message = bytearray()
        while (letter := self._back.read(1)) not in (b"\0", b""):
            message += letter
        heard = json.loads(message)
        if heard.get("method") == "Network.requestWillBeSent":
            address = heard["params"]["request"]["url"]
            if not address.startswith(("data:", "blob:")):
                self.requests.append(address)
        return heard


@contextlib.contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """A browser with one page; skips the test where there is none. ``folder``: for its profile."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed (Debian: apt install chromium)")
    there, to = os.pipe()
    back, here = os.pipe()

    def as_expected() -> None:
        ends = os.dup(there), os.dup(here)
        os.dup2(ends[0], _READS)
        os.dup2(ends[1], _WRITES)

    process = subprocess.Popen(
        [program, *_OPTIONS, f"--user-data-dir={folder}"],
        preexec_fn=as_expected,
        close_fds=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(there)
    os.close(here)
    try:
        with open(to, "wb") as sender, open(back, "rb") as receiver:
            yield Page(sender, receiver)
    finally:
        process.terminate()
        process.wait(30)
