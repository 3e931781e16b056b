"""Notices about what people accepted, and what became of it."""

from __future__ import annotations

from procedures.domain.notice_kind import Kind

REVIEWS = (
    Kind(
        "reach.grew",
        "A version that I wrote or accepted is lent something else",
        "What {procedure} is lent has changed in {environment}",
        "The credential {credential} was bound anew in {environment} at {when}, and version {number} of {procedure}, "
        "which you wrote or accepted, is lent that. Look whether it should still run: its page says what changed, and "
        "the same bytes can be reviewed again. Where its risk is higher now, it is refused until then.",
    ),
)
