"""`fetch:template` and `fetch:plain`: files of the bundle into the run's workspace, with Backstage's own inputs.

Nothing is fetched from anywhere else: what a run lays out is what reviewers have seen (H3).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from procedures.actions import workspace
from procedures.domain import expressions, templates
from procedures.domain.canonical import sha256_hex
from procedures.domain.errors import OpsError
from procedures.domain.expressions import Unresolved
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult

PATTERNS = {"type": "array", "items": {"type": "string", "maxLength": 500}, "maxItems": 200}
PLACES: Mapping[str, Any] = {
    "url": {"type": "string", "minLength": 1, "maxLength": 2000},
    "targetPath": {"type": "string", "maxLength": 1000},
}
SECONDS = 10.0
ABOVE = re.compile(r"^(\.{1,2}/+)+")
ELSEWHERE = (
    "{} is fetched at run time, and nobody has reviewed it. Put its files into the bundle and name their folder (./…)."
)


class SourceRefused(OpsError):
    """A fetch step names what is not a folder of the bundle."""

    code = "fetch.source-refused"
    next_step = "Name a folder beside procedure.yaml, such as ./skeleton."


def folder_of(url: Any) -> str:
    """The bundle's folder that a fetch step names. Raises SourceRefused, PathRefused.

    A template may lie deep in a repository and name a folder above itself; in a bundle there is nothing above, and
    `../../skeletons/x` is skeletons/x.
    """
    text = str(url)
    if ":" in text or text.startswith("/"):
        raise SourceRefused(ELSEWHERE.format(text[:200]))
    found = workspace.clean(ABOVE.sub("", text))
    if not found:
        raise SourceRefused("A fetch step names one folder below procedure.yaml.")
    return found


def source(call: ActionCall) -> dict[str, bytes]:
    """The files that are fetched, by their path below the folder. Raises SourceRefused."""
    folder = folder_of(call.input["url"])
    found = {
        path.removeprefix(f"{folder}/"): data for path, data in call.files.items() if path.startswith(f"{folder}/")
    }
    if not found:
        raise SourceRefused(f"There is no folder {folder}/ in the bundle.")
    return found


class _Fetch(Action):
    shares_files: ClassVar[bool] = True
    output_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {"files": {"type": "integer"}},
    }

    def check(self, input: Mapping[str, Any], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
        problems = []
        for name in ("url", "targetPath"):
            text = str(input.get(name, "."))
            if name == "url" and "://" in text:
                problems.append(("/url", ELSEWHERE.format(text[:200])))
                continue
            if expressions.has_expression(text):
                if (
                    any(path[0] in {"steps", "secrets", "run"} for path in expressions.names_used(text))
                    and name == "url"
                ):
                    problems.append((f"/{name}", "What is fetched may not be decided at run time."))
                continue
            try:
                folder_of(text) if name == "url" else workspace.clean(text)
            except OpsError as problem:
                problems.append((f"/{name}", problem.message))
        return problems

    def copies(self, input: Mapping[str, Any]) -> tuple[str, ...]:
        url = str(input.get("url", ""))
        if expressions.has_expression(url):
            return ()
        try:
            return (folder_of(url),)
        except OpsError:
            return ()

    def made(self, call: ActionCall) -> Iterator[tuple[str, bytes]]:
        """Every file that the step lays out, (path below targetPath, bytes)."""
        yield from source(call).items()

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        into = call.input.get("targetPath") or "."
        shown = {"copies": folder_of(call.input["url"]), "into": into}
        if _is_open(call.input):
            return {**shown, "files": sorted(source(call)), "values": call.input.get("values") or {}}
        made = [[path, sha256_hex(data)] for path, data in sorted(self.made(call))]
        return {**shown, "files": made}

    def run(self, call: ActionCall, io: ActionIO) -> ActionResult:
        try:
            return self._lay_out(call, io)
        except OpsError as problem:
            io.write("system", (problem.message + "\n").encode())
            return ActionResult("failed", message=problem.message, facts={"refused": problem.code})

    def _lay_out(self, call: ActionCall, io: ActionIO) -> ActionResult:
        root = call.shared().files
        into = workspace.clean(str(call.input.get("targetPath") or "."))
        made = {f"{into}/{path}".lstrip("/"): data for path, data in self.made(call)}
        workspace.require_room(root, len(made), sum(map(len, made.values())))
        written = 0
        for path, data in sorted(made.items()):
            if io.cancelled.is_set():
                return ActionResult("canceled", message="Canceled between two files.")
            if not self.replaces(call) and workspace.inside(root, path).exists():
                io.write("stdout", f"{path} stands already and is kept\n".encode())
                continue
            workspace.write(root, path, data)
            io.write("stdout", f"{path}, {len(data):,} bytes\n".encode())
            written += 1
        return ActionResult("succeeded", output={"files": written})

    def replaces(self, call: ActionCall) -> bool:
        return True


class FetchPlain(_Fetch):
    """Files as they are."""

    id: ClassVar[str] = "fetch:plain"
    summary: ClassVar[str] = "Copies a folder of the bundle into the run's workspace."
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["url"],
        "additionalProperties": False,
        "properties": dict(PLACES),
    }


class FetchTemplate(_Fetch):
    """Files with values put in, names of files too."""

    id: ClassVar[str] = "fetch:template"
    summary: ClassVar[str] = "Fills in a folder of templates and lays it out in the run's workspace."
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["url"],
        "additionalProperties": False,
        "properties": {
            **PLACES,
            "values": {"type": "object"},
            "copyWithoutRender": PATTERNS,
            "copyWithoutTemplating": PATTERNS,
            "cookiecutterCompat": {"type": "boolean"},
            "templateFileExtension": {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
            "replace": {"type": "boolean"},
            "trimBlocks": {"type": "boolean"},
            "lstripBlocks": {"type": "boolean"},
        },
    }

    def check(self, input: Mapping[str, Any], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
        problems = super().check(input, files)
        if input.get("cookiecutterCompat") is True and input.get("templateFileExtension"):
            problems.append(("/templateFileExtension", "does not go together with cookiecutterCompat."))
        return problems

    def replaces(self, call: ActionCall) -> bool:
        return bool(call.input.get("replace", False))

    def made(self, call: ActionCall) -> Iterator[tuple[str, bytes]]:
        filling = _Filling.of(call.input)
        seen: set[str] = set()
        until = time.monotonic() + SECONDS
        for path, data in source(call).items():
            if time.monotonic() > until:
                raise SourceRefused(f"The templates take longer than {SECONDS:.0f} s to fill in.")
            done = filling.file(path, data)
            if done is None:
                continue
            if done[0] in seen:
                raise SourceRefused(f"Two files of the template become {done[0]}.")
            seen.add(done[0])
            yield done


@dataclass(frozen=True, slots=True)
class _Filling:
    """How one step fills in its files: copied whole, named by values, or filled in."""

    scope: Mapping[str, Any]
    untouched: tuple[Any, ...]
    named_only: tuple[Any, ...]
    ending: str
    style: Mapping[str, bool]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> _Filling:
        values = given.get("values") or {}
        cookie = bool(given.get("cookiecutterCompat", False))
        ending = given.get("templateFileExtension") or ""
        return cls(
            scope={"cookiecutter": values, "values": values} if cookie else {"values": values},
            untouched=tuple(map(workspace.glob, given.get("copyWithoutRender") or ())),
            named_only=tuple(map(workspace.glob, given.get("copyWithoutTemplating") or ())),
            ending=".njk" if ending is True else str(ending),
            style={
                "dollar": not cookie,
                "trim": bool(given.get("trimBlocks", False)),
                "strip": bool(given.get("lstripBlocks", False)),
            },
        )

    def file(self, path: str, data: bytes) -> tuple[str, bytes] | None:
        """Where a file goes and what it holds; None where a part of its name becomes empty, as in Backstage."""
        if any(pattern.fullmatch(path) for pattern in self.untouched):
            return path, data
        named = [self.text(part, path) for part in path.split("/")]
        if any(not part.strip() for part in named):
            return None
        place = workspace.clean("/".join(named))
        filled = not any(pattern.fullmatch(path) for pattern in self.named_only)
        if self.ending and not path.endswith(self.ending):
            filled = False
        elif self.ending:
            place = place.removesuffix(self.ending)
        text = _as_text(data) if filled else None
        return place, data if text is None else self.text(text, path).encode()

    def text(self, source: str, path: str) -> str:
        try:
            return templates.render(source, self.scope, **self.style)
        except templates.TemplateRefused as problem:
            raise templates.TemplateRefused(f"{path}, {problem.message}") from problem


def _as_text(data: bytes) -> str | None:
    """A file's text, or None for what is no text and is copied as it is."""
    if b"\x00" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _is_open(value: Any) -> bool:
    """Whether a part of a value is decided at run time."""
    if isinstance(value, Mapping):
        return any(map(_is_open, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_is_open, value))
    return isinstance(value, Unresolved)
