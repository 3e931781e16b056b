"""The named filters of the expression language: pure, total on their types, nothing reached but their arguments."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from procedures.domain.clock import now as moment_now

MAX_TEXT = 1_000_000


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("it wants a text")
    return value


def _default(value: Any, other: Any) -> Any:
    return other if value is None or value == "" else value


def _pick(value: Any, key: str) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError("it wants an object")
    return value.get(key)


def _replace(value: Any, old: str, new: str) -> str:
    if not _text(old):
        raise ValueError("the text to replace is empty")
    grown = len(_text(value)) + _text(value).count(old) * (len(_text(new)) - len(old))
    _fits(grown)
    return _text(value).replace(old, new)


def _join(value: Any, between: str = "") -> str:
    parts = [_text(item) for item in value]
    _fits(sum(map(len, parts)) + len(parts) * len(_text(between)))
    return between.join(parts)


def _fits(size: int) -> None:
    """Judged before a result is made: two short texts can make a very long one."""
    if size > MAX_TEXT:
        raise ValueError("the result is larger than 1 MB")


def _end(value: Any, index: int) -> Any:
    if not isinstance(value, str | list | tuple):
        raise TypeError("it wants a list or a text")
    return value[index] if value else None


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _now(value: Any) -> str:
    at: datetime = moment_now()
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if not value else at.strftime("%Y-%m-%d")


def parse_entity_ref(value: Any) -> dict[str, str]:
    """`kind:namespace/name` in Backstage's short forms; kind and namespace default to component and default."""
    text = _text(value)
    kind, colon, rest = text.partition(":")
    kind, rest = (kind, rest) if colon else ("component", text)
    namespace, slash, name = rest.partition("/")
    namespace, name = (namespace, name) if slash else ("default", rest)
    if not kind or not namespace or not name:
        raise ValueError(f"{text!r} is not an entity reference")
    return {"kind": kind.lower(), "namespace": namespace.lower(), "name": name}


def parse_repo_url(value: Any) -> dict[str, str]:
    """`host?owner=o&repo=r` as Backstage's RepoUrlPicker writes it."""
    host, _, query = _text(value).partition("?")
    pairs = parse_qsl(query)
    parts = dict(pairs)
    if not host or "repo" not in parts or len(parts) != len(pairs):
        raise ValueError(f"{value!r} is not a repository URL")
    return {"host": host, **parts}


def project_slug(value: Any) -> str:
    parts = parse_repo_url(value)
    return f"{parts.get('owner', '')}/{parts['repo']}"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "lower": lambda v: _text(v).lower(),
    "upper": lambda v: _text(v).upper(),
    "trim": lambda v: _text(v).strip(),
    "replace": _replace,
    "default": _default,
    "dump": _dump,
    "pick": _pick,
    "length": len,
    "join": _join,
    "string": lambda v: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False),
    "capitalize": lambda v: _text(v).capitalize(),
    "title": lambda v: _text(v).title(),
    "first": lambda v: _end(v, 0),
    "last": lambda v: _end(v, -1),
    "now": _now,
    "parseEntityRef": parse_entity_ref,
    "parseRepoUrl": parse_repo_url,
    "projectSlug": project_slug,
}
