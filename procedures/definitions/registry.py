"""Finds the plug-ins: actions and credential providers, ours and other packages', by entry point.

An id that two packages claim is an error. Nobody imports a plug-in by name elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from importlib.metadata import entry_points

import structlog

from procedures.definitions import foreign, packages
from procedures.domain.errors import OpsError
from procedures.domain.importing import Carried
from procedures.domain.inventory_sources import Source as InventorySource
from procedures.domain.ports import Action, Provider

OURS = {
    "procedures.actions.local": ("LocalCommand", "LocalScript"),
    "procedures.actions.ssh": ("SshCommand", "SshScript", "SshCopy"),
    "procedures.actions.gate": ("GateApproval", "GateInput", "GateWait"),
    "procedures.actions.call": ("ProcedureRun",),
    "procedures.actions.http": ("HttpRequest",),
    "procedures.actions.sql": ("SqlQuery",),
    "procedures.actions.fetch": ("FetchTemplate", "FetchPlain"),
    "procedures.actions.files": ("FsRename", "FsDelete", "DebugLog"),
    "procedures.actions.publish": ("PublishGit", "PublishGithub", "PublishGithubPullRequest"),
    "procedures.actions.catalog": ("CatalogWrite", "CatalogRegister"),
    "procedures.actions.todo": ("TodoReplace",),
}
OUR_IMPORTERS = {
    "rundeck": "procedures.importers.rundeck",
    "backstage": "procedures.importers.backstage",
    "awx": "procedures.importers.awx",
    "ssm": "procedures.importers.ssm",
}
OUR_PROVIDERS = {
    "ssh-certificate": ("procedures.credentials.ssh_certificate", "SshCertificate"),
    "ssh-key": ("procedures.credentials.ssh_key", "SshKey"),
    "git-token": ("procedures.credentials.git_token", "GitToken"),
    "git-key": ("procedures.credentials.git_key", "GitKey"),
    "sealed-secret": ("procedures.credentials.sealed_secret", "SealedSecret"),
    "vault": ("procedures.credentials.vault", "Vault"),
    "aws-sts": ("procedures.credentials.aws_sts", "AwsSts"),
    "kubernetes-token": ("procedures.credentials.kubernetes_token", "KubernetesToken"),
    "oidc-workload": ("procedures.credentials.oidc_workload", "OidcWorkload"),
    "postgres-role": ("procedures.credentials.postgres_role", "PostgresRole"),
}
OUR_INVENTORIES = {
    "yaml": ("procedures.inventories.yaml_hosts", "YamlHosts"),
    "ansible": ("procedures.inventories.ansible_source", "AnsibleFile"),
    "script": ("procedures.inventories.ansible_source", "AnsibleProgram"),
    "kubernetes": ("procedures.inventories.kubernetes", "KubernetesContexts"),
    "catalogue": ("procedures.inventories.catalogue", "CatalogueHosts"),
    "aws-ec2": ("procedures.inventories.aws_ec2", "Ec2Instances"),
}
CONTRACT = "1"
OUR_MARK = "opsportal:"
log = structlog.get_logger(__name__)
Reader = Callable[[str, bytes], Carried]


class DuplicatePlugin(OpsError):
    """Two packages offer the same action or provider."""

    code = "plugin.duplicate"
    next_step = "Uninstall one of the two packages."


@cache
def actions() -> dict[str, Action]:
    """Every action by id. The same instances for the life of the process.

    Those of other packages stand for code that runs in cells; one that cannot be used is not there: the log says why.
    """
    found: dict[str, Action] = {}
    for module, names in OURS.items():
        for name in names:
            action: Action = getattr(import_module(module), name)()
            found[action.id] = action
    for point in packages.offered():
        try:
            other = foreign.described(point)
        except OpsError as problem:
            log.warning("action.not-usable", offered=point.value, why=problem.message)
            continue
        if other.id in found:
            raise DuplicatePlugin(f"The action {other.id} is offered twice, the second time by {point.value}.")
        packages.known(point, other.id, other.mark)
        found[other.id] = other
    return found


def action_marks() -> dict[str, str]:
    """What of each action goes into a closure (H4): for ours the contract, for others the bytes of their package.

    Not cached: a claim asks what lies on this machine now.
    """
    return dict.fromkeys(actions(), OUR_MARK + CONTRACT) | packages.marks()


def is_ours(mark: str) -> bool:
    """Whether a mark is that of an action that comes with the portal."""
    return mark.startswith(OUR_MARK)


@cache
def provider_kinds() -> dict[str, type[Provider]]:
    """The class of every provider by name. Raises DuplicatePlugin."""
    found = {name: getattr(import_module(module), kind) for name, (module, kind) in OUR_PROVIDERS.items()}
    for point in entry_points(group="opsportal.providers"):
        if point.name in found:
            raise DuplicatePlugin(f"The provider {point.name} is offered twice, the second time by {point.value}.")
        found[point.name] = point.load()
    return found


def inventory_source(kind: str) -> InventorySource:
    """The source that reads one kind of inventory. Raises KeyError for a kind that nobody reads."""
    module, name = OUR_INVENTORIES[kind]
    source: InventorySource = getattr(import_module(module), name)()
    return source


def importer(kind: str, nearby: Callable[[str], tuple[str, bytes] | None] | None = None) -> Reader:
    """The `read(name, data)` of one kind of source. Raises KeyError for a kind that nobody reads.

    `nearby` finds files that a source names, for the kinds that take some over.
    """
    module = import_module(OUR_IMPORTERS[kind])
    takes = nearby is not None and getattr(module, "READS_NEARBY", False)
    reader: Reader = partial(module.read, nearby=nearby) if takes else module.read
    return reader
