"""Receipts of one's own requests and decisions: kept here, where no portal can take them back."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from opsportal.cli.portal import FAILED, client, url
from procedures.evidence import verify as verifier

UNSURE = 3


def folder() -> Path:
    """Where the receipts of this portal lie, for their owner alone."""
    home = os.environ.get("OPSPORTAL_DATA_DIR") or str(Path.home() / ".local" / "share" / "opsportal")
    place = Path(home) / "receipts" / re.sub(r"[^A-Za-z0-9.-]", "_", urlsplit(url()).netloc)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place


def _got(path: str) -> tuple[int, bytes]:
    """(status, bytes) of a file from the portal; status 0 if it does not answer."""
    import httpx

    try:
        with client() as http:
            answer = http.get(path)
    except httpx.HTTPError:
        return 0, b""
    return answer.status_code, answer.content


def keep(run: str) -> Path | None:
    """Keep the receipt of what was just asked for or decided. None, said aloud, if the portal hands out none."""
    status, data = _got(f"/api/v1/runs/{run}/receipt/")
    name = _name_of(data, run) if status == 200 else ""
    if not name:
        click.echo("The portal gave no receipt: whoever asked for this run or decided on it gets one.", err=True)
        click.echo(f"If that was you, ask again: opsportal evidence receipt {run}.", err=True)
        return None
    return _written(folder() / name, data)


def _name_of(data: bytes, run: str) -> str:
    """Under which name a receipt of this run is kept; empty if it is none."""
    try:
        _, header, value, _ = verifier.read_receipt("the receipt", data)
    except verifier.Failed:
        return ""
    word = re.sub(r"[^a-z_]", "", str(value.get("k")).partition(".")[2])
    return f"run-{run}-{word}-{verifier.sha256(header)[:12]}.receipt" if value.get("run") == run else ""


def _written(path: Path, data: bytes) -> Path:
    draft = path.with_name(path.name + ".part")
    draft.touch(mode=0o600)
    draft.write_bytes(data)
    draft.replace(path)
    return path


def held_to(path: Path, key: str | None, policy: verifier.Policy, require: str) -> Mapping[str, Any]:
    """What a receipt proves, asked of the portal that gave it: it must still hold the event, in the same place.

    A proof that comes is kept in the file. Raises verifier.Failed: code 1 where the log lost what was promised.
    """
    data = path.read_bytes()
    said, header, value, proof = verifier.read_receipt(path.name, data)
    before = verifier.verify_receipt(data, key, "INTACT", policy) if proof is not None else None
    status, answer = _got(f"/api/v1/runs/{value.get('run')}/receipt/?event={value.get('id')}")
    now = verifier.read_receipt("the portal's answer", answer) if status == 200 else None
    if now is not None and now[1] == header and now[3] is not None:
        found = verifier.verify_receipt(answer, key, require, policy)
        if before is None:
            _written(path, answer)
        elif _origin(said) == _origin(now[0]) and (found["index"], True) != (
            before["index"],
            found["size"] >= before["size"],
        ):
            raise verifier.Failed(path.name, "proves another place than the log tells now: it was written anew")
        return found
    if status in (200, 404) and (before is not None or _over(value)):
        raise verifier.Failed(path.name, f"was promised at {value['at']}, and the log lacks it: it was lost")
    why = "has no proof" if status in (200, 404) else f"answered {status}" if status else "does not answer"
    raise verifier.Failed(path.name, f"cannot be held against the log now: the portal {why}", UNSURE)


def _origin(said: Mapping[str, Any]) -> str:
    """Which log a receipt's proof is of."""
    return str(said["proof"]).partition("\n\n")[2].partition("\n")[0]


def _over(value: Mapping[str, Any]) -> bool:
    """Whether the time is over within which the log was to take it."""
    return datetime.now(UTC) - verifier.moment_of(value["at"]) >= verifier.MERGE_DELAY


@click.command()
@click.argument("run")
def receipt(run: str) -> None:
    """Keep the receipt of your own request for RUN, or of your decision on it."""
    from opsportal.cli.portal import run_id

    path = keep(run_id(run))
    if path is None:
        raise SystemExit(FAILED)
    click.echo(str(path))


@click.command("verify-receipt", context_settings={"ignore_unknown_options": True})
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--log-key", help="The log's key, as text or a file, from another hand than the portal's.")
@click.option("--witness-key", multiple=True, help="A witness's key that you trust; may repeat.")
@click.option("--require", default="SIGNED", type=click.Choice(["INTACT", "SIGNED", "WITNESSED"]))
def verify_receipt(file: Path, log_key: str | None, witness_key: tuple[str, ...], require: str) -> None:
    """Hold the portal to a receipt: that its log has, in its place, what was promised.

    Ends 1 if the log lost it or was written anew, 2 if the file is none, 3 if that cannot be told now.
    """
    try:
        told = Namespace(log_key=log_key, witness_key=list(witness_key), quorum=None, policy=None)
        key, policy = verifier.trust(told)
        found = held_to(file, key, policy, require)
    except verifier.Failed as problem:
        verdict = {1: "FAILED", 2: "MALFORMED", 3: "UNDETERMINED"}[problem.code]
        click.echo(f"{problem}\nverdict: {verdict}")
        if problem.code == 1:
            click.echo("Keep this file and take it to security or an auditor: a pack must hold it (--receipt).")
        raise SystemExit(problem.code) from None
    except (OSError, ValueError) as problem:
        raise click.UsageError(f"Cannot begin: {problem}.") from problem
    click.echo(verifier.told_entry(dict(found)))
