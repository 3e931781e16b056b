"""Evidence: export a pack, verify one anywhere, check the log of this portal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import click

from opsportal.cli import evidence_requests, purging, receipts, registers
from opsportal.cli.portal import FAILED, ask, download, run_id, show
from opsportal.cli.terminal import told_json

LIST = "/api/v1/evidence/populations/"
WHICH = (
    click.option("--from", "first", help="Runs asked for since this moment."),
    click.option("--to", "last", help="Runs asked for until this moment."),
    click.option("--procedure"),
    click.option("--environment"),
    click.option("--requester", help="Runs that this person asked for."),
    click.option("--outcome", help="Runs that ended so, such as failed."),
    click.option("--risk"),
)


def which_runs(command: Callable[..., None]) -> Callable[..., None]:
    """The options that name runs by what their headers say."""
    for option in reversed(WHICH):
        command = option(command)
    return command


@click.group()
def evidence() -> None:
    """Export, verify and check evidence."""


@evidence.command()
@which_runs
@click.option("--run")
@click.option("--digest", help="Runs of exactly these bytes.")
@click.option("--door", help="Runs asked for by this door, such as schedule.")
@click.option("--sample", help="The runs of a sample that was drawn.")
@click.option("-o", "output", required=True, type=click.Path(dir_okay=False, path_type=Path))
def export(first: str | None, last: str | None, output: Path, **wanted: str | None) -> None:
    """Write a pack that anybody can verify offline."""
    asked = {"from": first, "to": last, **wanted}
    size = download("POST", "/api/v1/evidence/exports/", {k: v for k, v in asked.items() if v}, output)
    said = f"{output}: {size:,} bytes. Verify it: opsportal evidence verify {output} --log-key KEY"
    names = _cosigners(output)
    click.echo(said + (f" --witness-key KEY\nCosigned by {', '.join(names)}." if names else ""))


@evidence.command()
@which_runs
def population(first: str | None, last: str | None, **wanted: str | None) -> None:
    """Fix which runs a sample will be drawn from; only then ask the auditor for a nonce."""
    asked = {"from": first, "to": last, **wanted}
    found = ask("POST", "/api/v1/evidence/populations/", {k: v for k, v in asked.items() if v})
    click.echo(f"population {found['population']}: {found['runs']} runs of the first {found['size']} events")


@evidence.command()
@which_runs
@click.option("--size", type=int, help="Over the first so many events, as a checkpoint was signed; the newest if none.")
@click.option("-o", "output", type=click.Path(dir_okay=False, path_type=Path), help="The whole list as CSV.")
def runs(first: str | None, last: str | None, output: Path | None, **wanted: str | int | None) -> None:
    """Count the runs that a filter names, from every header, and tell what to judge the list by."""
    asked = {"from": first, "to": last, **wanted}
    given = {name: str(value) for name, value in asked.items() if value}
    panel = ask("GET", LIST + "?" + urlencode(given))["panel"]
    if output is not None:
        download("GET", LIST + "?" + urlencode({**given, "size": panel["range"]["end"], "as": "csv"}), None, output)
    click.echo(
        "\n".join(f"{name}: {value if isinstance(value, str) else told_json(value)}" for name, value in panel.items())
    )


@evidence.command()
@click.argument("population")
@click.option("--nonce", required=True, help="What the auditor says after the population was fixed.")
@click.option("--count", required=True, type=int)
@click.option("--strata", type=click.Choice(["environment", "outcome", "risk"]), help="So many of each value of this.")
def sample(population: str, nonce: str, count: int, strata: str | None) -> None:
    """Draw runs from a fixed population. Every draw stands in the log, and in every pack."""
    asked = {"population": population, "nonce": nonce, "count": count, **({"strata": strata} if strata else {})}
    found = ask("POST", "/api/v1/evidence/samples/", asked)
    click.echo("\n".join([f"sample {found['sample']}", *found["runs"]]))


@evidence.command()
@click.argument("run")
@click.option("-o", "output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="A .html or .pdf.")
def dossier(run: str, output: Path) -> None:
    """Write all that is known of RUN as one document: the story first, the proofs at the end."""
    form = output.suffix.lstrip(".").lower()
    if form not in ("html", "pdf"):
        raise click.UsageError("The file's name ends in .html or .pdf: that says which one you want.")
    size = download("GET", f"/api/v1/runs/{run_id(run)}/dossier/?form={form}", None, output)
    click.echo(f"{output}: {size:,} bytes.")


def _cosigners(pack: Path) -> list[str]:
    """Whose lines stand under the pack's checkpoint beside the log's own two; whether they hold is for the verifier."""
    from procedures.evidence.notes import split_note
    from procedures.evidence.verify import Pack

    with pack.open("rb") as file:
        note = Pack(file).read("log/checkpoint.end").decode()
    _, (own, *others) = split_note(note)
    return [line.name for line in others if line.name != own.name]


@evidence.command()
@click.argument("event", required=False)
@click.option("--run", help="Instead of an event: the end of this run, which commits to all that happened in it.")
@click.option("-o", "output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="A .tlog-proof.")
def proof(event: str | None, run: str | None, output: Path) -> None:
    """Write the proof that the log holds one event: EVENT by its id, or --run. `evidence verify` takes it too."""
    if (event is None) == (run is None):
        raise click.UsageError("Give the id of an event, or --run.")
    path = f"/api/v1/runs/{run_id(run)}/proof/" if run else f"/api/v1/evidence/events/{event}/proof/"
    output.write_bytes(ask("GET", path))
    click.echo(f"{output}: verify it anywhere: opsportal evidence verify {output} --log-key KEY")


@evidence.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def verify(words: tuple[str, ...]) -> None:
    """Verify a pack or a proof: FILE --log-key KEY [--witness-key KEY] [--require LEVEL]. Needs no network."""
    from procedures.evidence import verify as verifier

    raise SystemExit(verifier.main(list(words)))


@evidence.command()
@click.option(
    "-o", "output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Such as verify.html."
)
def verifier(output: Path) -> None:
    """Write the verifier as one page, for an auditor without Python: it opens from the disk and needs no network."""
    from hashlib import sha256

    from procedures.evidence.offline import PAGE

    data = PAGE.read_bytes()
    output.write_bytes(data)
    click.echo(f"{output}: SHA-256 {sha256(data).hexdigest()}, to be compared by phone")


@evidence.command()
@click.option("--event", help="The event whose values go.")
@click.option("--path", "paths", multiple=True, help="JSON pointer of a value, such as /reason; may repeat.")
@click.option("--person", "subject", help="Instead of an event: everything personal about this closed account.")
@click.option("--basis", required=True, help="The legal basis. Stands in the log for ever.")
@click.option("--requested-by", required=True, help="A ticket's number rather than a name.")
@click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
def redact(
    event: str | None, paths: tuple[str, ...], subject: str | None, basis: str, requested_by: str, key: str | None
) -> None:
    """Propose that values are erased; a second access manager confirms it."""
    from opsportal.cli.access import propose_change, told

    thing: dict[str, object] = {"basis": basis, "requested_by": requested_by}
    thing |= {"subject": subject} if subject else {"event": event or "", "paths": list(paths)}
    click.echo("\n".join(told(propose_change("redaction", thing, key))))


@evidence.command()
@click.option("--run", help="All of this run.")
@click.option("--procedure", help="What was done with this procedure.")
@click.option("--person", "subject", help="What this person did or asked for, by subject.")
@click.option("--from", "first", help="What happened since this moment or day.")
@click.option("--until", "last", help="What happened until this moment or day.")
@click.option("--basis", required=True, help="Why it must be kept. Stands in the log for ever.")
@click.option("--requested-by", required=True, help="A case's number rather than a name.")
@click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
def hold(
    run: str | None, first: str | None, last: str | None, basis: str, requested_by: str, **more: str | None
) -> None:
    """Place a legal hold: nothing that fits all that it names is erased. One access manager is enough."""
    from opsportal.cli.access import propose_change, told

    key = more.pop("key")
    named = {"run": run_id(run) if run else None, **more}
    named |= {"from": _moment(first, "00:00:00.000000"), "until": _moment(last, "23:59:59.999999")}
    thing: dict[str, object] = {name: value for name, value in named.items() if value}
    if not thing:
        raise click.UsageError("Say what is held: --run, --procedure, --person, --from or --until.")
    found = propose_change("legal_hold", thing | {"basis": basis, "requested_by": requested_by}, key)
    click.echo("\n".join(told(found)))


@evidence.command()
@click.argument("hold")
@click.option("--reason", required=True, help="Why it need not be kept any more.")
@click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
def release(hold: str, reason: str, key: str | None) -> None:
    """Propose that a legal hold ends; a second access manager confirms it."""
    from opsportal.cli.access import propose_change, told

    click.echo("\n".join(told(propose_change("legal_hold_end", {"hold": hold, "reason": reason}, key))))


@evidence.command()
@click.option("--json", "as_json", is_flag=True)
def holds(as_json: bool) -> None:
    """The register of legal holds: those that live, and those that ended last."""
    found = ask("GET", "/api/v1/evidence/holds/")
    rows = [
        f"{row['id']}  {'ended ' + row['ended_at'][:10] if row['ended_at'] else 'live':<16} "
        f"{' '.join(f'{name}={value}' for name, value in row['names'].items())}  {row['basis']}"
        for row in found["results"]
    ]
    show(found, as_json=as_json, rows=rows or ["There is no legal hold."])


def _moment(text: str | None, rest: str) -> str | None:
    """A day with this time of it, or the moment itself as evidence writes it."""
    return f"{text}T{rest}Z" if text and len(text) == len("2026-11-24") else text


@evidence.command()
@click.option("--mldsa", is_flag=True, help="The second one, which signs with ML-DSA-44 what packs keep.")
def key(mldsa: bool) -> None:
    """The log's public key, to be compared by another way."""
    found = ask("GET", "/api/v1/evidence/log/")["mldsa_key" if mldsa else "log_key"]
    if not found:
        click.echo("This log has no ML-DSA-44 key: its sequencer's libraries cannot sign with one.", err=True)
        raise SystemExit(FAILED)
    click.echo(found)


