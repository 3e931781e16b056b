"""A second verifier, written from the description of the pack and on other libraries: it must agree with `verify.py`.

It reads whole packs into memory, and of control changes only those that enrol and end keys, make managers and
operators, erase, and record outages; what the other reports say beside the population is for `verify.py` alone.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import re
from collections.abc import Collection
from typing import Any

from tests.second import log
from tests.second.container import Refused, listed, members_of, need, rows_of, value_of
from tests.second.outages import Outages
from tests.second.rules import Rules
from tests.second.turns import Chain, Turn, read, signer_of, turn_of

ENDINGS = re.compile(r"run\.(finished|canceled|denied|rejected|expired|interrupted)")
BUNDLE = 1024
LOGGED = {"manifest.json", "export.tlog-proof", "log/headers.jsonl", "log/checkpoint.end"}
READ_BY_OTHERS = {"README.txt", "ocsf/events.jsonl", "oscal/assessment-results.json", "verify.py"}
READ_BY_OTHERS |= {"reports/report.html", "reports/report.pdf"}
Facts = dict[str, Any]


def verdict(data: bytes, log_key: str, witnesses: Collection[str], turns: str = "") -> str:
    """WITNESSED by all of these witnesses, `undetermined` if they did not all sign, or `refused`."""
    return str(found(data, log_key, witnesses, turns)["verdict"])


def found(data: bytes, log_key: str, witnesses: Collection[str], turns: str = "") -> Facts:
    """The verdict; and of a pack that holds, changes of the log's key, outages, and which of both nobody signed as due.

    `turns` is the text of a file of changes that the reader has.
    """
    try:
        return judged(data, log_key, list(witnesses), read(turns) if turns else [])
    except Refused as problem:
        return {"verdict": "undetermined" if problem.undetermined else "refused"}
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, StopIteration, RecursionError):
        return {"verdict": "refused"}


def judged(data: bytes, log_key: str, witnesses: list[str], given: list[Turn]) -> Facts:
    members = members_of(data)
    manifest = listed(members)
    for name in members:
        fit = re.fullmatch(
            r"(bodies|disclosures)/\d{8}\.jsonl|attest/run-[\da-f-]{36}\.dsse\.json|reports/[a-z_]+\.csv", name
        )
        need(
            fit or name in READ_BY_OTHERS or name in LOGGED,
            "a stranger",
        )
    lines = rows_of(members["log/headers.jsonl"])
    headers = [value_of(line) for line in lines]
    need(len(lines) == manifest["range"]["end"], "not every header")
    by_run = ordered(headers)
    scope = asked_for(manifest, headers, by_run)
    gone = set(manifest["withheld"])
    bodies = all_bodies(members, headers, scope, gone)
    told = disclosures(members, headers, bodies)
    seals(headers, lines, bodies, by_run)
    rules = Rules()
    samples(headers, lines, bodies, manifest)
    latest = list(itertools.accumulate((header["at"] for header in reversed(headers)), min))[::-1]
    outages = Outages(rules)
    for index, (header, rules.at) in enumerate(zip(headers, latest, strict=True)):
        if header["id"] in bodies:
            outages.told(index, header, bodies[header["id"]])
            rules.told(header, bodies[header["id"]])
    holes(bodies, told, rules)
    purged([h for h in headers if h["id"] in gone], by_run, bodies, rules)
    attested(members, headers, bodies)
    population(members, headers, scope)
    counts = {
        "events": len(lines),
        "runs": len(scope),
        "bodies": len(bodies),
        "disclosures": sum(map(len, told.values())),
    }
    need(manifest["counts"] == counts, "other counts")
    named = manifest.get("witnesses", [])
    need(named == sorted(set(named)) and all(log.key_of(one)[2] == 4 for one in named), "no witnesses")
    known = sorted({*witnesses, *named})
    long = [manifest["mldsa"]] if "mldsa" in manifest else []
    need(all(log.key_of(one)[2] == 6 for one in long), "no ML-DSA-44 key")
    known += long
    rows, strange = turned(headers, bodies, members["log/checkpoint.end"])
    chain = Chain(log_key).joined([*given, *rows])
    size, top, first = log.opened(members["log/checkpoint.end"], chain.at, known)
    need(size == len(lines) and top == log.root([log.leaf(line) for line in lines]), "another root")
    digest = hashlib.sha256(members["manifest.json"]).hexdigest()
    second = log.logged(members["export.tlog-proof"], manifest, digest, chain.at, known)
    if not set(witnesses) <= first & second:
        raise Refused("fewer witnesses", undetermined=True)
    return {
        "verdict": "WITNESSED",
        "turned": [{"index": row.size, "former": row.former, "key": row.coming} for row in rows],
        "outages": outages.found,
        "asserted": sorted([*outages.asserted, *((index, "log key") for index in strange)]),
    }


def turned(headers: list[Facts], bodies: dict[str, Facts], end: bytes) -> tuple[list[Turn], list[int]]:
    """The changes that lead to the key that signed the end of the log, and the leaves of all that claim to be one."""
    told: dict[int, Turn | None] = {}
    for index, header in enumerate(headers):
        if header["k"] == "log.key_turned":
            try:
                turn = turn_of(bodies[header["id"]]["note"])
                told[index] = turn if turn.size == index else None
            except (Refused, KeyError, TypeError):
                told[index] = None
    sound = [turn for turn in told.values() if turn is not None]
    signer = signer_of(end, [key for turn in sound for key in (turn.former, turn.coming)])
    rows = Chain(signer).joined(sound).rows
    return rows, [index for index, turn in told.items() if turn not in rows]


def ordered(headers: list[Facts]) -> dict[str, list[Facts]]:
    """Headers by run: each from its request, numbered from one, with nothing after its end; requests without a gap."""
    runs: dict[str, list[Facts]] = {}
    for header in headers:
        if "run" in header:
            runs.setdefault(header["run"], []).append(header)
    for rows in runs.values():
        need([row["n"] for row in rows] == list(range(1, len(rows) + 1)), "a gap in a run")
        need(
            [row["k"] == "run.requested" for row in rows] == [True] + [False] * (len(rows) - 1), "a run without request"
        )
        need(not any(ENDINGS.fullmatch(row["k"]) for row in rows[:-1]), "something after the end")
    numbers = sorted(rows[0]["no"] for rows in runs.values())
    need(numbers == list(range(1, len(numbers) + 1)) and all(type(n) is int for n in numbers), "a gap in run numbers")
    return runs


def asked_for(manifest: Facts, headers: list[Facts], by_run: dict[str, list[Facts]]) -> set[str]:
    """The runs that the manifest's filter names."""
    wanted, scope = manifest["filter"], set()
    need(
        set(wanted) <= {"environment", "procedure", "requester", "from", "to", "outcome", "risk", "run", "sample"}, "?"
    )
    words = ["opsportal", "evidence", "export", *(w for n in sorted(wanted) for w in (f"--{n}", wanted[n]))]
    need(manifest["query"] == " ".join(words), "another query")
    for name, rows in by_run.items():
        first, last = rows[0], rows[-1]
        said = {"environment": first["e"], "procedure": first["p"], "requester": first["q"], "run": name}
        said |= {"outcome": last.get("o"), "risk": last.get("risk")}
        fits = all(said[one] == wanted[one] for one in said.keys() & wanted.keys())
        fits = fits and wanted.get("from", "") <= first["at"] <= wanted.get("to", "~")
        if fits and ("sample" not in wanted or name in manifest["sample"]):
            scope.add(name)
    need(manifest["sample"] == [] or "sample" in wanted, "a sample that nobody asked for")
    return scope


