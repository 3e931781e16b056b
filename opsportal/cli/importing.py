"""`opsportal import`: other tools' files become procedure folders, with a report of what did not carry over."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from opsportal.cli.portal import FAILED
from procedures.definitions import registry
from procedures.definitions.archive import read_folder
from procedures.domain import limits
from procedures.domain.bundle import BundleRefused, check_paths
from procedures.domain.importing import Carried, Imported, ImportRefused
from procedures.importers.nearby import nearby

REPORT = "import-report.json"
LIMIT = limits.BODY_BYTES


@click.command("import")
@click.argument("kind", type=click.Choice(sorted(registry.OUR_IMPORTERS)))
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where folders are made.")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folders and scripts that a file names may lie anywhere below; without it, only beside the file.",
)
@click.option("--json", "as_json", is_flag=True)
def import_files(kind: str, files: tuple[Path, ...], into: Path, root: Path | None, as_json: bool) -> None:
    """Write procedure folders from other tools' files. Nothing is submitted, scheduled or armed.

    Ends 0 if every file could be judged, refused ones included; 1 if a file could not be read at all.
    """
    into.mkdir(parents=True, exist_ok=True)
    rows = [one_file(kind, place, into, root) for place in files]
    counts = Counter(row["outcome"] for row in rows)
    report = {"kind": kind, "counts": dict(sorted(counts.items())), "files": rows}
    (into / REPORT).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    click.echo(json.dumps(report, indent=2, ensure_ascii=False) if as_json else told(report, into))
    if counts["unreadable"]:
        raise SystemExit(FAILED)


def one_file(kind: str, place: Path, into: Path, root: Path | None = None) -> dict[str, Any]:
    """A row of the report; `outcome` is imported, marked, refused or unreadable."""
    row: dict[str, Any] = {"file": str(place), "outcome": "imported", "procedures": [], "keys": []}
    try:
        look = nearby(place.parent, root or place.parent)
        carried = registry.importer(kind, look)(place.name, content(place))
    except OSError as problem:
        return row | {"outcome": "unreadable", "message": f"{problem.strerror}: {place}"}
    except ImportRefused as problem:
        return row | {"outcome": "refused", "line": problem.line, "message": problem.message}
    return row | _written(carried, into, place.parent, root or place.parent)


def content(place: Path) -> bytes:
    """The bytes of a source file. Raises ImportRefused, OSError."""
    data = place.read_bytes() if place.stat().st_size <= LIMIT else b""
    if not data.strip():
        raise ImportRefused("The file is empty or larger than 8 MiB.")
    return data


def _written(carried: Carried, into: Path, home: Path, root: Path) -> dict[str, Any]:
    procedures = []
    for one in carried.procedures:
        folder = free_folder(into, one)
        folders = [_taken(one, name, home / source, root) | {"from": source} for name, source in one.beside.items()]
        for path, data in one.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        row = {"name": one.name, "folder": str(folder), "marked": one.marked}
        procedures.append(row | ({"folders": folders} if folders else {}))
    marked = any(row["marked"] for row in procedures)
    return {
        "outcome": "marked" if marked else "imported",
        "procedures": procedures,
        "keys": [asdict(key) for key in carried.keys],
    }


def _taken(one: Imported, name: str, source: Path, root: Path) -> dict[str, Any]:
    """Put a folder that a template names into the bundle: plain files below the root alone, within its limits."""
    row: dict[str, Any] = {"folder": name}
    place = source.resolve()
    if not source.is_dir():
        return row | {"problem": "It is not there."}
    if not place.is_relative_to(root.resolve()) or place != Path(os.path.abspath(source)):  # noqa: PTH100 - links stay
        return row | {"problem": "It lies outside, or behind a link; name the folder that holds all with --root."}
    try:
        found = {f"{name}/{path}": data for path, data in read_folder(place).items()}
        check_paths({**one.files, **found})
    except BundleRefused as problem:
        return row | {"problem": problem.message}
    one.files.update(found)
    return row | {"files": len(found)}


def free_folder(into: Path, one: Imported) -> Path:
    """A new folder named after the procedure; never one that exists."""
    number, folder = 1, into / one.name
    while folder.exists():
        number += 1
        folder = into / f"{one.name}-{number}"
    folder.mkdir()
    return folder


def told(report: dict[str, Any], into: Path) -> str:
    """The report in lines: each file's outcome, and what a person must look at."""
    lines = []
    for row in report["files"]:
        names = ", ".join(map(_placed, row["procedures"]))
        lines.append(f"{row['outcome']:10} {row['file']}" + (f" → {names}" if names else ""))
        if "message" in row:
            lines.append(f"           line {row.get('line', 1)}: {row['message']}")
        lines += [f"           step to replace: {step}" for p in row["procedures"] for step in p["marked"]]
        lines += [f"           {said}" for p in row["procedures"] for said in _folders(p)]
        lines += [f"           look at {key['at']}: {key['said']}" for key in row["keys"] if key["fate"] == "reported"]
    counts = ", ".join(f"{count} {name}" for name, count in report["counts"].items())
    return "\n".join([*lines, f"{counts}. The whole report: {into / REPORT}"])


def _placed(procedure: dict[str, Any]) -> str:
    """The procedure's name, and its folder where the name was taken by an earlier one."""
    name, folder = procedure["name"], procedure["folder"]
    return str(name) if Path(folder).name == name else f"{name} in {folder}, since a folder {name} was there already"


def _folders(procedure: dict[str, Any]) -> list[str]:
    """What became of the folders that a procedure copies."""
    return [
        f"{row['folder']}/ is missing in the bundle: {row['problem']}"
        if "problem" in row
        else f"{row['folder']}/ was taken into the bundle: {row['files']} files"
        for row in procedure.get("folders", [])
    ]
