"""The review page and its API: the same rows, nothing hidden, nothing too big, and no decision on what is gone."""

from __future__ import annotations

import hashlib
import re
import time
from typing import Any

import pytest
from django.test import Client

from procedures.domain.clock import now
from procedures.models import Environment, Review, Version, VersionFile
from procedures.services import versions
from tests.web.town import Town

pytestmark = pytest.mark.once
YAML = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: greet, title: Greet}
spec:
  owner: group:default/x
  type: diagnostic
  risk: low
  environments: [PLACES]
  timeout: 1m
  steps:
    - {id: one, action: 'local:command', timeout: 5s, input: {argv: [echo, WORD]}}
"""


def greet(places: str = "development", word: str = "hi", **files: bytes) -> dict[str, bytes]:
    text = YAML.replace("PLACES", places).replace("WORD", word)
    more = {path.replace("__", "."): content for path, content in files.items()}
    return {"procedure.yaml": text.encode(), "README.md": b"Greets.\n", **more}


def send(town: Town, files: dict[str, bytes]) -> Version:
    return versions.submit_version(actor=town.people["mira"], files=files, note="please", at=now())


def get(client: Client, version: Version, query: str = "") -> str:
    answer = client.get(f"/reviews/{version.id}/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def texts(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.fixture
def easy(town: Town) -> Town:
    """A town where a session is strong enough, so that tests need no key."""
    Environment.objects.update(min_strength="session")
    return town


def test_page_and_api_show_the_same_rows_wider_first(easy: Town) -> None:
    send(easy, greet())
    easy.accept("greet")
    version = send(easy, greet("development, staging"))
    client = easy.client("aisha")
    page = texts(get(client, version))
    found = client.get(f"/api/v1/versions/{version.id}/diff/").json()
    assert found["against"]["number"] == 1
    assert found["rows"][0]["effect"] == "wider"
    told = [row for row in found["rows"] if row["effect"] != "same"]
    assert ("Environments", "it may now run in staging") in [(row["area"], row["why"]) for row in told]
    for row in told:
        assert row["why"] in page, row
    assert "against v1" in page
    assert found["files"] == [{"path": "procedure.yaml", "added": 1, "removed": 1, "note": ""}]


def test_who_gains_is_shown_before_accepting_and_only_counted_for_others(easy: Town) -> None:
    easy.move_in("quinn", "Quinn Ash", ["run", "view"])
    version = send(easy, greet())
    assert "Quinn Ash development: new by every procedure" in texts(get(easy.client("aisha"), version))
    found = easy.client("aisha").get(f"/api/v1/versions/{version.id}/gains/").json()
    assert {row["person"]["username"]: row["new"] for row in found["results"]}["quinn"] == ["development"]
    assert [row["duty"] for row in found["missing"]] == ["operations"]
    plain = texts(get(easy.client("quinn"), version))
    assert "Mira Lindqvist development: new" not in plain
    assert "Reviewers and access managers see whose" in plain
    hidden = easy.client("quinn").get(f"/api/v1/versions/{version.id}/gains/").json()
    assert hidden["results"] == []
    assert hidden["persons"] == found["persons"]
    assert hidden["missing"][0]["could"] == []


def test_a_stranger_gets_neither_diff_nor_gains(easy: Town) -> None:
    version = send(easy, greet())
    for path in ("", "diff/", "gains/"):
        assert easy.client("stranger").get(f"/api/v1/versions/{version.id}/{path}").status_code == 404
    assert easy.client("stranger").get(f"/reviews/{version.id}/file?path=README.md").status_code == 404


def test_the_author_sees_what_is_missing_and_who_could_decide(easy: Town) -> None:
    page = texts(get(easy.client("mira"), send(easy, greet())))
    assert "You wrote or submitted this, so somebody else must decide" in page
    assert "Operations Aisha Khan, Jonas Weber could" in page
    assert "Accept as" not in page


def test_two_tabs_a_decision_on_what_was_replaced_is_refused_and_the_page_leads_on(easy: Town) -> None:
    first = send(easy, greet())
    client = easy.client("aisha")
    assert "Accept as" in get(client, first)
    second = send(easy, greet(word="changed"))
    form: dict[str, Any] = {"digest": first.digest, "verdict": "accept", "duties": ["operations"]}
    answer = client.post(f"/reviews/{first.id}/", form)
    html = answer.content.decode()
    assert answer.status_code == 409
    assert "v1 is withdrawn, not in review. v2" in texts(html)
    assert f"/reviews/{second.id}/" in html
    assert client.post(f"/reviews/{second.id}/", form).status_code == 400
    body = {"version": str(first.id), **form}
    told = client.post("/api/v1/reviews/", body, content_type="application/json")
    assert (told.status_code, told.json()["type"].endswith("review.stale")) == (409, True)
    assert not Review.objects.exists()


def test_a_duty_named_twice_is_refused_in_words_on_page_and_api(easy: Town) -> None:
    version = send(easy, greet())
    form: dict[str, Any] = {"digest": version.digest, "verdict": "accept", "duties": ["operations", "operations"]}
    client = easy.client("aisha")
    answer = client.post(f"/reviews/{version.id}/", form)
    assert answer.status_code == 422
    body = {"version": str(version.id), **form}
    assert "stands twice" in client.post("/api/v1/reviews/", body, content_type="application/json").content.decode()
    assert not Review.objects.exists()


def slipped_in(version: Version, path: str, content: bytes) -> None:
    """A file that lint refuses today, as an older version may hold."""
    mark = hashlib.sha256(content).hexdigest()
    VersionFile.objects.create(
        version=version, path=path, content=content, size_bytes=len(content), content_sha256=mark
    )


HOSTILE = b"# fine \xe2\x80\xae\n\x1b[2J\x1b[31mred\x1b[0m\n# ok\x0brm -rf /\n<script>alert(1)</script>\r\n"


def test_a_hostile_bundle_hides_nothing_on_page_api_or_download(easy: Town) -> None:
    name = "a\u202eb<script>\u200b.txt"
    version = send(easy, greet())
    slipped_in(version, "notes.bin", HOSTILE)
    slipped_in(version, name, b"x\n")
    slipped_in(version, "tests/\u3164", b"y\n")
    client = easy.client("aisha")
    html = get(client, version)
    assert "<script>alert" not in html
    assert not set(html) & set("\u202e\x1b\x0b\u200b\u3164")
    for shown in (r"\u202e", r"\x1b[2J\x1b[31mred\x1b[0m", r"# ok\x0brm -rf /", r"\x0d", r"a\u202eb", r"\u3164"):
        assert shown in html, shown
    diff = client.get(f"/api/v1/versions/{version.id}/diff/").json()
    assert not set("".join(row["after"] + row["why"] for row in diff["rows"])) & set("\u202e\x1b\u200b")
    saved = client.get(f"/reviews/{version.id}/file", {"path": name})
    assert saved["Content-Type"] == "application/octet-stream"
    assert saved["Content-Disposition"].startswith("attachment")
    assert saved.content == b"x\n"


def test_a_note_and_a_comment_with_hidden_characters_are_written_out(easy: Town) -> None:
    version = versions.submit_version(actor=easy.people["mira"], files=greet(), note="fine\u202eenif", at=now())
    client = easy.client("aisha")
    form = {"digest": version.digest, "verdict": "request_changes", "comment": "no\u202e\x1b[2J<b>x</b>"}
    assert client.post(f"/reviews/{version.id}/", form).status_code == 302
    html = get(client, version)
    assert r"fine\u202eenif" in html
    assert r"no\u202e\x1b[2J&lt;b&gt;x&lt;/b&gt;" in html


def test_a_big_and_ugly_bundle_stays_a_page_that_can_be_used(easy: Town) -> None:
    """200 steps, 500 files, one of megabytes, one that is not text, and lines without end."""
    step = "    - {{id: s{0}, action: 'local:command', timeout: 5s, input: {{argv: [echo, {0}]}}}}\n"
    whole = greet()["procedure.yaml"].decode()
    whole = whole[: whole.index("    - {id")] + "".join(step.format(n) for n in range(200))
    files = {f"data/🚀 ملف {n}.txt": f"{n}\n".encode() * 20 for n in range(495)}
    files |= {"big.txt": b"x" * 79 + b"\n", "blob.bin": bytes(range(256)) * 40, "long.txt": b"y" * 300_000}
    files["big.txt"] *= 52_000
    version = send(easy, greet() | {"procedure.yaml": whole.encode()} | files)
    client = easy.client("aisha")
    begun = time.monotonic()
    html = get(client, version)
    took = time.monotonic() - begun
    assert len(html) < 2_500_000
    assert took < 10, f"{took:.1f} s"
    page = texts(html)
    assert "bytes are too many to show: download it to read it" in page
    assert "Not text: 0 bytes before, 10,240 bytes now" in page
    assert "characters more: download the file" in page
    assert "The page is long enough without it" in page
    assert "more rows than fit here" in page
    alone = get(client, version, "?file=data/🚀 ملف 7.txt")
    assert alone.count('<tr class="add">') == 20
    assert get(client, version, "?rows=all").count("a new step") >= 200


def test_one_file_opens_whole_and_a_missing_one_is_not_found(easy: Town) -> None:
    send(easy, greet())
    easy.accept("greet")
    version = send(easy, greet(word="other"))
    client = easy.client("aisha")
    assert "Greets." not in get(client, version)
    assert "Greets." in get(client, version, "?file=README.md")
    assert client.get(f"/reviews/{version.id}/?file=nothing").status_code == 404


def test_the_queue_says_risk_age_and_what_is_missing_for_me(easy: Town) -> None:
    send(easy, greet())
    page = texts(easy.client("aisha").get("/reviews/").content.decode())
    assert "Waits for you Greet v1 please Low operations for you Mira Lindqvist just now" in page
    assert "Waits for others" in texts(easy.client("mira").get("/reviews/").content.decode())
