"""`opsportal evidence retention` and `purge`: how long runs are kept, and what two people let go."""

from __future__ import annotations

import click

from opsportal.cli.portal import ask, run_id, show
from procedures.domain.text import visible


@click.command()
@click.argument("run", required=False)
@click.option(
    "--floor", type=int, help="Propose that runs are kept for so many days at least; a second person confirms."
)
@click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
@click.option("--json", "as_json", is_flag=True)
def retention(run: str | None, floor: int | None, key: str | None, *, as_json: bool) -> None:
    """How long runs are kept, how many are past their date; with RUN until when this one is."""
    from opsportal.cli.access import propose_change, told

    if floor is not None:
        click.echo("\n".join(told(propose_change("retention", {"days": floor}, key))))
        return
    if run:
        one = ask("GET", f"/api/v1/runs/{run_id(run)}/")
        show(one["kept"], as_json=as_json, rows=[f"#{one['no']}  {_kept(one['kept'])}"])
        return
    found = ask("GET", "/api/v1/evidence/retention/")
    since = f", the oldest since {found['since'][:10]}" if found["since"] else ""
    rows = [
        f"Runs are kept for {found['floor_days']:,} days at least after their end.",
        f"{found['due']:,} are past their date{since}; nothing goes by itself.",
        f"{found['purged']:,} were purged, {found['agreed']:,} are agreed on and about to go.",
        f"The evidence of {found['cold']:,} lies in cold storage, whole.",
        *(f"{one['runs']:,} stay, whatever the change {one['change']} says: {one['why']}." for one in found["refused"]),
    ]
    show(found, as_json=as_json, rows=rows)


def _kept(kept: dict[str, object]) -> str:
    if kept["purged"]:
        return f"purged by the change {kept['purged']}"
    until = f"until {str(kept['until'])[:10]}" if kept["until"] else f"for {kept['days']:,} days after its end"
    return f"kept {until}" + (", as its author declared" if kept["declared"] == kept["days"] else "")


@click.command()
@click.option("--procedure", default="", help="Runs of this procedure alone.")
@click.option("--basis", required=True, help="Why it may go. Stands in the log for ever.")
@click.option("--requested-by", required=True, help="A ticket's number rather than a name.")
@click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
def purge(procedure: str, basis: str, requested_by: str, key: str | None) -> None:
    """Propose that runs past their date are erased; a second person confirms it, neither of whom stands behind one."""
    from opsportal.cli.access import propose_change, told

    found = ask("GET", "/api/v1/evidence/retention/", params={"due": "1", "procedure": procedure})["purge"]
    if not found["runs"]:
        why = "No run is past its date, all that are must be kept, or no two people are left to agree."
        raise click.ClickException(why)
    thing = {**found, "basis": basis, "requested_by": requested_by}
    click.echo(f"{len(found['runs']):,} runs of {visible(procedure) or 'every procedure'}:")
    click.echo("\n".join(told(propose_change("redaction", thing, key))))
