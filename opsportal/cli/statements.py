"""What is signed here is read here: the bytes themselves say what was asked for, or nothing is signed (H21)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import click

from opsportal.cli.portal import FAILED
from procedures.domain.canonical import NotCanonical, parse


def about(asked: Mapping[str, Any], kind: str, **said: Any) -> str:
    """The statement of an answer, as it is to be signed: of this kind (`approval`, `review` …), saying just this.

    A portal that shows one thing and hands over another to sign is told, and the program ends 1.
    """
    text = str(asked["statement"])
    try:
        value = parse(base64.b64decode(text, validate=True))
    except (NotCanonical, ValueError):
        value = None
    expected = {"type": f"opsportal/{kind}/v1", **said}
    fine = isinstance(value, dict) and value == asked.get("value", value)
    if not fine or any(value.get(name) != one for name, one in expected.items()):
        click.echo("The portal offers a statement over something else; nothing was signed.", err=True)
        raise SystemExit(FAILED)
    return text
