"""A pack proves what it says, and nothing in it can be changed without the verifier naming the place."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from procedures.definitions.archive import read_folder
from procedures.domain.canonical import canon, moment, sha256_hex
from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.evidence import verify
from procedures.evidence.models import Event, Outbox
from procedures.evidence.verify import Failed
from procedures.issuer.replay import replay
from procedures.models import Person, Run, Runner, Version
from procedures.runner.identity import DISPOSABLE, load_identity
from procedures.services import claims, drafts, run_states
from tests.evidence.conftest import Log
from tests.factories.portal import RUNBOOKS, SOON
from tests.factories.transitions import unevidenced

pytestmark = pytest.mark.ordinary


def test_an_untouched_copy_elsewhere_verifies_and_names_its_level(log: Log, tmp_path: Path) -> None:
    pack = tmp_path / "copy.zip"
    pack.write_bytes(log.pack())
    words = [sys.executable, "-I", "-S", verify.__file__, str(pack), "--log-key", log.key]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "verdict: SIGNED"), done.stdout
    assert "Not proven by this" in done.stdout
    assert "reported by the runner itself" in done.stdout, "its sandbox tier and software (H42)"


def flipped(data: bytes) -> list[int]:
    """Every byte, but of the copy of verify.py every 64th."""
    content = Path(verify.__file__).read_bytes()
    start = data.index(content)
    end = start + len(content)
    return [i for i in range(len(data)) if not start <= i < end or (i - start) % 64 == 0]


def test_each_byte_flipped_once_is_found_and_named(log: Log, figure: Callable[[str, Any], None]) -> None:
    data = log.pack()
    verify.verify(data, log.key)
    survivors = []
    for place in flipped(data):
        changed = bytearray(data)
        changed[place] ^= 0x01
        try:
            verify.verify(bytes(changed), log.key)
        except Failed as problem:
            if problem.code in (1, 2) and problem.member:
                continue
        survivors.append(place)
    assert survivors == []
    figure("bytes_flipped", {"bytes": len(data), "flipped": len(flipped(data)), "survivors": len(survivors)})


def test_each_member_changed_with_its_checksum_repaired_is_found(log: Log) -> None:
    members = verify.unzip(log.pack())
    for name, content in members.items():
        for change in (
            content[:-1],
            content + b"\n",
            content[: len(content) // 2] + b"x" + content[len(content) // 2 + 1 :],
        ):
            if change == content:
                continue
            with pytest.raises(Failed) as caught:
                verify.verify(verify.zip_bytes({**members, name: change}), log.key)
            assert caught.value.code in (1, 2)


def repaired(members: dict[str, bytes], **changes: bytes) -> bytes:
    """Change members and list them honestly in the manifest; the proof of the manifest cannot be made again."""
    new = {**members, **changes}
    manifest = json.loads(members["manifest.json"])
    manifest["files"] = {n: sha256_hex(d) for n, d in new.items() if n not in ("manifest.json", "export.tlog-proof")}
    new["manifest.json"] = canon(manifest)
    return verify.zip_bytes(new)


def test_a_changed_exit_code_with_every_digest_repaired_fails(log: Log) -> None:
    members = verify.unzip(log.pack())
    name = next(n for n, d in members.items() if n.startswith("bodies/") and b'"exit":0' in d)
    with pytest.raises(Failed, match="is not what the log committed to") as caught:
        verify.verify(repaired(members, **{name: members[name].replace(b'"exit":0', b'"exit":1')}), log.key)
    assert caught.value.member.startswith(name)


def test_an_edited_report_fails_even_when_the_manifest_lists_it(log: Log) -> None:
    members = verify.unzip(log.pack())
    edited = members["reports/population.csv"].replace(b"succeeded", b"failed")
    with pytest.raises(Failed, match="is not what the log says"):
        verify.verify(repaired(members, **{"reports/population.csv": edited}), log.key)


def test_a_withheld_body_fails(log: Log) -> None:
    members = verify.unzip(log.pack())
    name = next(n for n in members if n.startswith("bodies/"))
    lines = members[name].splitlines(keepends=True)
    for left in (None, b"".join(lines[:3] + lines[4:]), b"".join(lines[:-1])):
        without = {n: d for n, d in members.items() if n != name} | ({name: left} if left else {})
        with pytest.raises(Failed, match="withheld"):
            verify.verify(repaired(without), log.key)


def test_another_log_s_key_fails(log: Log, tmp_path: Path) -> None:
    from procedures.evidence.notes import load_key

    other = load_key(tmp_path / "other", "test/log").verifier
    with pytest.raises(Failed):
        verify.verify(log.pack(), other)


def test_a_pack_made_again_from_an_edited_database_fails(log: Log) -> None:
    log.sequence()
    event = Event.objects.get(run=log.run.id, kind="task.finished")
    changed = bytes(event.body).replace(b'"exit":0', b'"exit":1')
    with connection.cursor() as cursor:
        for statement in drop_guards():
            cursor.execute(statement)
        cursor.execute(
            "UPDATE evidence_event SET body = %s WHERE id = %s",
            [changed, event.id.hex if connection.vendor == "sqlite" else event.id],
        )
    with pytest.raises(Failed) as caught:
        verify.verify(log.pack(), log.key)
    assert caught.value.code == 1


def drop_guards() -> list[str]:
    if connection.vendor == "sqlite":
        return ["DROP TRIGGER evidence_event_update"]
    return ["ALTER TABLE evidence_event DISABLE TRIGGER USER"]


def test_an_inserted_grant_with_its_event_is_asserted_by_the_platform(log: Log) -> None:
    subject = str(log.run.requester.subject)
    thing = {
        "principal": f"person:{subject}",
        "verbs": ["run"],
        "environments": ["production"],
        "not_before": moment(now()),
        "expires_at": SOON,
        "reason": "needed",
    }
    grant, event = uuid7(), uuid7()
    body = canon(
        {
            "salt": "x",
            "control": "grant",
            "change": str(grant),
            "object": thing,
            "production": True,
            "profile": "team",
            "gains": [subject],
        }
    )
    header = canon({"at": moment(now()), "b": sha256_hex(body), "id": str(event), "k": "control.confirmed", "v": 1})
    row = Event.objects.create(id=event, kind="control.confirmed", at=now(), header=header, body=body)
    Outbox.objects.create(event=row)
    found = verify.verify(log.pack(), log.key)
    assert [row["control"] for row in found["asserted"]] == ["grant"]
    authority = replay()
    assert authority.grants[str(grant)]["stands"] is False


def test_a_filter_leaves_out_bodies_and_keeps_every_header(log: Log) -> None:
    data = log.pack(environment="production")
    found = verify.verify(data, log.key)
    members = verify.unzip(data)
    assert (found["runs"], len(members["log/headers.jsonl"].splitlines())) == (0, found["events"])
    assert b"succeeded" not in members["reports/population.csv"]


def test_a_draft_s_run_is_told_as_one_and_no_pack_lets_it_hold_a_credential(log: Log) -> None:
    files = read_folder(RUNBOOKS / "hello")
    drafts.submit_draft(actor=log.world.mira, files=files, note="", at=now())
    run = log.world.ask(log.world.mira, draft=True, parameters={"name": "Ada"})
    pool = load_identity(Path(settings.OPSPORTAL_KEYS_DIR), name=DISPOSABLE)
    claims.claim_run(run=run.id, runner=Runner.objects.get(pk=pool.id), at=now())
    verify.verify(log.pack(), log.key)
    facts = {"lease": str(uuid7()), "step": "greet", "target": "", "evidence": {}, "expires_at": moment(now())}
    run_states.note("lease.issued", run, at=now(), actor=None, facts=facts)
    with pytest.raises(Failed, match="a draft got a credential"):
        verify.verify(log.pack(), log.key)


def test_a_run_that_calls_itself_a_draft_of_what_nobody_drafted_fails_the_pack(log: Log) -> None:
    run = log.world.ask(Person.objects.get(username="quinn"))
    verify.verify(log.pack(), log.key)
    with unevidenced():
        version = Version.objects.create(
            **{
                f.attname: getattr(run.version, f.attname)
                for f in Version._meta.fields
                if f.name not in {"id", "number"}
            }
            | {"number": 9, "state": "draft", "draft": True}
        )
    drafted = {"draft": True, "digest": run.digest, "version": str(version.id), "environment": "development"}
    more = {"no": 99, "procedure": "hello", "requester": str(log.world.mira.subject), "door": "api", "chain": []}
    with unevidenced():
        other = Run.objects.create(
            **{f.attname: getattr(run, f.attname) for f in Run._meta.fields if f.name not in {"id", "no"}} | {"no": 99}
        )
    header = {"e": "development", "q": "x", "no": 3}
    facts = {**drafted, **more, "risk": "low"}
    run_states.note("run.requested", other, at=now(), actor=None, facts=facts, header=header)
    plan = {"plan_digest": run.plan_digest, "digest": run.digest, "approvals": {}, "targets": []}
    run_states.note("run.planned", other, at=now(), actor=None, facts=plan)
    claim = {"runner": "x", "digest": run.digest, "plan_digest": run.plan_digest}
    run_states.note("run.claimed", other, at=now(), actor=None, facts=claim)
    with pytest.raises(Failed, match="what was claimed is not what was accepted"):
        verify.verify(log.pack(), log.key)
