"""Every command as people type it, against a real portal: what it says, and the exit code that scripts rely on."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from procedures.evidence import verify
from tests.cli.conftest import YAML, Office

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]
DONE, FAILED, USAGE, DENIED, WAITING, NO_PORTAL = range(6)


def said(done: object) -> str:
    return f"{getattr(done, 'stdout', '')}\n{getattr(done, 'stderr', '')}"


def greet(office: Office, *words: str, who: str = "quinn", environment: str = "development", stdin: str = "") -> object:
    return office.type(who, "run", "greet", "--environment", environment, *words, stdin=stdin)


def number(text: str) -> str:
    found = re.search(r"Run #(\d+)", text)
    assert found, text
    return found.group(1)


def test_help_lists_every_command_and_each_has_its_own(office: Office) -> None:
    listed = office.type("quinn", "--help")
    assert listed.returncode == DONE
    for name in [
        "lint",
        "submit",
        "review",
        "approve",
        "run",
        "logs",
        "cancel",
        "runs",
        "procedures",
        "show",
        "access",
        "evidence",
        "doctor",
        "config",
    ]:
        assert re.search(rf"^  {name} ", listed.stdout, re.MULTILINE), name
        assert office.type("quinn", name, "--help").returncode == DONE


def test_no_portal_is_exit_5_and_says_where_it_looked(office: Office) -> None:
    for words in (["runs"], ["login", "--username", "x", "--password-stdin"], ["run", "greet", "--environment", "x"]):
        done = office.type("quinn", *words, url="http://localhost:9", stdin="x\n")
        assert (done.returncode, "http://localhost:9" in done.stderr) == (NO_PORTAL, True), said(done)


def test_a_wrong_password_or_token_is_exit_3(office: Office) -> None:
    done = office.type("nobody", "login", "--username", "max", "--password-stdin", stdin="wrong\n")
    assert (done.returncode, done.stderr.strip()) == (DENIED, "Name or password is wrong.")
    assert office.type("nobody", "runs").returncode == DENIED
    assert office.type("nobody", "runs", OPSPORTAL_TOKEN="ops_wrong").returncode == DENIED


def test_the_kept_session_is_for_its_owner_alone(office: Office) -> None:
    kept = office.folder / "config-quinn" / "session.json"
    assert oct(kept.stat().st_mode & 0o777) == "0o600"


def test_lint_names_file_line_column_and_code(office: Office) -> None:
    good = office.type("adam", "lint", str(office.bundle("clean")), url="http://localhost:9")
    assert good.returncode == DONE, said(good)
    broken = office.bundle("broken", procedure__yaml=YAML.replace("action: local:script", "action: local:scrpt"))
    done = office.type("adam", "lint", str(broken))
    assert done.returncode == FAILED
    assert re.search(r"procedure\.yaml:\d+:\d+: error", done.stdout), done.stdout
    rows = json.loads(office.type("adam", "lint", str(broken), "--format", "json").stdout)
    assert {"file", "line", "column", "code", "severity", "message"} <= set(rows[0])
    assert json.loads(office.type("adam", "lint", str(broken), "--format", "sarif").stdout)["version"] == "2.1.0"
    assert office.type("adam", "lint", str(broken), "--format", "github").stdout.startswith("::")
    assert office.type("adam", "lint", "/no/such/folder").returncode == USAGE


def test_submit_keeps_the_note_and_refuses_what_lint_refuses(office: Office, accepted: str) -> None:
    page = office.company["adam"].http.get("/api/v1/versions/").json()["results"]
    assert [row["note"] for row in page if row["digest"] == accepted] == ["for the tests"]
    broken = office.bundle("broken", procedure__yaml=YAML.replace("action: local:script", "action: local:scrpt"))
    done = office.type("adam", "submit", str(broken))
    assert (done.returncode, "local:scrpt" in said(done)) == (FAILED, True), said(done)
    assert office.type("max", "submit", str(office.bundle("foreign"))).returncode == DENIED


def test_the_author_cannot_accept_on_the_command_line_either(office: Office) -> None:
    sent = office.type("adam", "submit", str(office.bundle("own")), "--json")
    digest = json.loads(sent.stdout)["digest"]
    words = ["review", f"own@{digest}", "--accept", "--duty", "operations", "--yes", "--key", office.key("adam")]
    done = office.type("adam", *words)
    assert (done.returncode, "you cannot review it" in said(done)) == (DENIED, True), said(done)
    assert office.type("olga", "review", f"own@{digest}", "--yes").returncode == USAGE
    assert office.type("olga", "review", "own@sha256:0000", "--accept", "--yes").returncode == FAILED


def test_a_run_is_followed_to_its_end_with_flags_from_its_schema(office: Office, accepted: str) -> None:
    words = ["--reason", "a test", "--who", "Ada", "--times", "2", "--loud", "--words", "a", "--words", "b c"]
    done = greet(office, *words, "--p-reason", "because", "--secret", f"token=@{secret_file(office)}")
    text = said(done)
    assert getattr(done, "returncode", 9) == DONE, text
    assert text.count('hello Ada loud=true words=["a", "b c"]') == 2
    assert "s3cret-t0ken-value" not in text
    assert "token is ***" in text


def secret_file(office: Office) -> Path:
    path = office.folder / "token"
    path.write_text("s3cret-t0ken-value\n")
    return path


def test_a_secret_is_never_a_flag_s_value(office: Office, accepted: str) -> None:
    done = greet(office, "--who", "Ada", "--secret", "token=plain")
    assert getattr(done, "returncode", 0) == USAGE
    assert "NAME=@FILE" in said(done)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--who", "x" * 21], FAILED, "/parameters/who"),
        (["--who", "Ada", "--times", "many"], FAILED, "/parameters/times"),
        (["--who", "Ada", "--times", "601"], FAILED, "/parameters/times"),
        ([], FAILED, "/parameters/who"),
        (["--whom", "Ada"], USAGE, "--whom"),
        (["--who"], USAGE, "--who"),
    ],
)
def test_bad_parameters_name_the_flag_or_field(
    office: Office, accepted: str, words: list[str], code: int, told: str
) -> None:
    done = greet(office, *words)
    assert (getattr(done, "returncode", 0), told in said(done)) == (code, True), said(done)
    assert "Traceback" not in said(done)


def test_help_of_a_procedure_lists_its_parameters(office: Office, accepted: str) -> None:
    done = office.type("quinn", "run", "greet", "--help")
    assert done.returncode == DONE
    for flag in ("--who", "--times", "--loud / --no-loud", "--p-reason", "--words", "--environment"):
        assert flag in done.stdout, done.stdout
    assert office.type("quinn", "run", "greet", "--help", url="http://localhost:9").returncode == NO_PORTAL


def test_a_failing_step_is_exit_1_and_an_unknown_procedure_is_denied(office: Office, accepted: str) -> None:
    done = greet(office, "--who", "nobody")
    assert (getattr(done, "returncode", 0), "failed" in said(done)) == (FAILED, True), said(done)
    again = office.type("quinn", "rerun", number(said(done)), "--reason", "once more")
    assert (again.returncode, "failed" in said(again)) == (FAILED, True), said(again)
    nowhere = office.type("quinn", "rerun", number(said(done)), "--failed-only")
    assert (nowhere.returncode, "Nothing went wrong on any target" in said(nowhere)) == (FAILED, True), said(nowhere)
    unknown = office.type("quinn", "run", "no-such-thing", "--environment", "development")
    unseen = office.type("max", "run", "greet", "--environment", "development")
    assert (unknown.returncode, unseen.returncode) == (DENIED, DENIED)


def test_production_waits_for_an_approval_and_says_so(office: Office, accepted: str) -> None:
    office.sign_in("quinn")
    stolen = greet(office, "--who", "Ada", "--reason", "CHG-1", environment="production")
    assert (getattr(stolen, "returncode", 0), "login --step-up" in said(stolen)) == (DENIED, True), said(stolen)
    proved = office.type("quinn", "login", "--step-up", "--key", office.key("quinn"))
    assert (proved.returncode, "Proved (signed)" in proved.stdout) == (DONE, True), said(proved)
    done = greet(office, "--who", "Ada", "--reason", "CHG-1", environment="production")
    assert (getattr(done, "returncode", 0), "/runs/" in said(done)) == (WAITING, True), said(done)
    assert "Waits for approval (1 × operations) until" in done.stderr
    run = number(said(done))
    own = office.type("quinn", "approve", run, "--yes", "--key", office.key("quinn"))
    assert (own.returncode, "behind the request" in said(own)) == (DENIED, True), said(own)
    unsigned = office.type("petra", "approve", f"#{run}", "--yes")
    assert unsigned.returncode == DENIED, said(unsigned)
    shown = office.type("petra", "approve", run, "--yes", "--key", office.key("petra"))
    assert (shown.returncode, "greet in production" in shown.stdout) == (DONE, True), said(shown)
    followed = office.type("quinn", "logs", run, "--follow")
    assert (followed.returncode, "hello Ada" in followed.stdout) == (DONE, True), said(followed)
    kept = office.type("quinn", "logs", run, "--signed", str(office.folder / "greeted"))
    assert b'\n0 ["stdout","hello Ada ' in (office.folder / "greeted").read_bytes(), said(kept)
    refused = greet(office, "--who", "Bea", "--reason", "CHG-2", environment="production")
    number_two = number(said(refused))
    done = office.type("petra", "reject", number_two, "--reason", "not today", "--yes", "--key", office.key("petra"))
    assert (done.returncode, "rejected" in done.stdout) == (DONE, True), said(done)


def test_cancel_stops_a_run_and_runs_lists_it(office: Office, accepted: str) -> None:
    done = greet(office, "--who", "Ada", "--times", "200", "--detach")
    run = number(said(done))
    canceled = office.type("quinn", "cancel", run, "--reason", "enough")
    assert canceled.returncode == DONE, said(canceled)
    ended = office.type("quinn", "logs", run, "--follow")
    assert (ended.returncode, "canceled" in ended.stderr) == (FAILED, True), said(ended)
    listed = office.type("quinn", "runs")
    assert re.search(rf"^#{run} +canceled +development +greet ", listed.stdout, re.MULTILINE), listed.stdout
    assert json.loads(office.type("quinn", "runs", "--json").stdout)["results"][0]["procedure"] == "greet"
    assert office.type("quinn", "logs", "999999").returncode == FAILED


def test_procedures_and_show(office: Office, accepted: str) -> None:
    listed = office.type("quinn", "procedures", "greet")
    assert re.search(r"(?m)^greet +accepted +Greet$", listed.stdout), listed.stdout  # others may be titled so too
    assert json.loads(office.type("quinn", "procedures", "--json").stdout)["results"]
    assert "Nothing matches" in office.type("quinn", "procedures", "zzzz").stdout
    shown = office.type("quinn", "show", "greet").stdout
    assert "--who" in shown
    assert accepted[:19] in shown
    assert json.loads(office.type("quinn", "show", "greet", "--json").stdout)["name"] == "greet"
    assert office.type("quinn", "show", "nothing-here").returncode == FAILED


def test_access_is_granted_signed_listed_and_revoked(office: Office, accepted: str) -> None:
    more = ["--environment", "development", "--days", "1", "--reason", "to look", "--procedure", "greet"]
    more += ["--key", office.key("mira")]
    subject = {name: office.company[name].subject for name in ("max", "mira")}
    done = office.type("mira", "access", "grant", f"person:{subject['max']}", "view", *more, "--json")
    assert done.returncode == DONE, said(done)
    assert json.loads(done.stdout)["state"] == "confirmed"
    assert "max" in said(office.type("mira", "access", "list")).lower()
    rows = json.loads(office.type("mira", "access", "list", "--json").stdout)["results"]
    grant = next(row["id"] for row in rows if row["reason"] == "to look")
    ended = office.type("mira", "access", "revoke", grant, "--reason", "seen enough", "--key", office.key("mira"))
    assert (ended.returncode, "confirmed" in ended.stdout) == (DONE, True), said(ended)
    own = office.type("mira", "access", "grant", f"person:{subject['mira']}", "view", *more)
    assert own.returncode == DENIED, said(own)


def test_a_secret_is_sealed_here_and_proposed(office: Office) -> None:
    words = ["secret", "set", "deploy-key", "--environment", "development", "--file", str(secret_file(office))]
    done = office.type("mira", *words, "--key", office.key("mira"))
    assert (done.returncode, "secret is confirmed" in done.stdout) == (DONE, True), said(done)
    nowhere = office.type("mira", *[word.replace("development", "moon") for word in words])
    assert (nowhere.returncode, "no environment 'moon'" in nowhere.stderr) == (FAILED, True), said(nowhere)


def test_evidence_is_exported_verified_and_checked(office: Office, accepted: str) -> None:
    pack = office.folder / "pack.zip"
    assert office.type("quinn", "evidence", "export", "-o", str(pack)).returncode == DENIED
    done = office.type("ines", "evidence", "export", "--environment", "development", "-o", str(pack))
    assert done.returncode == DONE, said(done)
    key = office.type("ines", "evidence", "key").stdout.strip()
    good = office.type("ines", "evidence", "verify", str(pack), "--log-key", key, url="http://localhost:9")
    assert (good.returncode, good.stdout.splitlines()[-1]) == (0, "verdict: SIGNED"), said(good)
    data = bytearray(pack.read_bytes())
    data[len(data) // 3] ^= 1
    pack.write_bytes(bytes(data))
    assert office.type("ines", "evidence", "verify", str(pack), "--log-key", key).returncode in (1, 2)
    assert office.type("ines", "evidence", "verify").returncode == 64
    assert verify.LEVELS[1] == "SIGNED"


def test_doctor_and_config(office: Office) -> None:
    here = {"OPSPORTAL_DATA_DIR": str(office.portal.data_dir), "OPSPORTAL_SECRET_KEY": "k" * 50}
    good = office.type("mira", "doctor")
    assert (good.returncode, "MISS" in good.stdout) == (DONE, False), said(good)
    states = {row["state"] for row in json.loads(office.type("mira", "doctor", "--json").stdout)["results"]}
    assert "ok" in states
    assert "MISS" not in states
    bad = office.type("mira", "doctor", url="http://localhost:9")
    assert (bad.returncode, "MISS  the portal answers" in bad.stdout) == (FAILED, True), said(bad)
    shown = office.type("mira", "config", **here)
    assert shown.returncode == DONE
    assert "k" * 50 not in shown.stdout
    assert str(office.portal.data_dir) in shown.stdout
    assert json.loads(office.type("mira", "config", "--json", **here).stdout)


def test_evidence_check_finds_what_was_edited_in_the_database(office: Office, accepted: str) -> None:
    greet(office, "--who", "Ada")
    assert office.type("ines", "evidence", "export", "-o", str(office.folder / "p.zip")).returncode == DONE
    copy = office.folder / "copy"
    (copy / "database").mkdir(parents=True)
    here, there = office.portal.data_dir / "database" / "opsportal.sqlite3", copy / "database" / "opsportal.sqlite3"
    with closing(sqlite3.connect(here)) as source, closing(sqlite3.connect(there)) as target:
        source.backup(target)
    settings = {"OPSPORTAL_PROFILE": "embedded", "OPSPORTAL_DATA_DIR": str(copy), "OPSPORTAL_SECRET_KEY": "k" * 50}
    unsure = office.type("mira", "evidence", "check", "--json", **settings)
    assert (unsure.returncode, json.loads(unsure.stdout)["findings"][0]["kind"]) == (3, "key.unknown"), said(unsure)
    (copy / "public").mkdir(exist_ok=True)
    shutil.copy(office.portal.data_dir / "public" / "evidence.pub", copy / "public")
    good = office.type("mira", "evidence", "check", **settings)
    assert good.returncode == DONE, said(good)
    with closing(sqlite3.connect(there)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute(
            "UPDATE evidence_event SET body = replace(body, 'greet', 'great') WHERE kind = 'version.submitted'"
        )
        database.commit()
    bad = office.type("mira", "evidence", "check", **settings)
    assert (bad.returncode, "version.submitted" in said(bad) or "body" in said(bad)) == (FAILED, True), said(bad)
