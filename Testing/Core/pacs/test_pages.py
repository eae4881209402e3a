"""An archive that answers a search in pages is asked for all of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from support.command_calls import events

_PAGE, _STUDIES = 2, [f"1.2.{number}" for number in range(5)]


class Pages(BaseHTTPRequestHandler):
    """QIDO-RS with two answers a page; ``knows_pages`` or gives the first one always."""

    knows_pages = True

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        start = int(asked.get("offset", ["0"])[0]) if self.knows_pages else 0
        found = [{"0020000D": {"vr": "UI", "Value": [uid]}} for uid in _STUDIES[start : start + _PAGE]]
        content = json.dumps(found).encode() if found else b""
        self.send_response(200 if found else 204)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *told: object) -> None:
        pass


@pytest.fixture(params=[True, False], ids=["with pages", "without"])
def knows_pages(request) -> bool:
    return request.param


@pytest.fixture
def address(knows_pages) -> Iterator[str]:
    handler = type("Handler", (Pages,), {"knows_pages": knows_pages})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_all_pages_are_found_and_the_same_page_again_ends_the_search(address, knows_pages, write_config):
    config = write_config(f"[archive]\nurl = {address}\n")
    found = events("pacs", "find", "archive", "--config", config)[-1]["studies"]
    assert [one["study"] for one in found] == _STUDIES[: None if knows_pages else _PAGE]
