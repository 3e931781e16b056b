"""`python3 manage.py demo`: the main job before your eyes, on a portal and five hosts that are thrown away."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from opsportal.demo.client import PASSWORD
from opsportal.demo.company import Company
from opsportal.demo.hosts import Host
from opsportal.demo.services import install_service
from opsportal.demo.story import Story
from opsportal.supervisor.portal import Portal

ROOT = Path(__file__).resolve().parent.parent.parent


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="manage.py demo", description=__doc__)
    parser.add_argument("--exit", action="store_true", help="end when the story is told")
    parser.add_argument("--data-dir", type=Path, help="where to keep the portal; a temporary folder unless given")
    given = parser.parse_args(argv)
    folder = given.data_dir or Path(tempfile.mkdtemp(prefix="opsportal-demo-", dir="/var/tmp"))
    folder.mkdir(parents=True, exist_ok=True)
    hosts = {
        "staging": [Host("staging-web-01", folder / "hosts" / "staging-web-01", 0)],
        "production": [Host(f"web-0{i}", folder / "hosts" / f"web-0{i}", i) for i in range(1, 5)],
    }
    services: list[subprocess.Popen[bytes]] = []
    portal = Portal(folder / "portal", environ={"OPSPORTAL_RUNNER_ADDRESS": "127.0.0.1/32"})
    try:
        _tell(folder, hosts, services, portal)
        if not given.exit:
            print("Ctrl-C ends it.", flush=True)
            _until_told()
    finally:
        portal.stop()
        for group in hosts.values():
            for host in group:
                host.stop()
        for process in services:
            process.terminate()
    return 0


def _tell(
    folder: Path, hosts: Mapping[str, list[Host]], services: list[subprocess.Popen[bytes]], portal: Portal
) -> None:
    print("Five hosts, each an sshd with a service under supervisord …", flush=True)
    folder.chmod(0o711)
    (folder / "hosts").mkdir(exist_ok=True)
    for group in hosts.values():
        for host in group:
            host.start()
            services.append(install_service(host, "checkout"))
    print("A portal: web, runner, scheduler, sequencer, broker …", flush=True)
    portal.start()
    company = _company(folder, hosts, portal)
    story = Story(company, portal.data_dir, ROOT / "runbooks")
    print("The day:", flush=True)
    story.tell_all()
    story.add_indexes()
    print(f"pack: {story.pack}\nportal: {portal.url}\nlogin: quinn {PASSWORD}", flush=True)


def _company(folder: Path, hosts: Mapping[str, list[Host]], portal: Portal) -> Company:
    print("Ten people, each with a signing key; two access managers sign every change …", flush=True)
    keys = folder / "people"
    keys.mkdir(mode=0o700, exist_ok=True)
    company = Company(portal.url, keys)
    if portal.first_link is None:
        raise SystemExit("This data folder has people already; give --data-dir an empty one.")
    company.found(portal.first_link)
    company.invite_everybody()
    company.share_authority()
    company.give_duties()
    company.give_rights()
    company.add_hosts(hosts)
    return company


def _until_told() -> None:
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    told.wait()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")
    raise SystemExit(main())
