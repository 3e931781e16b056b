"""One command of a sequence: which kind it is, what it was called, its program, and its log filters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.importers.rundeck.captures import Capture, capture
from procedures.importers.rundeck.scripts import Program
from procedures.importers.rundeck.source import Ledger, Path, mapping, text, truth

KINDS = ("exec", "script", "scriptfile", "scripturl", "jobref")
SHOWN = frozenset(
    {"highlight-output", "quiet-output", "render-datatype", "mask-passwords", "progress-badge", "highlight"}
)


def filters_of(given: Mapping[str, Any], path: Path) -> list[tuple[dict[str, Any], Path]]:
    """Log filters, as a list or as a mapping by their type."""
    rows = given.get("LogFilter")
    if isinstance(rows, Mapping) and "type" not in rows:
        return [({"type": key, "config": value}, (*path, "LogFilter", key)) for key, value in rows.items()]
    listed = rows if isinstance(rows, list) else [rows] if rows else []
    return [(mapping(row), (*path, "LogFilter", number)) for number, row in enumerate(listed)]


def filter_told(row: Mapping[str, Any], path: Path, ledger: Ledger, *, taken: bool = True) -> Capture | None:
    """The capture of one log filter, and a word about it in the report. `taken`: its step is a script that can."""
    kind = text(row.get("type"))
    found = capture(mapping(row.get("config"))) if kind == "key-value-data" and taken else None
    if found:
        ledger.mapped(path, "the step hands these values back as its output")
    elif kind in SHOWN:
        ledger.ignored(path, "how output is shown; here it is shown as it comes, with secrets masked")
    else:
        ledger.reported(
            (*path, "type"), f"what {kind[:80]} took out of the output is not taken; steps that read it are marked"
        )
        ledger.ignored(path, f"settings of the log filter {kind[:80]}")
    return found


def tell_marked(ledger: Ledger, path: Path, command: Mapping[str, Any], step_id: str, why: str) -> None:
    """Report a marked step at the key that says what it was; its other keys are kept in it."""
    ledger.reported((*path, main_key(command)), f"the marked step {step_id}: {why}")
    for key in command:
        if key not in {main_key(command), "description", "errorhandler"}:
            ledger.ignored((*path, key), f"kept in the marked step {step_id}")


def main_key(command: Mapping[str, Any]) -> str:
    return next((kind for kind in KINDS if kind in command), "type" if command.get("type") else "description")


def was_called(command: Mapping[str, Any]) -> str:
    main = main_key(command)
    if main == "type":
        return f"plugin {text(command['type'])[:150]}"
    if main == "jobref":
        asked = mapping(command["jobref"])
        return f"jobref {text(asked.get('group'))}/{text(asked.get('name')) or text(asked.get('uuid'))}".replace(
            " /", " "
        )[:200]
    first = text(command.get(main)).strip().split("\n")[0][:120]
    return f"{main} {first}".strip() if main in {"exec", "scriptfile", "scripturl"} else main


def program_of(command: Mapping[str, Any]) -> Program:
    if "exec" in command:
        return Program(text(command["exec"]), is_command=True)
    return Program(
        text(command["script"]),
        interpreter=text(command.get("scriptInterpreter")),
        args=text(command.get("args")),
        args_quoted=truth(command.get("interpreterArgsQuoted")),
    )
