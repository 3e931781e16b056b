"""Hostile values at programs, hosts, servers and databases: what each of them says it got."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from procedures.definitions import registry
from tests.actions.hostile_town import ECHO, HERE, WITH_FILE, Town, act, three
from tests.actions.hostile_values import E, Refused, rendered
from tests.ssh.conftest import Place


def local_words(town: Town, value: str) -> dict[str, str]:
    call = rendered("local:command", {"argv": ["printf", "%s", "--", E]}, value)
    return {"argv": act(call, "local:command")[1].text.removeprefix("--")}


def local_word_alone(town: Town, value: str) -> dict[str, str]:
    call = rendered("local:command", {"argv": ["printf", "%s", E]}, value)
    return {"argv": act(call, "local:command")[1].text}


def local_command(town: Town, value: str) -> dict[str, str]:
    call = rendered("local:command", {"argv": ["sh", "-c", WITH_FILE], "env": {"V": E}, "stdin": E}, value)
    return three(act(call, "local:command")[1].out["stdout"])


def local_script(town: Town, value: str) -> dict[str, str]:
    given = {"script": "s.sh", "env": {"V": E}, "stdin": E}
    call = rendered("local:script", given, value, files={"s.sh": WITH_FILE.encode()})
    return three(act(call, "local:script")[1].out["stdout"])


def over_ssh(host: Place, action: str, given: Mapping[str, Any], value: str, **files: bytes) -> bytes:
    named = {name.replace("_", "."): content for name, content in files.items()}
    call = rendered(action, given, value, files=named, target=host.target)
    call = replace(call, lease=host.lease(registry.actions()[action], call))
    return act(call, action)[1].out.get("stdout", b"")


def ssh_words_of(host: Place, value: str) -> dict[str, str]:
    out = over_ssh(host, "ssh:command", {"argv": ["printf", "%s", "--", E]}, value)
    return {"argv": out.decode().removeprefix("--")}


def ssh_words(town: Town, value: str) -> dict[str, str]:
    return ssh_words_of(town.host, value)


def ssh_command(town: Town, value: str) -> dict[str, str]:
    given = {"argv": ["sh", "-c", ECHO], "env": {"V": E}, "stdin": E}
    return three(over_ssh(town.host, "ssh:command", given, value))


def ssh_script_of(host: Place, value: str) -> dict[str, str]:
    given = {"script": "s.sh", "env": {"V": E}, "stdin": E}
    return three(over_ssh(host, "ssh:script", given, value, s_sh=WITH_FILE.encode()))


def ssh_script(town: Town, value: str) -> dict[str, str]:
    return ssh_script_of(town.host, value)


def ssh_copy(town: Town, value: str) -> dict[str, str]:
    """The name of a file below a folder of the host; what is found there afterwards is the value."""
    folder = town.host.host.home / "copied"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    over_ssh(town.host, "ssh:copy", {"file": "f", "to": f"{folder}/{E}"}, value, f=b"content")
    names = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    return {"to": names[0] if len(names) == 1 else repr(names)}


def ssh_mode(town: Town, value: str) -> dict[str, str]:
    over_ssh(town.host, "ssh:copy", {"file": "f", "to": f"{town.host.host.home}/moded", "mode": E}, value, f=b"content")
    return {"mode": "it was taken"}


def http(town: Town, value: str, **given: Any) -> tuple[str, str, dict[str, str], bytes]:
    before = len(town.server.requests)
    call = rendered("http:request", {"url": town.server.url("/x"), **given}, value)
    try:
        act(replace(call, networks=HERE), "http:request")
    except Refused:
        assert len(town.server.requests) == before, "it was sent all the same"
        raise
    assert len(town.server.requests) == before + 1, "one request became several"
    return town.server.requests[-1]


def http_url(town: Town, value: str) -> dict[str, str]:
    _, path, _, _ = http(town, value, url=town.server.url(f"/a/{E}/z?q={E}&w=1"))
    parts = urlsplit(path)
    return {"path": unquote(parts.path.split("/")[2]), "query": parse_qs(parts.query, keep_blank_values=True)["q"][0]}


def http_body(town: Town, value: str) -> dict[str, str]:
    as_json = http(town, value, method="POST", json={"k": [E]})[3]
    return {"json": json.loads(as_json)["k"][0], "body": http(town, value, method="POST", body=E)[3].decode()}


def http_header(town: Town, value: str) -> dict[str, str]:
    headers = http(town, value, headers={"x-s": E})[2]
    return {"header": headers["x-s"].encode("latin-1").decode()}


def http_auth(town: Town, value: str) -> dict[str, str]:
    headers = http(town, value, env={"T": E}, auth={"env": "T", "header": "x-token"})[2]
    return {"auth": headers["x-token"].encode("latin-1").decode()}


def sql(town: Town, value: str, **given: Any) -> Any:
    call = rendered("sql:query", given, value)
    result, _ = act(replace(call, networks=HERE, lease=town.reader), "sql:query")
    return result.output["rows"][0]


def sql_values(town: Town, value: str) -> dict[str, str]:
    found = sql(
        town,
        value,
        query="SELECT $1::text AS a, $2::jsonb AS j, $3::text AS e",
        parameters=[E, {"k": E}, {"env": "V"}],
        env={"V": E},
    )
    return {"text": found["a"], "json": found["j"]["k"], "env": found["e"]}


def sql_name(town: Town, value: str) -> dict[str, str]:
    found = sql(town, value, query="SELECT 1 AS {name}", identifiers={"name": E})
    return {"identifier": next(iter(found))}
