"""`opsportal cluster onboard|check`: what the issuer's identity may in a namespace of Kubernetes, and no more."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from opsportal.cli.portal import FAILED, show
from procedures.credentials import kubernetes_setup

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group()
def cluster() -> None:
    """Kubernetes namespaces in which runs get a token of their own."""


@cluster.command()
@click.option("--namespace", required=True, help="Where the service accounts of runs are.")
@click.option("--account", "accounts", multiple=True, required=True, help="A service account that runs may get.")
@click.option("--issuer", default=kubernetes_setup.ISSUER, show_default=True, help="The issuer's own identity.")
def onboard(namespace: str, accounts: tuple[str, ...], issuer: str) -> None:
    r"""Print the issuer's identity and its Role, for who administers the namespace; safe to apply again.

    \b
    opsportal cluster onboard --namespace runs --account deployer | kubectl apply -f -
    """
    _names(namespace, *accounts, issuer)
    click.echo(kubernetes_setup.text(kubernetes_setup.manifest(namespace, accounts, issuer)), nl=False)


@cluster.command()
@click.option("--server", required=True, help="The API server, as in https://k8s.example.com:6443.")
@click.option("--namespace", required=True)
@click.option("--account", "accounts", multiple=True, required=True)
@click.option("--token-file", "token", type=FILE, required=True, help="The token of the issuer's identity.")
@click.option("--authority", type=FILE, help="The cluster's CA certificates [the system's].")
@click.option("--json", "as_json", is_flag=True)
def check(
    server: str, namespace: str, accounts: tuple[str, ...], token: Path, authority: Path | None, as_json: bool
) -> None:
    """Ask the API server what the issuer's identity may, and say what is missing and what is too much.

    Nothing is changed. Ends 1 unless it may just what it needs.
    """
    from procedures.credentials.kubernetes_api import SERVER, sent
    from procedures.domain.errors import OpsError

    _names(namespace, *accounts)
    if not SERVER.fullmatch(server):
        raise click.BadParameter("an https address without a path.", param_hint="--server")
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    body = {**kind, "spec": {"namespace": namespace}}
    try:
        said = sent(server, token.read_text().strip(), authority or Path("/nonexistent"), "POST", path, body)
    except OpsError as problem:
        click.echo(f"{problem.message}\nLook at the token and the address.", err=True)
        raise SystemExit(FAILED) from problem
    lines = list(kubernetes_setup.seen(said.get("status", {}), accounts))
    rows = [f"{one.state:<8} {one.what}" + (f"\n         → {one.next_step}" if one.next_step else "") for one in lines]
    show({"results": [asdict(one) for one in lines]}, as_json=as_json, rows=rows)
    if any(one.state != "ok" for one in lines):
        raise SystemExit(FAILED)


def _names(*words: str) -> None:
    for word in words:
        if not kubernetes_setup.is_name(word):
            raise click.UsageError(f"{word!r} is no name of a namespace or a service account.")
