"""Commands for whoever operates the portal."""

from __future__ import annotations

import json
import os
import shutil
import sys

import click

from opsportal.supervisor.up import command as up

NO_BROKER = "redis://no.broker.invalid/0"


def hand_over(module: str, *words: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")
    os.execv(sys.executable, [sys.executable, "-m", module, *words])


@click.command()
@click.option("--environment", required=True, help="The environment whose keys lie here.")
def issuer(environment: str) -> None:
    """Lends the credentials of one environment to its runner, over a socket; holds its pool key and its authority.

    It sends no message, so it needs no broker and no broker's password.
    """
    _without_broker()
    hand_over("procedures.issuer.main", "--environment", environment)


@click.command()
def egress() -> None:
    """The web process's one way out: asks identity providers and issuers that signed changes name, and nobody else.

    It sends no message, so it needs no broker and no broker's password.
    """
    _without_broker()
    hand_over("procedures.egress.main")


def _without_broker() -> None:
    if os.environ.get("OPSPORTAL_PROFILE") == "production" and "OPSPORTAL_BROKER_URL_FILE" not in os.environ:
        os.environ.setdefault("OPSPORTAL_BROKER_URL", NO_BROKER)


@click.command()
def scheduler() -> None:
    """Scheduler and sweeper; with the embedded default also the sequencer."""
    hand_over("procedures.runner.keeper")


@click.command()
def sequencer() -> None:
    """The one process that reads the log's key."""
    hand_over("procedures.evidence.sequencer_main")


@click.command()
@click.option("--json", "as_json", is_flag=True)
def config(as_json: bool) -> None:
    """Every setting, its source and its value; secrets are masked."""
    from opsportal.settings import env

    rows = env.describe()
    if as_json:
        click.echo(json.dumps(rows, indent=2, default=str))
        return
    for row in rows:
        click.echo("  ".join(str(value) for value in (row.values() if isinstance(row, dict) else row)))


@click.command()
@click.option("--json", "as_json", is_flag=True)
def doctor(as_json: bool) -> None:
    """Check every part, and say how to mend it. Ends 1 if something is missing."""
    from procedures.sandbox import probe

    checks: dict[str, tuple[object, str]] = {
        "ssh-keygen (signing)": (shutil.which("ssh-keygen"), "apt-get install openssh-client"),
        "setpriv (sandbox users)": (shutil.which("setpriv"), "apt-get install util-linux"),
    }
    looked = probe.found()
    checks[f"the sandbox of local steps: tier {looked.tier}"] = (looked.tier != "D", looked.why)
    checks["cells (tests at submission, drafts)"] = (_cells(), "allow user namespaces, or run the pool as root")
    answers, clocks, issuers, witnessed, full, way_out = _answers()
    checks["the portal answers"] = (answers, "start it with `opsportal up`, or set OPSPORTAL_URL")
    checks["the clocks agree"] = (not clocks, f"{'; '.join(clocks)}: set that machine's clock")
    checks["the issuers answer"] = (not issuers, f"{'; '.join(issuers)}: start `opsportal issuer` on that host")
    checks["the way out answers"] = (not way_out, f"{way_out}: start `opsportal egress`; OPSPORTAL_EGRESS says where")
    checks["there is room for evidence"] = (
        not full,
        f"{'; '.join(full)}: give it more room, at 90 % refusals give way",
    )
    checks |= _issuers_here()
    if witnessed is not None:
        checks["every witness cosigns"] = (witnessed, "`opsportal evidence check` says who does not, and since when")
    found = [(name, "ok" if fine else "MISS", "" if fine else mend) for name, (fine, mend) in checks.items()]
    found.append(("notices by mail", *_mail()))
    if (login := _login()) is not None:
        found.append(("a login of its own in the database", *login))
    if as_json:
        rows = [dict(zip(("name", "state", "mend"), one, strict=True)) for one in found]
        click.echo(json.dumps({"results": rows}, indent=2))
    else:
        for name, state, mend in found:
            click.echo(f"{state:<4}  {name}" + (f": {mend}" if mend else ""))
    raise SystemExit(1 if any(state == "MISS" for _, state, _ in found) else 0)


def _mail() -> tuple[str, str]:
    """Whether notices go out by mail. Without a mail server nothing is missing, but people must look for themselves."""
    import smtplib

    from opsportal.settings import mail

    server = mail.mail_server("OPSPORTAL_SMTP_URL")
    if server is None:
        return "off", "set OPSPORTAL_SMTP_URL, or people learn of nothing unless they look"
    kind = smtplib.SMTP_SSL if server["use_ssl"] else smtplib.SMTP
    try:
        with kind(str(server["host"]), int(str(server["port"])), timeout=5) as link:
            link.noop()
    except (OSError, smtplib.SMTPException) as problem:
        return "MISS", f"the server does not answer ({type(problem).__name__})"
    return "ok", ""


def _login() -> tuple[str, str] | None:
    from opsportal.roles import sharing

    return sharing.told()


def _cells() -> bool:
    from procedures.sandbox.cells import Cells
    from procedures.trials.pool import tier_of

    with Cells([]) as cells:
        return tier_of(cells) != "D"


def _issuers_here() -> dict[str, tuple[object, str]]:
    """Of a runner's host: whether the issuer apart from it can be asked from here."""
    from opsportal.settings import env
    from procedures.issuer.greeting import answers, sockets

    where = env.text("OPSPORTAL_ISSUER_SOCKET")
    mend = "start `opsportal issuer`, and run this as a user that OPSPORTAL_ISSUER_PEERS names"
    return {f"the issuer at {path} answers": (answers(path), mend) for path in sockets(where)}


def _answers() -> tuple[bool, list[str], list[str], bool | None, list[str], str]:
    """Whether the portal is ready, which runners' clocks are off, which do not reach their issuer; whether the
    portal's witnesses keep up, None if it has none; what fills up; and what is wrong with the way out.
    """
    import httpx

    from opsportal.cli.portal import url

    try:
        answer = httpx.get(url() + "/readyz", timeout=5)
        said = answer.json()
        told = ([str(one) for one in said.get(name, [])] for name in ("clocks", "issuers", "storage"))
        clocks, issuers, full = told
        missing = {name for name, fine in said.get("checks", {}).items() if not fine}
    except (httpx.HTTPError, ValueError, AttributeError):
        return False, [], [], None, [], ""
    ready = answer.status_code == 200 or missing == {"clocks"}
    return ready, clocks, issuers, said.get("witnessed"), full, str(said.get("egress", ""))


__all__ = ["config", "doctor", "egress", "issuer", "scheduler", "sequencer", "up"]