def all_bodies(members: dict[str, bytes], headers: list[Facts], scope: set[str], gone: set[str]) -> dict[str, Facts]:
    """Every body that the filter asks for, each where its leaf has it."""
    found, expected = {}, set()
    for start in range(0, len(headers), BUNDLE):
        mine = [h for h in headers[start : start + BUNDLE] if h.get("run") is None or h["run"] in scope]
        mine = [h for h in mine if h["id"] not in gone]
        name = f"bodies/{start // BUNDLE:08d}.jsonl"
        rows = rows_of(members.get(name, b""))
        need(
            [hashlib.sha256(row).hexdigest() for row in rows] == [h["b"] for h in mine], "a body is missing or another"
        )
        expected |= {name} if mine else set()
        found |= {header["id"]: value_of(row) for header, row in zip(mine, rows, strict=True)}
    need({name for name in members if name.startswith("bodies/")} == expected, "bodies of nothing")
    return found


def disclosures(members: dict[str, bytes], headers: list[Facts], bodies: dict[str, Facts]) -> dict[str, list[Any]]:
    """Event → what it keeps apart and the pack tells, in the order of the commitments."""
    told: dict[str, list[Any]] = {}
    expected = set()
    for start in range(0, len(headers), BUNDLE):
        name = f"disclosures/{start // BUNDLE:08d}.jsonl"
        rows = rows_of(members[name]) if name in members else []
        expected |= {name} if rows else set()
        digests = [hashlib.sha256(row).hexdigest() for row in rows]
        events = [header["id"] for header in headers[start : start + BUNDLE] if header["id"] in bodies]
        places = {digest: (n, i) for n, one in enumerate(events) for i, digest in enumerate(bodies[one].get("sd", []))}
        order = [places.get(digest) for digest in digests]
        need(None not in order and order == sorted(set(order)), "a value that nobody committed to, or out of its place")
        for row, place in zip(rows, order, strict=True):
            assert place is not None
            value = value_of(row)
            need(isinstance(value, list) and len(value) == 3, "no disclosure")
            told.setdefault(events[place[0]], []).append(value)
    need({name for name in members if name.startswith("disclosures/")} == expected, "disclosures of nothing")
    return told


def seals(headers: list[Facts], lines: list[bytes], bodies: dict[str, Facts], by_run: dict[str, list[Facts]]) -> None:
    line_of = {header["id"]: line for header, line in zip(headers, lines, strict=True)}
    need(len(line_of) == len(lines), "an id twice")
    for rows in by_run.values():
        last = rows[-1]
        if ENDINGS.fullmatch(last["k"]) and last["id"] in bodies:
            top = log.root([log.leaf(line_of[row["id"]]) for row in rows[:-1]])
            need(bodies[last["id"]]["seal"] == {"n": len(rows), "root": top.hex()}, "the seal does not fit")


