"""A real archive: Orthanc with its DICOMweb plugin, on this computer alone, with a database of its own."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import requests

PROGRAM = shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USER, PASSWORD = "reader", "Not-To-Be-Seen-4711"
MISSING = "" if PROGRAM and PLUGIN.exists() else "Orthanc or its DICOMweb plugin is not installed"


@dataclass(frozen=True)
class Orthanc:
    """A running archive; ``ports`` are those of computers that it may move images to, by AE title."""

    folder: Path
    dicom: int
    http: str
    ports: dict[str, int]

    def ask(self, path: str, method: str = "GET", **settings: Any) -> Any:
        """Its own interface, past DICOM."""
        answer = requests.request(
            method, f"{self.http}/{path}", auth=(USER, PASSWORD), timeout=20, **settings
        )
        answer.raise_for_status()
        return answer.json()

    def file(self, instance: str) -> pydicom.Dataset:
        """An object as it is stored."""
        answer = requests.get(f"{self.http}/instances/{instance}/file", auth=(USER, PASSWORD), timeout=20)
        return pydicom.dcmread(io.BytesIO(answer.content))

    def instances(self) -> list[dict[str, Any]]:
        return self.ask("instances?expand")

    def empty(self) -> None:
        for patient in self.ask("patients"):
            self.ask(f"patients/{patient}", "DELETE")

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


@contextlib.contextmanager
def orthanc_at(folder: Path, certificate: Path | None = None) -> Iterator[Orthanc]:
    """Start it, wait until it answers, and end it.

    Args:
        certificate: with its key in one file; DIMSE is encrypted with it, and others must show it too.
    """
    dicom, http, *others = free_ports(4)
    ports = {"MSLESIONSEG": others[0], "MSNODE": others[1]}
    settings = {
        "StorageDirectory": str(folder / "database"),
        "IndexDirectory": str(folder / "database"),
        "Plugins": [str(PLUGIN)],
        "DicomPort": dicom,
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowEcho": False,
        "DicomModalities": {
            title.lower(): {
                "AET": title,
                "Host": "127.0.0.1",
                "Port": port,
                "UseDicomTls": certificate is not None,
            }
            for title, port in ports.items()
        },
        "HttpPort": http,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
    }
    if certificate is not None:
        files = ("Certificate", "PrivateKey", "TrustedCertificates")
        settings |= {f"DicomTls{name}": str(certificate) for name in files} | {"DicomTlsEnabled": True}
    (folder / "database").mkdir(parents=True)
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, folder / "orthanc.json"], stdout=log, stderr=subprocess.STDOUT)
    archive = Orthanc(folder, dicom, f"http://127.0.0.1:{http}", ports)
    try:
        for _ in range(200):
            assert process.poll() is None, archive.log
            with contextlib.suppress(requests.ConnectionError):
                archive.ask("system")
                break
            time.sleep(0.1)
        yield archive
    finally:
        process.terminate()
        process.wait()


def private_file(file: Path, text: str) -> Path:
    """A file that only its owner may see, as a configuration must be."""
    file.write_text(text)
    file.chmod(0o600)
    return file


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def encrypted_entrance(http: str, certificate: Path) -> Iterator[str]:
    """An https address that leads to an http address of this computer, as a web server before an archive gives it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    class Pass(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as inner:
                outer = context.wrap_socket(self.request, server_side=True)
                back = threading.Thread(target=_copy, args=(inner, outer), daemon=True)
                back.start()
                _copy(outer, inner)
                back.join()

    port = int(http.rpartition(":")[2])
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Pass) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(1 << 16):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)
