"""A time-stamping authority that is real: certificates of its own, and `openssl ts` behind HTTP."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.fixtures.serving import free_port

CONFIG = """\
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""
Answer = Callable[[bytes], tuple[int, bytes]]


def openssl(*words: str, said: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], input=said, capture_output=True, check=True).stdout


@dataclass(slots=True)
class TimeAuthority:
    """`roots` is the PEM file that its stamps lead to. `answer` may be put in the place of what it would say."""

    folder: Path
    url: str = ""
    asked: list[bytes] = field(default_factory=list)
    answer: Answer | None = None

    @property
    def roots(self) -> Path:
        return self.folder / "root.pem"

    def reply(self, query: bytes) -> bytes:
        """What a real one answers."""
        files = {name: str(self.folder / name) for name in ("query", "tsa.pem", "tsa.key", "tsa.cnf")}
        (self.folder / "query").write_bytes(query)
        signer = ("-signer", files["tsa.pem"], "-inkey", files["tsa.key"])
        return openssl(
            "ts", "-reply", "-queryfile", files["query"], *signer, "-config", files["tsa.cnf"], "-section", "one"
        )


def made(folder: Path, *, usage: str = "critical,timeStamping") -> TimeAuthority:
    """Its keys and certificates; `usage` is what the certificate says that its key is for."""
    folder.mkdir(parents=True)
    root, key = str(folder / "root.pem"), str(folder / "root.key")
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30")
    openssl("req", "-x509", *new, "-subj", "/CN=root", "-keyout", key, "-out", root)
    request = openssl("req", "-new", *new[:-2], "-subj", "/CN=tsa", "-keyout", str(folder / "tsa.key"))
    (folder / "ext").write_text(f"extendedKeyUsage={usage}\nkeyUsage=critical,digitalSignature\n")
    signed = ("-CA", root, "-CAkey", key, "-CAcreateserial", "-days", "20", "-extfile", str(folder / "ext"))
    (folder / "tsa.pem").write_bytes(openssl("x509", "-req", *signed, said=request))
    (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder))
    (folder / "serial").write_text("01\n")
    return TimeAuthority(folder)


@contextmanager
def serving(found: TimeAuthority) -> Iterator[TimeAuthority]:
    """It listens at `url`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            found.asked.append(query)
            status, data = found.answer(query) if found.answer else (200, found.reply(query))
            self.send_response(status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_port}/tsa"
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