def holes(bodies: dict[str, Facts], told: dict[str, list[Any]], rules: Rules) -> None:
    for event, body in bodies.items():
        shown = {row[1] for row in told.get(event, [])}
        lacking = len(set(body.get("sd", []))) - len(told.get(event, []))
        of_purged = body.get("run") in rules.purged and "comment" in body
        need(of_purged or lacking <= len(rules.forgotten[event] - shown), "a value is withheld")


def purged(gone: list[Facts], by_run: dict[str, list[Facts]], bodies: dict[str, Facts], rules: Rules) -> None:
    """What is withheld is all of some runs, and of those that may be."""
    need(all("run" in header for header in gone), "withheld, and of no run")
    away = {header["id"] for header in gone}
    for run in {header["run"] for header in gone}:
        rows = by_run[run]
        need({h["id"] for h in rows} <= away, "a part of a run")
        need(ENDINGS.fullmatch(rows[-1]["k"]), "a run that had not ended")
        rules.missing(rows[0], rows[-1])


def attested(members: dict[str, bytes], headers: list[Facts], bodies: dict[str, Facts]) -> None:
    """Each envelope beside the log is the one in the seal of its run."""
    ends = {h["run"]: bodies[h["id"]] for h in headers if ENDINGS.fullmatch(h["k"]) and h["id"] in bodies}
    for name, data in members.items():
        if name.startswith("attest/"):
            run = name.removeprefix("attest/run-").removesuffix(".dsse.json")
            need(run in ends and value_of(data) == ends[run].get("dsse"), "an envelope of nothing")


def population(members: dict[str, bytes], headers: list[Facts], scope: set[str]) -> None:
    titles = ["no", "run", "procedure", "environment", "requester", "requested_at", "outcome", "risk", "ended_at"]
    rows: dict[str, list[Any]] = {}
    for h in headers:
        if h.get("run") in scope and h["k"] == "run.requested":
            rows[h["run"]] = [h["no"], h["run"], h["p"], h["e"], h["q"], h["at"], "", "", ""]
        elif h.get("run") in scope and ENDINGS.fullmatch(h["k"]):
            rows[h["run"]][6:] = [h["o"], h["risk"], h["at"]]
    out = io.StringIO()
    csv.writer(out).writerows([titles, *sorted(rows.values(), key=lambda row: row[0])])
    need(members["reports/population.csv"] == out.getvalue().encode(), "another population")


def stratum(rows: list[Facts], by: str | None) -> str:
    """Of which stratum a run is: by its request, or by its end, if it has one."""
    if by is None:
        return ""
    said = {"environment": rows[0]["e"], "outcome": rows[-1].get("o", ""), "risk": rows[-1].get("risk", "")}
    return str(said[by])


def samples(headers: list[Facts], lines: list[bytes], bodies: dict[str, Facts], manifest: Facts) -> None:
    """Each draw, by SHA-256 over the seed and the run, from the population that was fixed before."""
    fixed: dict[str, Facts] = {}
    drawn: dict[str, list[str]] = {}
    for index, header in enumerate(headers):
        body = bodies.get(header["id"], {})
        if header["k"] == "population.fixed":
            need(body["population"] not in fixed and 0 < body["size"] <= index, "a population of the future")
            top = log.root([log.leaf(line) for line in lines[: body["size"]]])
            need(top.hex() == body["root"], "a population of another log")
            fixed[body["population"]] = body
        if header["k"] == "sample.drawn":
            known = fixed[body["population"]]
            need(re.fullmatch("[0-9A-Za-z_-]{8,128}", body["nonce"]), "no nonce")
            seen = headers[: known["size"]]
            by_run = ordered(seen)
            about = manifest | {"filter": known["filter"], "sample": [], "query": None}
            about["query"] = " ".join(
                [
                    "opsportal",
                    "evidence",
                    "export",
                    *(w for n in sorted(known["filter"]) for w in (f"--{n}", known["filter"][n])),
                ]
            )
            runs = asked_for(about, seen, by_run)
            text = json.dumps(known["filter"], sort_keys=True, separators=(",", ":")).encode()
            seed = log.sha(b"sample/v1" + bytes.fromhex(known["root"]) + body["nonce"].encode() + text)
            ranked = sorted(runs, key=lambda run: log.sha(seed + run.encode()))
            strata = {run: stratum(by_run[run], body.get("strata")) for run in runs}
            mine = [[run for run in ranked if strata[run] == one] for one in sorted(set(strata.values()))]
            picked = [run for rows in mine for run in rows[: body["count"]]]
            need(len(runs) == known["runs"] and body["runs"] == picked, "another draw")
            drawn[body["sample"]] = body["runs"]
    if "sample" in manifest["filter"]:
        need(drawn.get(manifest["filter"]["sample"]) == manifest["sample"], "another sample")