@evidence.command("rotate-key")
@click.option("--reason", required=True, help="Why the key is changed; it stands in the evidence.")
def rotate_key(reason: str) -> None:
    """Change the log's key; run beside it, as the user of the sequencer, which goes on meanwhile.

    One event that both keys sign. From its place on the new key alone signs, and the old one is deleted.
    """
    import getpass
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")
    django.setup()
    from opsportal.keeping.rotating import rotate

    done = rotate(reason=reason, by=getpass.getuser())
    click.echo("The log is signed by the new key." if done.finished else "The sequencer turns to it when it runs next.")
    click.echo(f"Tell everybody who verifies evidence or witnesses this log: {done.verifier}")
    click.echo("That the old key handed over to it stands in `turns`, for `--turns` of witnesses and of verify.py.")


@evidence.command()
@click.option("--json", "as_json", is_flag=True)
@click.option("--keep", is_flag=True, help="Store what was found, and tell security; the scheduler does so every day.")
def check(as_json: bool, keep: bool) -> None:
    """Check log, tiles, bodies, seals, runners' sequences and live tables of this portal's own database.

    Ends 1 if something does not fit, 3 if something could not be checked. That a witness owes its cosignature is told,
    and is no misfit.
    """
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")
    django.setup()
    from opsportal.fsck import checked

    raise SystemExit(checked(as_json=as_json, keep=keep, say=click.echo))


evidence.add_command(registers.register)
evidence.add_command(evidence_requests.request)
evidence.add_command(evidence_requests.events)
evidence.add_command(evidence_requests.record_outage)
evidence.add_command(receipts.receipt)
evidence.add_command(receipts.verify_receipt)
evidence.add_command(purging.retention)
evidence.add_command(purging.purge)
