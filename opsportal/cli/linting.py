"""For authors and CI: check procedures' folders, without a portal."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsportal.cli.portal import FAILED

if TYPE_CHECKING:
    from procedures.definitions.findings import Finding

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("paths", metavar="PATH…", nargs=-1, type=FOLDER)
@click.option("--format", "form", type=click.Choice(["text", "json", "sarif", "github"]), default="text")
@click.option("--codes", is_flag=True, help="Print every code as JSON, and check nothing.")
@click.option("--strict", is_flag=True, help="End 1 for warnings too.")
def lint(paths: tuple[Path, ...], form: str, codes: bool, strict: bool) -> None:
    """Check procedures' folders, without a portal. Ends 1 if there are errors."""
    from procedures.definitions import reports

    if codes:
        click.echo(json.dumps(reports.codes(), indent=2))
        return
    if not paths:
        raise click.UsageError("Name a procedure's folder.")
    findings = [finding for path in paths for finding in found_in(path, several=len(paths) > 1)]
    click.echo(reports.written(findings, form, colours=coloured()), color=True if coloured() else None)
    if any(f.severity == "error" or strict for f in findings):
        raise SystemExit(FAILED)


def coloured() -> bool:
    """In a terminal, unless NO_COLOR is set to something (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def found_in(path: Path, *, several: bool) -> list[Finding]:
    """The findings of one folder; with several folders each file is named with its own."""
    from procedures.definitions import registry
    from procedures.definitions.codes import TOOLS
    from procedures.definitions.load import load_folder

    findings = load_folder(path, registry.actions(), tools=TOOLS).findings
    return [replace(f, file=f"{path.name}/{f.file}") for f in findings] if several else findings


@click.command()
def schema() -> None:
    """Print the format's JSON Schema, which editors complete and check with; no portal is needed."""
    from procedures.definitions import registry
    from procedures.definitions.published import published

    click.echo(json.dumps(published(registry.actions()), indent=2))
