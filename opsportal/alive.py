"""Signs of life for whoever keeps the processes up: each one that works touches a file; a check looks how old it is.

As a program it imports the standard library alone, since it is started every few seconds in every container.
"""

from __future__ import annotations

import http.client
import os
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

OLDEST_S = 30.0


def touch(path: str) -> None:
    """Say that the work goes on; nothing where no file is named."""
    if path:
        Path(path).touch()


def silent_s(path: str) -> float | None:
    """Seconds since the process last said that it works, None if it never did."""
    try:
        return time.time() - Path(path).stat().st_mtime
    except OSError:
        return None


def answers(port: int, host: str) -> bool:
    """Whether the web process of this machine answers /healthz as the portal."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        link.request("GET", "/healthz", headers={"Host": host, "X-Forwarded-Proto": "https"})
        return link.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()


def main() -> int:
    """0 if the process beside this one works. With a file named its age decides, else the web process is asked."""
    if path := os.environ.get("OPSPORTAL_ALIVE_FILE", ""):
        age = silent_s(path)
        if age is None or age > OLDEST_S:
            sys.stderr.write(f"{path} was {'never touched' if age is None else f'touched {age:.0f} s ago'}.\n")
            return 1
        return 0
    public = urlsplit(os.environ.get("OPSPORTAL_PUBLIC_URL", "http://localhost"))
    if not answers(int(os.environ.get("OPSPORTAL_PORT", "8000")), public.hostname or "localhost"):
        sys.stderr.write("The web process does not answer /healthz.\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
