"""What an account on a target may be called, the refusal when it is not one, and what a login there says it is for."""

from __future__ import annotations

import re

from procedures.domain.definition import CredentialNeed
from procedures.domain.errors import OpsError
from procedures.domain.ports import Binding, RunContext

ACCOUNT = re.compile(r"^[a-z_][a-z0-9_.-]{0,31}$")
_UNSAFE = re.compile(r"[^A-Za-z0-9._:@-]")


class NotIssuable(OpsError):
    """A need or binding for which no safe credential can be made."""

    code = "credential.not-issuable"
    next_step = "Name one account in the binding, without wildcards, and use it in steps whose command can be bound."


def require_account(need: CredentialNeed, binding: Binding) -> None:
    """The binding's role is one account, and the one that the procedure asks for, if it asks. Raises NotIssuable."""
    if not ACCOUNT.fullmatch(binding.role):
        raise NotIssuable(f"{binding.role!r} is not one account.")
    wanted = need.scope.get("account")
    if wanted is not None and wanted != binding.role:
        raise NotIssuable(f"The procedure asks for the account {wanted}, the binding gives {binding.role}.")


def key_id(context: RunContext) -> str:
    """What the host's own log keeps of a login: run, step, who asked and approved, in words without blanks."""
    return " ".join(
        f"{name}={_UNSAFE.sub('_', value)}"
        for name, value in (
            ("run", str(context.run_id)),
            ("no", str(context.run_no)),
            ("step", context.step),
            ("host", context.target.name if context.target else ""),
            ("requester", context.requester),
            ("approvers", ",".join(context.approvers) or "none"),
            ("procedure", context.procedure),
        )
    )
