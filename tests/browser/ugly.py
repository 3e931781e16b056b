"""What pages must bear: long words, two hundred lines, emoji, text from right to left, on a demo's portal."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from opsportal.demo.company import Company
from procedures.definitions.archive import pack, read_folder
from tests.browser.device import Device
from tests.factories.repositories import Remote

WORD = "a" * 60 + "-" + "b" * 60
RTL = "إعادة تشغيل الخدمة"
SAID = f"Why {WORD}? 🚀 {RTL}\nA second line, and ``markup`` <b>that</b> is text."
LINES = "".join(f'echo "{number:03} {RTL} 🚀 {"long " * (number % 40)}"\n' for number in range(200))


def ugly(folder: Path) -> dict[str, bytes]:
    """A changed procedure: wider in its places and parameters, with files that no page likes."""
    files = read_folder(folder)
    text = files["procedure.yaml"].decode()
    new = (
        f"    properties:\n      wide:\n        type: string\n        title: '{RTL} 🚀'\n"
        f"        description: {WORD}\n        default: {WORD}\n"
    )
    files["procedure.yaml"] = (
        text.replace("    properties:\n", new, 1).replace("[staging,", "[development, staging,").encode()
    )
    files[f"{WORD[:100]}.sh"] = LINES.encode()
    files["notes 🚀.md"] = f"# {RTL}\n\n{WORD}\n".encode()
    return files


def source_of(company: Company, folder: Path) -> None:
    """A git source with one procedure that came over and one whose file is wrong."""
    remote = Remote.make(folder / "git")
    remote.write("from-git", word="🚀")
    remote.write("broken", word=WORD)
    (remote.work / "procedures" / "broken" / "procedure.yaml").write_text(f"kind: [{WORD}\n")
    remote.commit(f"{RTL} 🚀 {WORD}")
    remote.push()
    owner = company["adam"].subject
    company.both(
        "source",
        {
            "name": "flows",
            "url": str(remote.bare),
            "branch": "main",
            "path": "",
            "owner": owner,
            "group": "",
            "action": "set",
        },
    )
    until = time.monotonic() + 30
    while not company["adam"].good("GET", "/api/v1/sources/flows/")["commit"] and time.monotonic() < until:
        time.sleep(0.2)


def review_of(company: Company, folder: Path) -> str:
    """A version with discussion at two lines, a note that is too long, and a request for changes; its id."""
    parts = {
        "bundle": ("bundle.tar.gz", pack(ugly(folder))),
        "note": (None, f"{WORD} 🚀 {RTL}"),
        "draft": (None, "false"),
    }
    sent: dict[str, Any] = company["adam"].good("POST", "/api/v1/versions/", files=parts)
    place = f"/api/v1/versions/{sent['id']}/comments/"
    first = company["olga"].good("POST", place, {"path": "procedure.yaml", "line": 9, "body": SAID})
    company["adam"].good("POST", place, {"thread": first["id"], "body": SAID * 3})
    company["sven"].good("POST", place, {"body": f"On all of it: {RTL}"})
    return str(sent["id"])


def soon_due(company: Company, database: Path) -> None:
    """The shipped `hello` is accepted, and its year is nearly over."""
    olga = company["olga"]
    rows = olga.good("GET", "/api/v1/versions/", params={"procedure": "hello"})["results"]
    body = {"version": rows[0]["id"], "digest": rows[0]["digest"], "verdict": "accept", "duties": ["operations"]}
    asked = olga.good("GET", f"/api/v1/versions/{rows[0]['id']}/statement/?verdict=accept&duties=operations")
    olga.good("POST", "/api/v1/reviews/", {**body, "signature": olga.sign(asked["statement"])})
    with sqlite3.connect(database, timeout=20) as link:
        until = (datetime.now(UTC) + timedelta(days=9)).replace(tzinfo=None).isoformat(" ")
        link.execute(
            "UPDATE procedures_version SET expires_at = ? WHERE id = ?", (until, rows[0]["id"].replace("-", ""))
        )


def keyboards(url: str, folder: Path) -> Company:
    """The demo's people, signed in again with the keys that the demo made them."""
    company = Company(url, folder)
    for person in company.people.values():
        person.login()
    return company


def passkey_of(company: Company, page: Page, name: str) -> None:
    """The signed-in person of that page adds a passkey; both access managers confirm it."""
    Device.of(page)
    page.goto(f"{company[name].url}/settings/")
    page.click("button:has-text('Add a passkey')")
    page.wait_for_selector("h1:has-text('enrols the passkey')")
    page.click("button:has-text('Propose')")
    page.wait_for_url("**/changes/*/")
    change: dict[str, Any] = {"id": page.url.rstrip("/").rpartition("/")[2], "state": "proposed"}
    for who in ("jonas", "mira"):
        change = company[who].confirm(change)
