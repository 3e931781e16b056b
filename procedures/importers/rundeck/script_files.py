"""Script files of Rundeck's server, taken from the folder that the user names; never from a URL.

Their text is the reviewer's to read: it goes into the bundle as it stands, since Rundeck fills in nothing there unless
it is told to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.domain.importing import Fate
from procedures.importers.nearby import Nearby
from procedures.importers.rundeck.scripts import Program
from procedures.importers.rundeck.source import text, truth
from procedures.importers.rundeck.variables import IN_COMMAND, NotCarried


def from_file(command: Mapping[str, Any], main: str, look: Nearby | None) -> tuple[Program, str]:
    """The program of a script file and where it was found. Raises NotCarried."""
    written = text(command[main]).strip()
    missing = f"{main} {written[:120]} is not in the file; put the script into the bundle"
    if main == "scripturl" or look is None or not written or "\0" in written or IN_COMMAND.search(written):
        raise NotCarried(missing)
    found = look(written)
    if found is None:
        raise NotCarried(f"{missing}, or name the folder that holds it with --root")
    try:
        content = found[1].decode()
    except UnicodeDecodeError:
        raise NotCarried(f"{main} {written[:120]} is no text; put it into the bundle by hand") from None
    program = Program(
        content,
        interpreter=text(command.get("scriptInterpreter")),
        args=text(command.get("args")),
        args_quoted=truth(command.get("interpreterArgsQuoted")),
        verbatim=not truth(command.get("expandTokenInScriptFile")),
    )
    return program, found[0]


def taken(written: Any, place: str) -> tuple[Fate, str]:
    """What the account says of a file that was found: one of a server's own path may be another of the same name."""
    if text(written).strip().startswith("/"):
        return "reported", f"taken from {place}; see that it is the file that lay on Rundeck's server"
    return "mapped", f"taken from {place}, as it stands there"
