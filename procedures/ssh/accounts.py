"""What an account on a target may be called, and the refusal when it is not one."""

from __future__ import annotations

import re

from procedures.domain.errors import OpsError

ACCOUNT = re.compile(r"^[a-z_][a-z0-9_.-]{0,31}$")


class NotIssuable(OpsError):
    """A need or binding for which no safe credential can be made."""

    code = "credential.not-issuable"
    next_step = "Name one account in the binding, without wildcards, and use it in steps whose command can be bound."
