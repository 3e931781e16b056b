"""What a provider says when something of a lease is asked that it does not do."""

from __future__ import annotations

from procedures.domain.errors import OpsError


class NotRenewable(OpsError):
    """A lease that cannot be made to last longer."""

    code = "lease.not-renewable"
    next_step = "Let the credential's ttl and the binding's limit cover the step."


class NoPlace(OpsError):
    """A secret result was to go where nothing can be put."""

    code = "result.no-place"
    next_step = "Bind the credential to a provider that stores secrets: vault, kubernetes-token or aws-sts."
