"""`opsportal up`: the embedded default in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import shutil
import signal
import threading
from pathlib import Path
from types import FrameType

import click

from opsportal.settings import env
from opsportal.supervisor.portal import Portal
from procedures.domain.errors import OpsError

MARKS = ("up.lock", "secret-key")


@click.command(name="up", help="Start the whole portal on this machine; Ctrl-C ends it.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where it keeps everything [OPSPORTAL_DATA_DIR].")
@click.option("--port", type=click.IntRange(1, 65_535), help="Port on the loopback address [OPSPORTAL_PORT].")
@click.option("--fresh", is_flag=True, help="Forget everything in the data folder first. Asks once.")
@click.option("--from", "source", type=click.Choice(["demo"]), help="Begin with the demo's people and procedures.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--verbose", is_flag=True, help="Show every process's output here instead of writing logs.")
def command(
    data_dir: Path | None, port: int | None, *, fresh: bool, source: str | None, yes: bool, verbose: bool
) -> None:
    """Run the portal in the foreground."""
    folder = (data_dir or env.path("OPSPORTAL_DATA_DIR")).absolute()
    if fresh:
        forget(folder, ask=not yes)
    if source == "demo":
        start_from_demo(folder)
    portal = Portal(folder, port=port or env.integer("OPSPORTAL_PORT", low=1, high=65_535), quiet=not verbose)
    try:
        serve(portal)
    except OpsError as problem:
        raise click.ClickException(f"{problem.message}\n{problem.next_step}") from None


def serve(portal: Portal) -> None:
    """Start a portal, say where it is, and stay until a signal; everything has ended when this returns."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    with portal:
        click.echo(portal.url)
        if portal.first_link:
            click.echo(f"First access manager, once and within 15 minutes: {portal.url}{portal.first_link}")
        click.echo(f"Data and logs: {portal.data_dir}. Ctrl-C ends the portal.")
        ended.wait()


def forget(folder: Path, *, ask: bool) -> None:
    """Remove a data folder. Refuses a folder that is not one of ours, and one that a portal uses."""
    if not folder.exists():
        return
    if any(folder.iterdir()) and not any((folder / mark).exists() for mark in MARKS):
        raise click.ClickException(f"{folder} does not look like a portal's data folder, so it stays as it is.")
    if ask:
        click.confirm(f"Remove everything in {folder}?", abort=True)
    from opsportal.supervisor.portal import release, take

    release(take(folder, "removing"))
    shutil.rmtree(folder)


def start_from_demo(folder: Path) -> None:
    """Fill an empty data folder with what the demo left in its own."""
    demo = folder.parent / "demo"
    if folder.exists() and any(folder.iterdir()):
        raise click.ClickException(f"{folder} is not empty. Add --fresh, or leave out --from demo.")
    if not demo.exists():
        raise click.ClickException(f"There is no {demo}. Run `python3 manage.py demo --exit` first.")
    shutil.copytree(demo, folder, ignore=shutil.ignore_patterns("up.lock", "logs", "broker"))


def main(argv: list[str]) -> int:
    """Answer `manage.py up`; gives the exit code."""
    command.main(argv, prog_name="manage.py up", standalone_mode=False)
    return 0
