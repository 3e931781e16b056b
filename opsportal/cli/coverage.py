"""For CI: which operations of each component have a procedure that could be run, and a badge that says how many."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import click

from opsportal.cli.portal import FAILED, ask
from procedures.definitions.findings import Finding
from procedures.domain.definition import PHASES

STANDARD = ("deploy", "rollback", "restart", "scale", "rotate-secret", "diagnostics")
ANNOTATION = "opsportal.io/operations"
PASSED_OVER = frozenset({".git", "node_modules", ".venv", "vendor", "__pycache__"})
CATALOGUE = ("catalog-info.yaml", "catalog-info.yml")


@dataclass(slots=True)
class Written:
    """A procedure's folder; `lacks` says why it does not count."""

    name: str
    place: str
    covers: list[str]
    lacks: list[str]


@dataclass(slots=True)
class Component:
    """One component of the catalogue, or the repository itself if it has none."""

    name: str
    place: str
    wanted: list[str]
    procedures: list[Written] = field(default_factory=list)

    def missing(self) -> list[str]:
        covered = {operation for one in self.procedures if not one.lacks for operation in one.covers}
        return [operation for operation in self.wanted if operation not in covered]


@click.command("check-coverage")
@click.argument("path", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--component", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="One catalog-info.yaml."
)
@click.option("--min", "least", type=click.IntRange(0, 100), default=0, help="End 1 below this share, in per cent.")
@click.option("--badge", type=click.Path(dir_okay=False, path_type=Path), help="Write an SVG badge there.")
@click.option("--format", "form", type=click.Choice(["text", "json", "github"]), default="text")
def check_coverage(path: Path, component: Path | None, least: int, badge: Path | None, form: str) -> None:
    """Which operations of a repository's components have a procedure. With OPSPORTAL_URL set: an accepted one."""
    found = covered(path, component)
    share = share_of(found)
    click.echo(told(found, share, form))
    if badge is not None:
        badge.write_text(svg(share))
    if share < least:
        raise SystemExit(FAILED)


def covered(path: Path, component: Path | None) -> list[Component]:
    places = [component] if component else sorted(place for name in CATALOGUE for place in _below(path, name))
    found = [one for place in places for one in components(place, path)]
    found = found or [Component(path.resolve().name, ".", list(STANDARD))]
    for place in sorted(_below(path, "procedure.yaml")):
        owner = _owner(found, place.parent.relative_to(path).as_posix())
        if owner is not None:
            owner.procedures.append(written(place.parent, path, owner.wanted))
    return found


def _below(path: Path, name: str) -> Iterator[Path]:
    for place in path.rglob(name):
        if not PASSED_OVER & set(place.relative_to(path).parts) and place.is_file() and not place.is_symlink():
            yield place


def components(place: Path, root: Path) -> list[Component]:
    """The components of a catalogue file; `opsportal.io/operations: restart, deploy` says what one wants."""
    from procedures.definitions import unfold
    from procedures.domain.importing import ImportRefused

    try:
        rows = [document.value for document in unfold.load_all(place.read_bytes())]
    except ImportRefused as problem:
        raise click.UsageError(f"{place}: {problem.message}") from problem
    here = place.resolve().parent
    inside = here.relative_to(root.resolve()).as_posix() if here.is_relative_to(root.resolve()) else "."
    return [_component(row, inside) for row in rows if isinstance(row, Mapping) and row.get("kind") == "Component"]


def _component(row: Mapping[str, Any], place: str) -> Component:
    meta = row.get("metadata")
    meta = meta if isinstance(meta, Mapping) else {}
    notes = meta.get("annotations")
    asked = str(notes.get(ANNOTATION, "")) if isinstance(notes, Mapping) else ""
    wanted = [word.strip() for word in asked.split(",") if word.strip()]
    return Component(str(meta.get("name", "unnamed")), place, wanted or list(STANDARD))


def _owner(found: list[Component], place: str) -> Component | None:
    """The component in whose folder a procedure lies; the nearest one."""
    fitting = [one for one in found if one.place == "." or f"{place}/".startswith(f"{one.place}/")]
    return max(fitting, key=lambda one: 0 if one.place == "." else len(one.place), default=None)


