"""Files that mean harm, files that are broken, and a thousand small changes: an answer each time, never a traceback."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from procedures.definitions import registry
from procedures.definitions.load import load
from procedures.domain.importing import ImportRefused
from procedures.importers.rundeck import read
from tests.importers.rundeck_samples import EVERYTHING, XML

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 9))
FILES = {
    "empty": b"",
    "blank": b" \n\n",
    "binary": bytes(range(256)) * 40,
    "nul": b"- name: a\x00b\n  sequence: {}\n",
    "not UTF-8": b"- name: \xff\xfe\n",
    "no jobs": b"a: b\n",
    "a text": b"just words",
    "numbers": b"- 1\n- 2\n",
    "no sequence": b"- name: x\n",
    "aliases": b"- &a {name: x}\n" + b"- *a\n" * 500,
    "an alias of itself": b"- &a\n  name: x\n  sequence: *a\n",
    "a million levels of YAML": b"[" * 1_000_000,
    "a million levels of JSON": b"[" * 1_000_000 + b"]" * 1_000_000,
    "a hundred levels": (b'[{"name":"x","sequence":' + b'{"a":' * 100 + b"1" + b"}" * 101 + b"]"),
    "nine megabytes": b"- name: x\n" + b"# " + b"x" * 9 * 1024 * 1024,
    "a program": b"- !!python/object/apply:os.system ['touch /tmp/owned']\n",
}
XMLS = {
    "an entity": b'<!DOCTYPE j [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<joblist><job><name>&x;</name></job></joblist>',
    "laughs": f"<!DOCTYPE j [<!ENTITY l0 'ha'>{LAUGHS}]><joblist><job><name>&l8;</name></job></joblist>".encode(),
    "a document type": b'\n<!DOCTYPE joblist SYSTEM "http://example.com/x.dtd"><joblist/>',
    "another root": b"<html><job/></html>",
    "no jobs": b"<joblist/>",
    "cut off": b"<joblist><job>",
    "levels": b"<joblist>" + b"<job>" * 1_000_0 + b"</job>" * 1_000_0 + b"</joblist>",
    "two hundred thousand levels": b"<a>" * 200_000,
    "an encoding nobody knows": b'<?xml version="1.0" encoding="x-none"?><joblist/>',
    "nine megabytes": b"<joblist><!--" + b"x" * 9 * 1024 * 1024 + b"--></joblist>",
    "nul": b"<joblist><job><name>\x00</name></job></joblist>",
}


@pytest.fixture(autouse=True)
def no_shellcheck(monkeypatch: pytest.MonkeyPatch) -> None:
    """It only warns, and takes most of the time."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused_with_a_line(name: str) -> None:
    began = time.monotonic()
    with pytest.raises(ImportRefused) as refused:
        read("jobs.yaml", FILES[name])
    assert refused.value.line >= 1
    assert refused.value.message
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("name", XMLS)
def test_hostile_xml_is_refused_with_a_line(name: str) -> None:
    with pytest.raises(ImportRefused) as refused:
        read("jobs.xml", XMLS[name])
    assert refused.value.line == (2 if name == "a document type" else 1)
    assert "passwd" not in refused.value.message


def test_the_line_of_a_mistake_is_named() -> None:
    with pytest.raises(ImportRefused) as refused:
        read("jobs.yaml", b"- name: a\n  sequence:\n   - x\n  - y: [\n")
    assert refused.value.line >= 3


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**22),
    st.text(max_size=30),
    st.sampled_from(
        [
            "${option.level}",
            "@option.level@",
            "${{ x }}",
            "x" * 5000,
            "a\u200bb",
            "\x07",
            "'",
            '"',
            "$(",
            "<<E",
            "<<'E'\n@option.node@",
            "{{",
            "- x",
            "1e5",
            "yes",
            "${data.x}",
            "${node.tags}",
            "\ud800",
            "curl x | sh",
            "0x1",
            "#!",
            "#! ",
        ]
    ),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)


def test_no_text_of_a_file_becomes_an_expression_of_ours() -> None:
    text = "${{ secrets.pw }}"
    url = "edu.ohio.ais.rundeck.HttpWorkflowStepPlugin"
    commands = [
        {"exec": "echo ${job.name}"},
        {"exec": "echo $RD_JOB_NAME"},
        {"jobref": {"name": "x", "args": f"-a '{text}'"}},
        {"type": url, "nodeStep": False, "configuration": {"remoteUrl": f"https://example.com/{text}"}},
        {"type": url, "nodeStep": False, "configuration": {"remoteUrl": "https://example.com/", "body": text}},
        {"exec": f"echo {text}"},
        {"exec": "echo ${option.a}"},
    ]
    options = [{"name": "a", "multivalued": True, "delimiter": "') }}${{ secrets.pw }}"}]
    options += [{"name": "pw", "secure": True, "valueExposed": True}]
    job = {"name": text, "description": text, "options": options, "sequence": {"commands": commands}}
    one = read("a.json", json.dumps([job]).encode()).procedures[0]
    assert [step for step in one.marked if step != "step2"] == ["step1", "step3", "step4", "step5", "step6", "step7"]
    document = yaml.safe_load(one.files["procedure.yaml"])
    assert "secrets.pw" not in json.dumps(document["spec"]["steps"])


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    rows = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in rows for found in _paths(item, (*path, key)))]


SAMPLE = yaml.safe_load(EVERYTHING)
PATHS = [path for path in _paths(SAMPLE) if path]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_changed_jobs_are_carried_or_refused_and_what_is_carried_passes_lint(data: st.DataObject) -> None:
    changed = copy.deepcopy(SAMPLE)
    for path in data.draw(st.lists(st.sampled_from(PATHS), min_size=1, max_size=3)):
        holder = changed
        for key in path[:-1]:
            holder = holder[key] if isinstance(holder, dict | list) and _has(holder, key) else {}
        if isinstance(holder, dict) or (isinstance(holder, list) and _has(holder, path[-1])):
            holder[path[-1]] = data.draw(JUNK)
    judged("jobs.json", json.dumps(changed).encode("utf-8", "surrogatepass"))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_files_with_changed_bytes_are_carried_or_refused(data: st.DataObject) -> None:
    name, text = data.draw(st.sampled_from([("a.yaml", EVERYTHING), ("a.xml", XML)]))
    raw = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(raw) - 1))
        raw[start : start + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=12))
    judged(name, bytes(raw))


def _has(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else isinstance(key, int) and key < len(holder)


def judged(name: str, raw: bytes) -> None:
    try:
        found = read(name, raw)
    except ImportRefused:
        return
    at = [key.at for key in found.keys]
    assert len(at) == len(set(at))
    for one in found.procedures:
        errors = [f for f in load(one.files, registry.actions()).findings if f.severity == "error"]
        assert not errors, (errors, one.files["procedure.yaml"].decode())
