"""What leaves for other people's tools fits their schemas, OSCAL by NIST's, OCSF by its own, and is not personal."""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from typing import Any

import jsonschema_rs
import pytest
from ocsf_json_schema.embedded import OcsfJsonSchemaEmbedded
from ocsf_json_schema.loader import get_ocsf_schema
from oscal_bindings import AssessmentResultsDocument, OscalParseError, parse_assessment_results

from procedures.evidence import controls, ocsf, oscal, verify
from procedures.evidence.events import KINDS
from tests.evidence.conftest import Log

pytestmark = pytest.mark.ordinary
AT = "2026-11-26T14:35:32.417794Z"
WHO, THING = "01a21848-78d5-7bf6-901d-8d68ffe14f16", "01a21848-7940-7963-a460-2106a3593d3c"


@cache
def schema(class_uid: int) -> jsonschema_rs.Draft202012Validator:
    """What OCSF 1.3.0 asks of a class: it knows no other attributes than its own."""
    known = OcsfJsonSchemaEmbedded(get_ocsf_schema(ocsf.VERSION))
    return jsonschema_rs.Draft202012Validator(known.get_class_schema(known.lookup_class_name_from_uid(class_uid)))


def fits(event: dict[str, Any]) -> None:
    schema(event["class_uid"]).validate(event)
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    assert event["category_uid"] == event["class_uid"] // 1000


def header(kind: str, **more: Any) -> dict[str, Any]:
    return {"at": AT, "b": "0" * 64, "id": WHO, "k": kind, "v": 1, **more}


def test_each_kind_of_event_fits_its_ocsf_class_with_and_without_what_it_says() -> None:
    for kind, facts in KINDS.items():
        fits(ocsf.event(header(kind), None, 7))
        fits(ocsf.event(header(kind, p=THING, run=THING, n=1), {"actor": WHO}, 7, portal="https://ops.example"))
        fits(ocsf.event(header(kind, run=THING, o="failed"), dict.fromkeys(facts, "x"), 7))


def test_an_event_that_lacks_what_its_class_asks_for_does_not_fit() -> None:
    good = ocsf.event(header("session.opened"), {"subject": WHO}, 7)
    for name in ("user", "time", "metadata", "severity_id", "class_uid"):
        with pytest.raises((jsonschema_rs.ValidationError, KeyError)):
            fits({key: value for key, value in good.items() if key != name})


def test_classes_say_what_happened() -> None:
    def class_of(kind: str, **body: Any) -> tuple[int, int, int]:
        said = ocsf.event(header(kind), body, 7)
        return said["class_uid"], said["activity_id"], said["status_id"]

    assert class_of("session.opened") == (3002, 1, 1)
    assert class_of("session.refused") == (3002, 1, 2)
    assert class_of("person.made") == (3001, 1, 1)
    assert class_of("person.closed") == (3001, 5, 1)
    assert class_of("control.confirmed", control="grant", object={"verbs": ["run"]}) == (3005, 1, 1)
    assert class_of("control.confirmed", control="grant_end", object={}) == (3005, 2, 1)
    assert class_of("control.confirmed", control="target", object={}) == (3004, 3, 1)
    assert class_of("lease.issued") == (3003, 1, 1)
    assert class_of("version.accepted") == (6002, 6, 1)
    assert class_of("run.requested") == (6003, 1, 1)
    assert class_of("access.denied") == (6003, 99, 2)


def test_no_class_or_row_is_named_for_a_kind_that_does_not_exist() -> None:
    families = {kind.partition(".")[0] for kind in KINDS}
    for table in (ocsf.TOLD, controls.ROW_OF):
        assert set(table) <= set(KINDS) | families
    assert {controls.ROW_OF.get(k) or controls.ROW_OF.get(k.partition(".")[0]) for k in KINDS} <= set(controls.MAP)


def test_free_text_and_names_are_in_no_event() -> None:
    told = {"reason": "CANARY", "comment": "CANARY", "message": "CANARY", "note": "CANARY", "title": "CANARY"}
    told |= {"claims": {"email": "CANARY"}, "client": "CANARY", "redirect": "CANARY", "verdict": "CANARY"}
    for kind in KINDS:
        assert "CANARY" not in json.dumps(ocsf.event(header(kind), {"actor": WHO, **told}, 7))


def document(log: Log, **wanted: str) -> tuple[dict[str, bytes], dict[str, Any]]:
    members = verify.unzip(log.pack(**wanted))
    return members, json.loads(members["oscal/assessment-results.json"])


def test_the_results_of_a_pack_fit_nists_schema_and_hold_observations_alone(log: Log) -> None:
    members, found = document(log)
    assert isinstance(parse_assessment_results(json.dumps(found)), AssessmentResultsDocument)
    [result] = found["assessment-results"]["results"]
    assert {"findings", "risks", "attestations"}.isdisjoint(result)
    lines = members["log/headers.jsonl"].splitlines()
    assert len(result["observations"]) == len(lines)
    for one in result["observations"]:
        said = {row["name"]: row["value"] for row in one["relevant-evidence"][0]["props"]}
        line = lines[int(said["leaf-index"])]
        assert said["leaf-sha256"] == sha256(b"\x00" + line).hexdigest()
        assert said["body-sha256"] == json.loads(line)["b"]


def test_whatever_the_results_point_to_is_there(log: Log) -> None:
    members, found = document(log)
    results = found["assessment-results"]
    resources = {one["uuid"]: one for one in results["back-matter"]["resources"]}
    for one in resources.values():
        for link in one.get("rlinks", []):
            [digest] = link["hashes"]
            assert digest["value"] == sha256(members[link["href"].removeprefix("../")]).hexdigest()
    [result] = results["results"]
    components = {one["uuid"] for one in result["local-definitions"]["components"]}
    assert results["import-ap"]["href"].removeprefix("#") in resources
    for one in result["observations"]:
        assert {subject["subject-uuid"] for subject in one["subjects"]} <= components
        assert one["relevant-evidence"][0]["href"].removeprefix("#") in resources


def test_results_that_break_the_schema_are_refused_by_the_same_check(log: Log) -> None:
    _, found = document(log)
    [result] = found["assessment-results"]["results"]
    del result["observations"][0]["methods"]
    with pytest.raises(OscalParseError):
        parse_assessment_results(json.dumps(found))


def test_results_of_nothing_fit_as_well() -> None:
    parse_assessment_results(b"".join(oscal.Results().parts({})))


def test_each_event_of_a_pack_fits_ocsf(log: Log) -> None:
    members = verify.unzip(log.pack())
    told = [json.loads(line) for line in members["ocsf/events.jsonl"].splitlines()]
    for one in told:
        fits(one)
    assert [one["metadata"]["sequence"] for one in told] == list(range(len(told)))


def test_the_map_names_each_control_that_the_design_names() -> None:
    assert {name: len(controls.controls(name)) for name in controls.FRAMEWORKS} == {
        "soc2": 11,
        "iso27001": 20,
        "nist800-53": 30,
        "pci-dss": 29,
    }
    assert list(controls.controls("nist800-53"))[:4] == ["AC-2", "AC-3", "AC-3(2)", "AC-5"]
    assert controls.identifier("nist800-53", "AC-6(1)") == "ac-6.1"
    assert controls.identifier("pci-dss", "10.2.1.4") == "pci-10.2.1.4"
