"""Notices about what was lent or asked for, and is nobody's."""

from __future__ import annotations

from procedures.domain.notice_kind import Kind

LENT = (
    Kind(
        "runner.refused",
        "A runner asked for what is not its own",
        "A runner asked for a run that is not its own",
        "Something that calls itself {runner} asked at {when} for run {no} of {procedure} in {environment}, "
        "and is not enrolled for that, or was ended. It got nothing, and the run goes on waiting.\n"
        "Find out who has that runner's key or the database's password.",
        security=True,
    ),
    Kind(
        "target.unknown_login",
        "Somebody came into a target with what nobody was lent",
        "Logins that the ledger does not know",
        "The log of the target {target} in {environment}, brought at {when}, holds {count} logins on accounts of "
        "procedures with what no run was lent. The evidence says which and why (target.unknown_login).\n"
        "If nobody can explain them, stop the environment, replace its authority or key, and look at the host.",
        security=True,
    ),
    Kind(
        "lease.unknown",
        "A provider held what the ledger does not know",
        "Something was lent that the ledger does not know",
        "The issuer of {environment} found at {when} {count} leases of the provider {provider} that the ledger does "
        "not know, and ended them.\n"
        "Find out who holds the login with which the issuer makes them.",
        security=True,
    ),
)
