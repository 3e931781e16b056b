"""Why the issuer refuses: each reason said once, each refusal evidence."""

from __future__ import annotations

from procedures.domain.errors import NotAllowed


class LeaseRefused(NotAllowed):
    """The issuer lends nothing: something that the request rests on does not stand by itself."""

    code = "lease.refused"
    next_step = "Look at the evidence panel of the run; security was told what does not stand."


class NotYours(LeaseRefused):
    """Who asks is not, or cannot prove to be, the runner that may: security is told (H14)."""

    code = "lease.not-yours"
    next_step = "Find out who has that runner's key or place; the page Runners says which there are."
