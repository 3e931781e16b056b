"""Node filters and dispatch: which targets a procedure acts on, and in which order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from procedures.domain import filters
from procedures.domain.errors import OpsError
from procedures.importers.rundeck.source import Ledger, Path, mapping, text, truth
from procedures.importers.rundeck.variables import Known, parameter, wrapped

TERM = re.compile(r"(?P<not>!)?(?P<key>[A-Za-z][\w.-]*)\s*:\s*")
OPTION = re.compile(r"\$\{(?:unquoted)?option\.([^}]+)\}")
PLAIN = re.compile(r"[A-Za-z0-9_./:@%+-]+")
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,58}")
EVERY = {".*", "*", ""}
MANY = (
    "the filter was not carried over whole: {}; every target would match without it, so nothing matches until you say"
)
OLD = frozenset({"hostname", "name", "type", "tags", "os-name", "os-family", "os-arch", "os-version"})
NOTHING = "name=choose-targets"


def targets(job: Mapping[str, Any], known: Known, ledger: Ledger, strategy: str) -> dict[str, Any] | None:
    """The `targets` of a procedure, or None for a job that ran on Rundeck's own server."""
    given = mapping(job.get("nodefilters"))
    tests, problems = _all_tests(given, known)
    if not tests and not problems:
        if given:
            for path in (("nodefilters",), *(("nodefilters", key) for key in given)):
                ledger.ignored(path, "no filter, so it ran on Rundeck's own server; here the steps are local")
        return None
    wanted = " and ".join(tests) or NOTHING
    try:
        filters.parse(wanted)
    except OpsError as problem:
        wanted, problems = NOTHING, [*problems, problem.message]
    for key in given:
        if key != "dispatch":
            ledger.mapped(("nodefilters", key), f"targets.filter: {wanted}")
    for trouble in problems:
        ledger.reported(("nodefilters",), trouble)
    return {"filter": wanted, "strategy": _strategy(mapping(given.get("dispatch")), known, ledger, strategy)}


def _all_tests(given: Mapping[str, Any], known: Known) -> tuple[list[str], list[str]]:
    tests: list[str] = []
    problems: list[str] = []
    rows = [("filter", False), ("filterExclude", True)]
    for key, negated in rows:
        if text(given.get(key)).strip():
            found, trouble = tests_of(text(given[key]), known)
            tests += [_negated(found)] if negated and found else found
            problems += trouble
    for key, negated in (("include", False), ("exclude", True)):
        terms = " ".join(f"{k}: {_joined(v)}" for k, v in mapping(given.get(key)).items() if k in OLD and text(v))
        if terms:
            found, trouble = tests_of(terms, known)
            tests += [_negated(found)] if negated and found else found
            problems += trouble
    return tests, problems


def _joined(value: Any) -> str:
    return re.sub(r"\s*,\s*", ",", text(value)).replace(" ", "")


def _key(written: str) -> str:
    """`osFamily` and `os-family` are the same attribute; `nodename` is the name."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", written).lower()
    return "name" if name in {"nodename", "node-name"} else name


def _negated(tests: list[str]) -> str:
    return f"not ({' and '.join(tests)})"


def tests_of(written: str, known: Known) -> tuple[list[str], list[str]]:
    """Tests in our language for a filter of Rundeck's, and what could not be said in it."""
    written = written.strip()
    if written in EVERY:
        return (["*"], []) if written else ([], [])
    pieces: list[tuple[bool, str, str]] = []
    matches = list(TERM.finditer(written))
    opening = written[: matches[0].start()].strip() if matches else written
    if opening:
        pieces.append((opening.startswith("!"), "name", opening.lstrip("!")))
    for match, after in zip(matches, [*matches[1:], None], strict=False):
        end = after.start() if after else len(written)
        pieces.append((bool(match["not"]), _key(match["key"]), written[match.end() : end].strip()))
    tests: list[str] = []
    problems: list[str] = []
    for negated, key, value in pieces:
        found = _tags(value) if key == "tags" else _either(key, value, known)
        if found is None:
            problems.append(MANY.format(f"{key}: {value}"[:120]))
            continue
        tests.append(f"not ({found})" if negated else found)
    return (tests if not problems else []), problems


