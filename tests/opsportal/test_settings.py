"""A wrong setting ends the process with one sentence; a secret is never shown; unsafe starts are refused."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from opsportal.logs import RequestLogMiddleware
from opsportal.settings import env, folders
from procedures.queries import separation

PRODUCTION = {
    "OPSPORTAL_PROFILE": "production",
    "OPSPORTAL_PUBLIC_URL": "https://ops.example.com",
    "OPSPORTAL_SECRET_KEY": "k" * 60,
    "DATABASE_URL": "postgres://portal:secret@db/portal",
    "OPSPORTAL_BROKER_URL": "redis://broker/0",
    "OPSPORTAL_ROOT_OK": "yes",
}
START = "from opsportal.asgi import application; from django.conf import settings; print(settings.OPSPORTAL_PROFILE)"


def start(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Start the web application in a process of its own, with these variables and no other of ours."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("OPSPORTAL_") and k != "DATABASE_URL"}
    environ = {**inherited, "OPSPORTAL_DATA_DIR": str(tmp_path / "var"), **variables}
    environ["DJANGO_SETTINGS_MODULE"] = "opsportal.settings"
    return subprocess.run([sys.executable, "-c", START], env=environ, capture_output=True, text=True, check=False)


def test_nothing_set_means_embedded_with_private_folders(tmp_path: Path) -> None:
    ended = start(tmp_path)
    assert ended.stdout.strip() == "embedded", ended.stderr
    for folder in (tmp_path / "var", tmp_path / "var/keys"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "var/secret-key").stat().st_mode) == 0o600


def test_sound_production_starts(tmp_path: Path) -> None:
    ended = start(tmp_path, **PRODUCTION)
    assert ended.stdout.strip() == "production", ended.stderr


def test_services_of_ones_own_mean_production(tmp_path: Path) -> None:
    ended = start(tmp_path, DATABASE_URL="postgres://db/portal")
    assert ended.returncode == 1
    assert ended.stderr.startswith("OPSPORTAL_SECRET_KEY is ********, but must be set")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("OPSPORTAL_PORT", "abc", "OPSPORTAL_PORT is 'abc', but must be a whole number from 1 to 65535."),
        ("OPSPORTAL_PORT", "70000", "OPSPORTAL_PORT is '70000', but must be a whole number from 1 to 65535."),
        (
            "OPSPORTAL_PROFILE",
            "prod",
            "OPSPORTAL_PROFILE is 'prod', but must be one of embedded, production, test.",
        ),
        (
            "OPSPORTAL_PUBLIC_URL",
            "ops.example.com",
            "OPSPORTAL_PUBLIC_URL is 'ops.example.com', but must be an origin such as https://ops.example.com.",
        ),
        (
            "DATABASE_URL",
            "mysql://db/x",
            "DATABASE_URL is ********, but must be a URL that begins with postgres:// or sqlite:///.",
        ),
        (
            "OPSPORTAL_SECRET_KEY",
            "short",
            "OPSPORTAL_SECRET_KEY is ********, but must be set, to 50 random characters or more.",
        ),
        (
            "OPSPORTAL_SESSION_HOURS",
            "100",
            "OPSPORTAL_SESSION_HOURS is '100', but must be a whole number from 1 to 24.",
        ),
        (
            "OPSPORTAL_SESSION_IDLE_MIN",
            "720",
            "OPSPORTAL_SESSION_IDLE_MIN is '720', but must be no longer than OPSPORTAL_SESSION_HOURS.",
        ),
        ("OPSPORTAL_TRUST_PROXY", "maybe", "OPSPORTAL_TRUST_PROXY is 'maybe', but must be yes or no."),
    ],
)
def test_wrong_value_ends_the_start_with_one_sentence(tmp_path: Path, name: str, value: str, sentence: str) -> None:
    ended = start(tmp_path, **{**PRODUCTION, "OPSPORTAL_SESSION_HOURS": "8", name: value})
    assert ended.returncode == 1
    assert ended.stderr == sentence + "\n"


@pytest.mark.parametrize(
    ("name", "value", "finding"),
    [
        ("OPSPORTAL_PUBLIC_URL", "http://ops.example.com", "Use https"),
        ("OPSPORTAL_ALLOWED_HOSTS", "*", "Name the hosts"),
        ("DATABASE_URL", "sqlite:////tmp/x.sqlite3", "Use PostgreSQL"),
    ],
)
def test_unsafe_production_refuses_to_start(tmp_path: Path, name: str, value: str, finding: str) -> None:
    ended = start(tmp_path, **{**PRODUCTION, name: value})
    assert ended.returncode == 1
    assert ended.stderr.startswith("Refusing to start:\n- ")
    assert finding in ended.stderr


def test_secret_comes_out_of_a_file_and_is_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("s" * 60 + "\n")
    monkeypatch.setenv("OPSPORTAL_SECRET_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.delenv("OPSPORTAL_SECRET_KEY", raising=False)
    assert env.text("OPSPORTAL_SECRET_KEY") == "s" * 60
    row = next(row for row in env.describe() if row["name"] == "OPSPORTAL_SECRET_KEY")
    assert row["value"] == env.MASK
    assert row["source"] == str(tmp_path / "key")


def test_value_and_file_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSPORTAL_SECRET_KEY", "a")
    monkeypatch.setenv("OPSPORTAL_SECRET_KEY_FILE", "/b")
    with pytest.raises(SystemExit, match="keep one of them"):
        env.text("OPSPORTAL_SECRET_KEY")


def test_every_variable_says_what_it_means() -> None:
    assert all(row["meaning"].rstrip().endswith(".") and row["type"] for row in env.describe())


def test_socket_folder_in_a_database_url_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://me@%2Frun%2Fpostgresql/portal")
    described = env.database("DATABASE_URL", default="")
    assert (described["HOST"], described["NAME"], described["USER"]) == ("/run/postgresql", "portal", "me")


def test_processes_that_start_at_once_share_one_secret(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(folders.kept_secret(tmp_path / "key"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len(found[0]) >= 50
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_readable_keys_are_found(settings: Any, tmp_path: Path) -> None:
    settings.OPSPORTAL_KEYS_DIR = tmp_path
    settings.OPSPORTAL_EVIDENCE_KEY_FILE = tmp_path / "evidence"
    settings.OPSPORTAL_RUNNER_KEY_FILE = tmp_path / "runner"
    assert separation.readable_keys() == []
    for name in ("evidence", "ssh-ca-production", "evidence.pub", "evidence.published"):
        (tmp_path / name).write_text("k")
    assert separation.readable_keys() == [tmp_path / "evidence", tmp_path / "ssh-ca-production"]


def test_page_policy_allows_no_inline_script() -> None:
    directives = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    allowed = {str(source) for sources in directives.values() for source in sources}
    assert not allowed & {"'unsafe-inline'", "'unsafe-eval'", "*", "https:"}
    assert [str(source) for source in directives["default-src"]] == ["'none'"]


@pytest.mark.parametrize(("given", "kept"), [("trace-12345678", True), ("short", False), ("bad id\n12345", False)])
def test_request_keeps_a_sound_id_and_answers_with_it(given: str, *, kept: bool) -> None:
    seen: list[str] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request.headers["X-Request-Id"])
        return HttpResponse()

    answer = RequestLogMiddleware(view)(RequestFactory().get("/", headers={"X-Request-Id": given}))
    assert isinstance(answer, HttpResponse)
    assert answer["X-Request-Id"] == seen[0]
    assert (seen[0] == given) is kept


@pytest.mark.parametrize(
    "url", ["mail.example.com", "http://mail.example.com", "smtps://", "smtp://h:x", "smtp://h/?a=b"]
)
def test_a_mail_server_that_is_none_ends_the_start_without_showing_the_password(tmp_path: Path, url: str) -> None:
    ended = start(tmp_path, OPSPORTAL_SMTP_URL=url)
    assert ended.returncode != 0
    assert "OPSPORTAL_SMTP_URL is ********, but must be smtps://" in ended.stderr


def test_a_password_for_mail_without_tls_is_refused_in_production(tmp_path: Path) -> None:
    ended = start(tmp_path, **PRODUCTION, OPSPORTAL_SMTP_URL="smtp://portal:pass@mail.example.com")
    assert "OPSPORTAL_SMTP_URL sends a password without TLS" in ended.stderr
