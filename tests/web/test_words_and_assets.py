"""Pages use people's words, carry only files that we know, and stay small."""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from procedures.web.templatetags import readings

WEB = Path(__file__).parents[2] / "procedures" / "web"
STATIC = WEB / "static" / "opsportal"
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
CODE_WORDS = re.compile(r"\b(digest|closure|lease|dossier|the pack|denied|interrupted|superuser)\b", re.IGNORECASE)


def text_of(template: Path) -> str:
    """What people read: without template code, tags and code samples."""
    html = re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}", " ", template.read_text(), flags=re.DOTALL)
    return re.sub(r"<[^>]*>", " ", html)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_use_the_words_of_the_glossary(template: Path) -> None:
    assert CODE_WORDS.findall(text_of(template)) == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_no_inline_style_script_or_handler(template: Path) -> None:
    html = template.read_text()
    assert " style=" not in html
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert not re.search(r"\son[a-z]+=", html)
    assert "|safe" not in html
    assert "autoescape" not in html


@pytest.mark.parametrize(
    ("message", "reads"),
    [
        ("/object/window_from: is no time", "Window from: is no time"),
        ("/reviewers: 'x' is nobody; /days: is 1 to 365", "Reviewers: 'x' is nobody; Days: is 1 to 365"),
        ("/parameters/net/port: is 1/2: no", "Net port: is 1/2: no"),
        ("/object/acts/0: says no time", "Acts 1: says no time"),
        ("Nobody: see /access/ for it", "Nobody: see /access/ for it"),
        ("/: is empty", "/: is empty"),
    ],
)
def test_a_refusal_names_fields_as_forms_do(message: str, reads: str) -> None:
    assert readings.fields_named(message) == reads


def test_verbs_read_as_words() -> None:
    assert readings.rights(["run", "read_output"]) == "run, read output"


def test_the_shared_style_sheet_is_at_most_25_kilobytes_and_what_one_page_adds_is_small() -> None:
    sizes = {sheet.stem: sheet.stat().st_size for sheet in (STATIC / "css").glob("*.css")}
    assert sizes.pop("opsportal") <= 25_000
    assert max(sizes.values()) <= 1_500, sizes


def test_vendored_files_are_exactly_those_that_are_listed() -> None:
    rows = tomllib.loads((WEB / "vendor.toml").read_text())["file"]
    for row in rows:
        found = base64.b64encode(hashlib.sha384((STATIC / row["path"]).read_bytes()).digest()).decode()
        assert row["integrity"] == f"sha384-{found}", row["path"]
        assert (STATIC / row["licence_file"]).is_file()
    listed = {row["path"] for row in rows} | {row["licence_file"] for row in rows}
    scripts = {f"js/{name}.js" for name in ("editor", "page", "passkey", "run")}
    scripts |= {str(path.relative_to(STATIC)) for path in (STATIC / "js" / "evidence").glob("*.js")}
    sheets = {f"css/{name}.css" for name in ("editor", "opsportal", "review")}
    ours = {"favicon.svg"} | sheets | scripts
    assert {str(path.relative_to(STATIC)) for path in STATIC.rglob("*") if path.is_file()} == listed | ours


def test_scripts_never_write_markup() -> None:
    for script in (STATIC / "js").rglob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", script.read_text())


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    sprite = (STATIC / "icons.svg").read_text()
    for template in TEMPLATES:
        html = template.read_text()
        for name in re.findall(r'{% icon "([a-z-]+)"', html) + re.findall(
            r'with (?:[a-z]+=\S+ )*glyph="([a-z-]+)"', html
        ):
            assert f'id="i-{name}"' in sprite, (template.name, name)
        for name in re.findall(r'{% glyph "([a-z_]+)"', html):
            assert f'id="s-{name}"' in sprite, (template.name, name)