def _tags(value: str) -> str | None:
    """Rundeck's tags are words: `a+b` both, `a,b` either. Here the word `a` is the tag `tag.a: yes` of a target."""
    either = []
    for group in value.strip("\"'").split(","):
        words = [word.strip() for word in group.split("+") if word.strip()]
        if not words or any(not WORD.fullmatch(word) for word in words):
            return None
        both = " and ".join(f"tag.{word}=yes" for word in words)
        either.append(f"({both})" if len(words) > 1 else both)
    return either[0] if len(either) == 1 else f"({' or '.join(either)})"


def _either(key: str, value: str, known: Known) -> str | None:
    parts = [_one(key, part.strip(), known) for part in value.strip("\"'").split(",") if part.strip()]
    if not parts or None in parts:
        return None
    words = [str(part) for part in parts]
    return words[0] if len(words) == 1 else f"({' or '.join(words)})"


def _one(key: str, value: str, known: Known) -> str | None:
    value = value.strip("\"'")
    option = OPTION.fullmatch(value)
    if option:
        found = known.options.get(option[1])
        if found is None or found.secret or found.delimiter:
            return None
        return f"{key}={wrapped(parameter(found.name))}"
    if value in EVERY:
        return "*"
    if PLAIN.fullmatch(value) and not re.search(r"[+?]", value):
        return f"{key}={value}"
    pattern = value.strip("/").removeprefix("^").removesuffix("$").replace("\\.", ".").replace(".*", "*")
    if re.fullmatch(r"[A-Za-z0-9_./:@%*-]+", pattern):
        return f"{key}~{pattern}" if "*" in pattern else f"{key}={pattern}"
    return None


def _strategy(dispatch: Mapping[str, Any], known: Known, ledger: Ledger, strategy: str) -> dict[str, Any]:
    path: Path = ("nodefilters", "dispatch")
    threads = text(dispatch.get("threadcount")).strip()
    known.job["threadcount"] = threads if threads.isdigit() else "1"
    found: dict[str, Any]
    if strategy == "node-first":
        count = min(max(int(threads), 1), 5000) if threads.isdigit() and len(threads) < 6 else 1
        found = {"mode": "sequential"} if count == 1 else {"mode": "rolling", "batch": count}
        ledger.mapped((*path, "threadcount"), f"targets.strategy: {found}")
        if threads and not threads.isdigit():
            ledger.reported((*path, "threadcount"), f"{threads} is chosen at launch there; here it is one at a time")
    else:
        found = {"mode": "parallel"}
        ledger.ignored((*path, "threadcount"), "each step goes to all targets at once")
    if truth(dispatch.get("keepgoing")):
        found["maxFailures"] = "100%"
        ledger.reported((*path, "keepgoing"), "goes on past failed targets; such a run counts as succeeded here")
    elif "keepgoing" in dispatch:
        ledger.mapped((*path, "keepgoing"), "targets.strategy.maxFailures: none, the first failed target ends the run")
    _order(dispatch, ledger, path)
    return found


def _order(dispatch: Mapping[str, Any], ledger: Ledger, path: Path) -> None:
    order = text(dispatch.get("rankOrder")) or "ascending"
    if "rankOrder" in dispatch:
        if order == "ascending":
            ledger.mapped((*path, "rankOrder"), "targets come by name")
        else:
            ledger.reported((*path, "rankOrder"), f"the order {order!r} is not known here; targets come by name")
    rank = text(dispatch.get("rankAttribute"))
    if rank and rank != "nodename":
        ledger.reported((*path, "rankAttribute"), f"targets come by name, not by {rank}")
    for key, said in (
        ("rankAttribute", "targets come by name"),
        ("excludePrecedence", "both parts of a filter hold at once"),
        ("successOnEmptyNodeFilter", "a run that matches no target is refused"),
    ):
        if key in dispatch and (*path, key) not in ledger.said:
            ledger.ignored((*path, key), said)
