"""One request of a directory is one transaction: everything that it says, or nothing; what is refused is evidence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import IntegrityError, transaction

from procedures.domain.errors import IllegalState, NotAllowed
from procedures.models import IdentityProvider
from procedures.services import identities
from procedures.services.directories import TakenHere


@contextmanager
def call(provider: IdentityProvider, at: datetime) -> Iterator[None]:
    """Raises what the service within it raises, and TakenHere where another request was first."""
    try:
        with transaction.atomic(durable=True):
            yield
    except (IllegalState, NotAllowed) as problem:
        identities.refused(provider, problem.message, at=at, verb="scim")
        raise
    except IntegrityError as problem:
        raise TakenHere("Another request took this name at the same moment.") from problem
