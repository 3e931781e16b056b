"""Notices by mail, over SMTP: plain text, our own links alone, and nothing that a mail program could make into more."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend
from django.core.validators import validate_email

from procedures.domain.notices import KINDS, LONGEST, NotDelivered, Notice, sentences_of, subject_of
from procedures.domain.text import one_line

PATIENCE_S = 10
# What mail programs make into links: a scheme, a host's dot (also those that IDNA takes for one), an address's sign.
# The hour of a moment and the mark of a key's fingerprint are none.
_SCHEME = re.compile(r"(?<=\w)(?<!SHA256):(?!(?<=\d:)\d)(?=\S)|(?<=\w)&colon;", re.IGNORECASE)
_DOT = re.compile("(?<=\\w)[.\u3002\uff0e\uff61](?=\\w)")
_BEGINS = re.compile(r"^([=+\-@>|#])")


def escape(text: str) -> str:
    """Text of others for a mail: one line, nothing hidden, nothing that becomes a link, a quote or a formula."""
    line = one_line(text)
    line = line if len(line) <= LONGEST else line[:LONGEST] + "…"
    line = _DOT.sub("[.]", _SCHEME.sub("[:]", line)).replace("//", "/ /").replace("@", "[at]")
    return _BEGINS.sub(r"'\1", line)


class Mail:
    """A connection to the SMTP server for a few mails. `server` is what settings say; `portal` the public URL."""

    def __init__(self, server: Mapping[str, Any], *, sender: str, portal: str) -> None:
        self._sender, self._portal = sender, portal
        self._connection = EmailBackend(timeout=PATIENCE_S, fail_silently=False, **server)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def deliver(self, notice: Notice) -> None:
        """Hand the mail over; the server's yes is the end of our part. Raises NotDelivered."""
        try:
            validate_email(notice.address)
        except ValidationError:
            raise NotDelivered("the person's address is none", final=True) from None
        try:
            self._connection.send_messages([self.message(notice)])
        except smtplib.SMTPRecipientsRefused as refusal:
            self._connection.close()
            codes = [code for code, _ in refusal.recipients.values()]
            raise NotDelivered(f"the server refused the address ({codes})", final=min(codes) >= 500) from None
        except (OSError, smtplib.SMTPException) as problem:  # TLS and time-outs are kinds of OSError
            self._connection.close()
            raise NotDelivered(f"{type(problem).__name__}: {problem}"[:300]) from None

    def message(self, notice: Notice) -> EmailMessage:
        """The mail. Its Message-ID is the notice's, so that a second delivery is known as the same mail."""
        host = urlsplit(self._portal).hostname or "localhost"
        headers = {"Message-ID": f"<{notice.id}@{host}>", "Auto-Submitted": "auto-generated"}
        return EmailMessage(
            f"[OpsPortal] {subject_of(notice)}",
            self._body(notice),
            self._sender,
            [notice.address],
            headers=headers,
        )

    def _body(self, notice: Notice) -> str:
        why = (
            "Security notices cannot be switched off."
            if KINDS[notice.kind].security
            else f"Choose what you are sent: {self._portal}/settings/notices/"
        )
        lines = [
            f"Hello {escape(notice.name)},",
            sentences_of(notice, escape),
            f"{self._portal}{notice.path}",
            f"{why} OpsPortal never asks for a password, a code or a signature by mail.",
        ]
        return "\n\n".join(lines) + "\n"
