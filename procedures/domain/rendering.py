"""A step's input, rendered: values stay values; nothing becomes an option, a program or a shell word by accident."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from procedures.domain import expressions
from procedures.domain.definition import Step
from procedures.domain.errors import OpsError
from procedures.domain.expressions import Unresolved
from procedures.domain.secrets import Secret

ENV_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")
FORBIDDEN_ENV = re.compile(
    r"^(LD_.*|BASH_ENV|ENV|PATH|PYTHON.*|PERL5?(LIB|OPT)|RUBY(LIB|OPT)|NODE_.*|IFS|GIT_.*|SHELLOPTS|BASHOPTS|PS4"
    r"|PROMPT_COMMAND|OPSPORTAL_.*|HOME|USER|SHELL|TMPDIR)$"
)
HOST = re.compile(r"^([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$")
SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "fish", "tcsh", "csh"})


class RenderingRefused(OpsError):
    """A value that may not stand where the author put it."""

    code = "input.rendering-refused"
    next_step = "Put a literal -- before values in argv, or hand the value over in the environment."


@dataclass(frozen=True, slots=True)
class RenderedStep:
    """`input` without env and stdin; those are apart since they alone may hold secrets."""

    input: dict[str, Any]
    env: dict[str, str]
    secret_env: dict[str, Secret]
    stdin: Secret | None


def script_environment(parameters: Mapping[str, Any]) -> dict[str, str]:
    """`PARAM_<NAME>` for each parameter: strings as they are, other types as JSON. Raises RenderingRefused."""
    found: dict[str, str] = {}
    for name, value in parameters.items():
        key = variable(name)
        if key in found:
            raise RenderingRefused(f"Two parameters become {key}.")
        found[key] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return found


def variable(name: str) -> str:
    return "PARAM_" + re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def render_step(step: Step, scope: Mapping[str, Any]) -> RenderedStep:
    """Render a step's input. Raises ExpressionRefused, RenderingRefused."""
    raw = dict(step.input)
    without = {**scope, "secrets": {}}
    env, secret_env = _environment(raw.pop("env", {}), scope)
    stdin = _stdin(raw.pop("stdin", None), scope)
    argv = raw.pop("argv", None)
    url = raw.pop("url", None)
    rendered = expressions.render(raw, without)
    if url is not None:
        rendered["url"] = render_url(url, without) if "://" in str(url) else expressions.render(url, without)
    if argv is not None:
        rendered["argv"] = _argv(argv, without)
    return RenderedStep(rendered, env, secret_env, stdin)


def _environment(raw: Any, scope: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Secret]]:
    plain: dict[str, str] = {}
    hidden: dict[str, Secret] = {}
    for name, template in dict(raw or {}).items():
        if not ENV_NAME.fullmatch(name) or FORBIDDEN_ENV.match(name) or name.startswith("PARAM_"):
            raise RenderingRefused(f"The environment variable {name} cannot be set by a step.")
        value = expressions.render(template, scope)
        if isinstance(value, Secret):
            hidden[name] = value
        elif isinstance(value, Unresolved):
            plain[name] = f"decided at run time by {value.describe()}"
        else:
            plain[name] = "" if value is None else expressions.text_of(value)
    return plain, hidden


def _stdin(raw: Any, scope: Mapping[str, Any]) -> Secret | None:
    if raw is None:
        return None
    value = expressions.render(raw, scope)
    if isinstance(value, Secret):
        return value
    if isinstance(value, Unresolved):
        return Secret(f"decided at run time by {value.describe()}")
    return Secret(expressions.text_of(value))


def _argv(raw: Sequence[Any], scope: Mapping[str, Any]) -> list[Any]:
    problem = argv_problem(raw)
    if problem:
        raise RenderingRefused(problem)
    rendered: list[Any] = []
    open_ended = False
    for element in raw:
        text = str(element) if not isinstance(element, bool) else json.dumps(element)
        if text == "--":
            open_ended = True
        value = expressions.render(text, scope)
        if not expressions.has_expression(text):
            rendered.append(text)
            continue
        if isinstance(value, Unresolved):
            rendered.append(value)
            continue
        value = "" if value is None else expressions.text_of(value)
        if value.startswith("-") and not open_ended:
            raise RenderingRefused("A value in argv begins with - and no literal -- stands before it.")
        rendered.append(value)
    return rendered


def argv_problem(raw: Any) -> str:
    """Why a list cannot be an argv (decisions.md, 22), or an empty string. Used by lint as well."""
    if not isinstance(raw, Sequence) or isinstance(raw, str) or not raw:
        return "argv is a list with at least one element."
    texts = [str(element) for element in raw]
    if expressions.has_expression(texts[0]):
        return "argv[0] names the program and cannot be an expression."
    for index, text in enumerate(texts):
        if not expressions.has_expression(text):
            continue
        if not expressions.parse(text).whole:
            return f"argv[{index}]: an expression is a whole element of its own."
        if _after_shell(texts[:index]):
            return f"argv[{index}]: no expression may follow `sh -c`: it would become program text."
    return ""


def _after_shell(before: Sequence[str]) -> bool:
    shell = any(text.rpartition("/")[2] in SHELLS for text in before)
    return shell and any(text.startswith("-") and "c" in text and not text.startswith("--") for text in before)


def render_url(text: str, scope: Mapping[str, Any]) -> str:
    """A URL whose values stay what they are: a host is only a host, any other value is percent-encoded.

    What is decided at run time is named in braces and may not stand in the host (rule 19). Raises RenderingRefused.
    """
    if problem := url_problem(text):
        raise RenderingRefused(problem)
    done = ""
    for part in expressions.parse(text).parts:
        if isinstance(part, str):
            done += part
            continue
        value = expressions.value_of(part, scope)
        if isinstance(value, Unresolved):
            if not in_path(done):
                raise RenderingRefused("The host of a URL may not be decided at run time.")
            done += "{decided at run time by " + value.describe() + "}"
        elif in_path(done):
            done += quote(expressions.text_of(value), safe="")
        else:
            done += _host(expressions.text_of(value))
    return done


def _host(value: str) -> str:
    if not HOST.fullmatch(value):
        raise RenderingRefused(f"{value[:100]!r} is not the name of a host.")
    return value


def in_path(done: str) -> bool:
    """Whether a URL, as far as it is written, is past its host."""
    return any(mark in done.partition("://")[2] for mark in "/?#")


def url_problem(text: Any) -> str:
    """Why a text cannot be the URL of a request, or an empty string. Used by lint as well."""
    if not isinstance(text, str) or not text.startswith(("http://", "https://")):
        return "A URL begins with https:// or http:// written out."
    done = ""
    for part in expressions.parse(text).parts:
        if isinstance(part, str):
            done += part
        elif not in_path(done) and expressions.paths_of(part) & {"steps", "secrets"}:
            return "The host of a URL may not be decided at run time."
    if "@" in done.partition("://")[2].partition("/")[0]:
        return "A URL holds no user and password; give a secret to `auth`."
    return ""
