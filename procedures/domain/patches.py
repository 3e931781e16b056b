"""A change of text files as a mail that `git am` takes: the portal's pages hold no key and push nowhere."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.header import Header
from email.utils import format_datetime

from procedures.domain.errors import OpsError
from procedures.domain.text import one_line

NO_END = "\\ No newline at end of file\n"


class NotAPatch(OpsError):
    """A change that a text patch cannot hold."""

    code = "patch.binary"
    next_step = "Commit binary files yourself, or hand the change in from here."


def mail(
    old: Mapping[str, bytes],
    new: Mapping[str, bytes],
    *,
    folder: str,
    author: str,
    address: str,
    title: str,
    at: datetime,
) -> str:
    """The mail; empty if nothing changed. Raises NotAPatch for files that are no text."""
    body = "".join(part for path in sorted({*old, *new}) for part in _file(path, old.get(path), new.get(path), folder))
    if not body:
        return ""
    who = Header(re.sub(r"[<>\r\n\",]", " ", one_line(author)).strip() or "Somebody", "utf-8").encode()
    subject = Header(f"[PATCH] {one_line(title)[:200]}", "utf-8", maxlinelen=900).encode()
    head = f"From {'0' * 40} Mon Sep 17 00:00:00 2001\nFrom: {who} <{address}>\nDate: {format_datetime(at)}\n"
    mime = "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n"
    return f"{head}Subject: {subject}\n{mime}\n---\n\n{body}-- \nOpsPortal\n"


def _file(path: str, old: bytes | None, new: bytes | None, folder: str) -> Iterator[str]:
    if old == new:
        return
    place = f"{folder}/{path}" if folder else path
    if not re.fullmatch(r"[\w./@+ -]+", place, re.ASCII):
        raise NotAPatch(f"{one_line(path)}: a name that a patch cannot hold plainly.")
    yield f"diff --git a/{place} b/{place}\n"
    if old is None:
        yield "new file mode 100644\n"
    if new is None:
        yield "deleted file mode 100644\n"
    if not old and not new:
        return
    before = "/dev/null" if old is None else f"a/{place}"
    after = "/dev/null" if new is None else f"b/{place}"
    tab = "\t" if " " in place else ""
    rows = difflib.unified_diff(_lines(path, old), _lines(path, new), before + tab, after + tab)
    for row in rows:
        yield row if row.endswith("\n") else f"{row}\n{NO_END}"


def _lines(path: str, content: bytes | None) -> list[str]:
    try:
        text = (content or b"").decode()
    except UnicodeDecodeError as problem:
        raise NotAPatch(f"{path} is no text.") from problem
    if "\0" in text:
        raise NotAPatch(f"{path} is no text.")
    *whole, rest = text.split("\n")
    return [f"{line}\n" for line in whole] + ([rest] if rest else [])
