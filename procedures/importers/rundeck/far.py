"""Whether a shell program hands a value to another program as text that this one runs (H27).

A variable in quotes is one word here, and program text again on the far side: `ssh host "ls $X"` runs what X says.
"""

from __future__ import annotations

import re
from collections.abc import Collection

HERE = re.compile(r"\b(eval|(?:ba|da|k|z)?sh\s+(?:-[\w-]+\s+)*-\w*c|su\b[^\n]*\s-c)\b([^\n]*)")
INTERPRETERS = re.compile(r"\b((?:python[0-9.]*|perl|node|ruby|php)\s+-\w*[cer])\b([^\n]*)")
CLIENTS = re.compile(r"\b(mysql|mariadb|psql|sqlplus|sqlite3|mongo|mongosh|redis-cli)\b([^\n]*)")
STATEMENT = re.compile(r"\s(?:-e|-c|--execute|--command|--eval)\b(.*)|eval\s(.*)")
SSH = re.compile(r"(?<![\w/.-])(ssh)\s+([^\n]*)")
WITH_VALUE = frozenset("bcDEeFIiJLlmOopQRSWw")  # options of ssh that take a value
NAME = re.compile(r"\$\{?(\w+)")


def runs(text: str, used: Collection[str]) -> str:
    """The program that would run a value of `used` as its text, or "" if none does."""
    for pattern in (HERE, INTERPRETERS):
        for match in pattern.finditer(text):
            if _names(match[2], used):
                return match[1].split()[0]
    for match in CLIENTS.finditer(text):
        said = STATEMENT.search(match[2])
        if said and _names(said[0], used):
            return match[1]
    return next((m[1] for m in SSH.finditer(text) if _names(_command(m[2]), used)), "")


def _names(text: str, used: Collection[str]) -> bool:
    return any(name in used for name in NAME.findall(text))


def _command(rest: str) -> str:
    """What ssh sends to the far side: all that stands behind the host."""
    words = rest.split(" ")
    at = 0
    while at < len(words) and (not words[at] or words[at].startswith("-")):
        takes_next = len(words[at]) == 2 and words[at][1] in WITH_VALUE
        at += 2 if takes_next else 1
    return " ".join(words[at + 1 :])
