"""A process that plays the database administrator: plain SQL on the portal's database, past every service.

python -m opsportal.demo.intruder DATABASE edit-script | restore-script | insert-grant SUBJECT USERNAME
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from procedures.domain.canonical import canon, moment
from procedures.domain.ids import uuid7

MARK = b'\ntouch "$HOME/owned"\n'


def main(argv: list[str]) -> None:
    database, act, *rest = argv
    with sqlite3.connect(database, timeout=20) as link:
        acts: dict[str, Callable[..., None]] = {
            "edit-script": edit_script,
            "restore-script": restore_script,
            "insert-grant": insert_grant,
        }
        acts[act](link, *rest)


def _script(link: sqlite3.Connection) -> tuple[int, bytes]:
    row = link.execute(
        "SELECT f.id, f.content FROM procedures_versionfile f JOIN procedures_version v ON v.id = f.version_id "
        "JOIN procedures_procedure p ON p.id = v.procedure_id "
        "WHERE p.name = 'restart-service' AND v.state = 'accepted' AND f.path = 'restart.sh'"
    ).fetchone()
    return row[0], row[1]


def edit_script(link: sqlite3.Connection) -> None:
    number, content = _script(link)
    link.execute("UPDATE procedures_versionfile SET content = ? WHERE id = ?", (content + MARK, number))


def restore_script(link: sqlite3.Connection) -> None:
    number, content = _script(link)
    link.execute("UPDATE procedures_versionfile SET content = ? WHERE id = ?", (content.replace(MARK, b""), number))


def insert_grant(link: sqlite3.Connection, subject: str, username: str) -> None:
    """A production grant with the event that would stand for it: all that a database can be made to say."""
    at, until = datetime.now(UTC), datetime.now(UTC) + timedelta(days=30)
    person = link.execute("SELECT id FROM procedures_person WHERE username = ?", (username,)).fetchone()[0]
    granter = link.execute("SELECT id FROM procedures_person WHERE username = 'mira'").fetchone()[0]
    procedure = link.execute("SELECT id FROM procedures_procedure WHERE name = 'restart-service'").fetchone()[0]
    grant, event = uuid7(), uuid7()
    thing = {
        "principal": f"person:{subject}",
        "verbs": ["run"],
        "environments": ["production"],
        "procedure": "restart-service",
        "not_before": moment(at),
        "expires_at": moment(until),
        "reason": "needed",
    }
    body = canon(
        {
            "salt": "AAAAAAAAAAAAAAAAAAAAAA==",
            "control": "grant",
            "change": str(grant),
            "object": thing,
            "production": True,
            "profile": "separate",
            "gains": [subject],
            "confirmers": [],
        }
    )
    header = canon(
        {"at": moment(at), "b": hashlib.sha256(body).hexdigest(), "id": str(event), "k": "control.confirmed", "v": 1}
    )
    now = at.strftime("%Y-%m-%d %H:%M:%S.%f")
    end = until.strftime("%Y-%m-%d %H:%M:%S.%f")
    link.execute(
        "INSERT INTO evidence_event (id, kind, at, header, body) VALUES (?, 'control.confirmed', ?, ?, ?)",
        (event.hex, now, header, body),
    )
    link.execute("INSERT INTO evidence_outbox (event_id) VALUES (?)", (event.hex,))
    link.execute(
        "INSERT INTO procedures_grant (id, person_id, verbs, procedure_id, selector, environments, target_filter, "
        "not_before_at, expires_at, reason, granted_by_id, event, created_at) "
        "VALUES (?, ?, ?, ?, '[]', ?, '', ?, ?, 'needed', ?, ?, ?)",
        (
            grant.hex,
            person,
            json.dumps(["run"]),
            procedure,
            json.dumps(["production"]),
            now,
            end,
            granter,
            event.hex,
            now,
        ),
    )
    link.execute(
        "INSERT INTO procedures_grantright "
        "(verb, person_id, procedure_id, environment_id, grant_id, not_before_at, ends_at) "
        "VALUES ('run', ?, ?, 'production', ?, ?, ?)",
        (person, procedure, grant.hex, now, end),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
