"""Rundeck's HTTP step: a request of ours, or, where the host is chosen at launch, one that curl makes."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from procedures.domain import rendering
from procedures.importers.rundeck.readings import Around, Carried, Text, Whole, needs, words_of
from procedures.importers.rundeck.scripts import Program
from procedures.importers.rundeck.source import text, truth
from procedures.importers.rundeck.variables import IN_COMMAND, NotCarried, Variables, literal

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
FROM_VALUE = re.compile(rf"(?:https?://)?{IN_COMMAND.pattern}")


def read(config: Mapping[str, Any], around: Around) -> Carried:
    variables = Variables(around.known, on_targets=False, raw=False)
    method = (text(config.get("method")) or "GET").upper()
    if text(config.get("authentication")) not in {"", "None"}:
        raise NotCarried(
            f"the request logs in by {text(config.get('authentication'))[:40]}; give the secret to auth.env"
        )
    if method not in METHODS:
        raise NotCarried(f"the method {method[:20]} is not known")
    asked = needs(config, "remoteUrl").strip()
    if match := FROM_VALUE.match(asked):
        return _by_curl(config, method, asked, match[0])
    url = _expressions(asked, variables)
    if problem := rendering.url_problem(url):
        raise NotCarried(f"its URL {asked[:80]}: {problem}")
    given: dict[str, Any] = {"url": url, "method": method}
    if text(config.get("headers")).strip():
        given["headers"] = {k: _expressions(v, variables) for k, v in _headers(text(config["headers"])).items()}
    if text(config.get("body")):
        given["body"] = _expressions(text(config["body"]), variables)
    if truth(config.get("checkResponseCode")) and text(config.get("responseCode")).isdigit():
        given["expect"] = {"status": int(text(config["responseCode"]))}
    else:
        given["expect"] = {"status": [*range(200, 207), *range(300, 309)]}
    return Whole("http:request", given, [*_told(config), *variables.notes])


def _told(config: Mapping[str, Any]) -> list[str]:
    notes = []
    if text(config.get("sslVerify")) == "false":
        notes.append("certificates were not checked there; here they are")
    if truth(config.get("proxySettings")):
        notes.append("its proxy is not carried over")
    return notes


def _by_curl(config: Mapping[str, Any], method: str, url: str, start: str) -> Text:
    """A request whose host is chosen at launch. `http:request` takes none such; a program of the sandbox may ask it.

    Whatever the value holds stays one word behind `--url`, and no other scheme than http and https is spoken.
    """
    words = ["curl --silent --show-error --fail --globoff --proto =http,https --request", method]
    if truth(config.get("checkResponseCode")) and text(config.get("responseCode")).isdigit():
        words[0] = words[0].replace(" --fail", "")
    for name, value in (_headers(text(config["headers"])) if text(config.get("headers")).strip() else {}).items():
        words.append(f"--header {shlex.quote(name + ': ')}{words_of(value)}")
    if text(config.get("body")):
        words.append(f"--data-raw {words_of(text(config['body']))}")
    line = f"{' '.join(words)} --url {words_of(url)}"
    if "--fail" not in words[0]:
        code = text(config["responseCode"])
        line = f'code=$({line} --output /dev/stderr --write-out \'%{{http_code}}\'); echo "$code"; [ "$code" = {code} ]'
    note = (
        f"its host stands in {start}, so curl asks it from the sandbox; with a fixed host it would be an http:request"
    )
    return Text(Program(line, is_command=True), local=True, notes=[note, *_told(config)])


def _headers(written: str) -> dict[str, str]:
    try:
        value = json.loads(written)
    except ValueError:
        value = dict(line.split(":", 1) for line in written.splitlines() if ":" in line)
    if not isinstance(value, Mapping):
        raise NotCarried("its headers cannot be read")
    rows = {str(k).strip(): text(v).strip() for k, v in value.items()}
    if any(not re.fullmatch(r"[A-Za-z0-9-]{1,64}", name) for name in rows):
        raise NotCarried("its headers cannot be read")
    return rows


def _expressions(written: str, variables: Variables) -> str:
    """A text of a request, with expressions in place of what Rundeck pasted; a secret may not stand there."""

    def one(match: re.Match[str]) -> str:
        found = variables.of(match)
        if found.name.startswith("SECRET_"):
            raise NotCarried("a secret stands in its URL, headers or body; hand it over by auth or stdin")
        if found.expression is not None:
            return found.expression
        option = variables.known.options[match["name"]]
        return "${{ parameters[" + repr(option.name) + "] }}"

    return IN_COMMAND.sub(one, literal(written))