def written(folder: Path, root: Path, wanted: list[str]) -> Written:
    """A procedure that covers what its tags name, or what its own name begins with."""
    from procedures.definitions import registry
    from procedures.definitions.archive import read_folder
    from procedures.definitions.load import load_folder

    loaded = load_folder(folder, registry.actions())
    definition, place = loaded.definition, folder.relative_to(root).as_posix()
    name = definition.name or folder.name
    covers = [word for word in wanted if word in definition.tags or f"{name}-".startswith(f"{word}-")]
    errors = [one for one in loaded.findings if one.severity == "error"]
    if errors:
        return Written(name, place, covers, [f"lint: {errors[0].code}"])
    files = read_folder(folder)
    lacks = [word for code, word in (("no-readme", "README.md"), ("no-tests", "tests")) if _said(loaded.findings, code)]
    lacks += _tests(files, {step.id for step in (s for phase in PHASES for s in definition.branch(phase))})
    if os.environ.get("OPSPORTAL_URL") and not accepted(name, files):
        lacks.append("acceptance of these very files")
    return Written(name, place, covers, lacks)


def _said(findings: list[Finding], code: str) -> bool:
    return any(one.code == code for one in findings)


def _tests(files: Mapping[str, bytes], steps: set[str]) -> list[str]:
    """Tests that cannot be read, or that expect a step that is not there; none of them is run."""
    from procedures.definitions import guard
    from procedures.trials.case import case

    found = []
    for path in sorted(files):
        if path.startswith("tests/") and path.endswith((".yaml", ".yml")):
            try:
                case(path, files[path])
                value = guard.load(files[path]).value
            except Exception as problem:  # noqa: BLE001 - whatever is wrong with a test, the test is what is named
                found.append(f"{path}: {problem}")
                continue
            order = (value.get("expect") or {}).get("order") or []
            found += [f"{path}: no step {step}" for step in order if isinstance(step, str) and step not in steps]
    return found


def accepted(name: str, files: Mapping[str, bytes]) -> bool:
    """Whether exactly these files stand accepted in the portal."""
    from procedures.domain.bundle import bundle_digest

    rows = ask("GET", "/api/v1/versions/", params={"procedure": name})["results"]
    row = next((row for row in rows if row["state"] == "accepted"), None)
    if row is None:
        return False
    there = ask("GET", f"/api/v1/versions/{row['id']}/files/")["files"]
    digest = bundle_digest({path: base64.b64decode(text) for path, text in there.items()})
    return bool(digest == bundle_digest(files))


def share_of(found: list[Component]) -> int:
    """Per cent of the wanted operations that are covered, rounded down."""
    wanted = sum(len(one.wanted) for one in found)
    return 100 * (wanted - sum(len(one.missing()) for one in found)) // wanted if wanted else 100


def told(found: list[Component], share: int, form: str) -> str:
    if form == "json":
        rows = [asdict(one) | {"missing": one.missing()} for one in found]
        return json.dumps({"share": share, "components": rows}, indent=2)
    if form == "github":
        return "\n".join(_commands(found)) or f"Every operation is covered: {share} %."
    lines = []
    for one in found:
        lines.append(f"{one.name}: {len(one.wanted) - len(one.missing())} of {len(one.wanted)}")
        lines += [f"  no   {operation}" for operation in one.missing()]
        lines += [f"  {'but' if p.lacks else 'yes'}  {p.place}: {_counts(p)}" for p in one.procedures]
    return "\n".join([*lines, f"{share} %"])


def _counts(one: Written) -> str:
    covers = ", ".join(one.covers) or "no operation that is asked for"
    return f"{covers}; lacks {'; '.join(one.lacks)}" if one.lacks else covers


def _commands(found: list[Component]) -> Iterator[str]:
    from procedures.definitions.reports import github

    for one in found:
        place = next((p.place for p in one.procedures), one.place)
        for operation in one.missing():
            said = f"{one.name} has no procedure for {operation} that counts."
            yield github(Finding(f"{place}/procedure.yaml", 1, 1, "coverage", "warning", said))


def svg(share: int) -> str:
    """A badge of 150 × 20, as code hosts show them."""
    colour = "#2e7d32" if share >= 80 else "#b26a00" if share >= 50 else "#c62828"
    label, value = escape("procedures"), escape(f"{share} %")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="124" height="20" role="img" aria-label="{label}: {value}">'
        f"<title>{label}: {value}</title>"
        f'<rect width="76" height="20" fill="#4a4f57"/><rect x="76" width="48" height="20" fill="{colour}"/>'
        '<g fill="#fff" font-family="sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="38" y="14">{label}</text><text x="100" y="14">{value}</text></g></svg>\n'
    )
