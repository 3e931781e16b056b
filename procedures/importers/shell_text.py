"""Text that other tools paste into shell programs becomes a variable: quoted for where it stands, or refused.

Rule 6: a value never becomes program text. Where only program text would keep the meaning, that is a problem, and
the importer marks the step.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_HEREDOC = re.compile(r"<<(-?)[ \t]*(?:'([^'\n]+)'|\"([^\"\n]+)\"|\\?([A-Za-z_][A-Za-z0-9_]*))")
_BEFORE_COMMAND = re.compile(r"(^|[\n;&|(`{!]|\b(then|do|else|elif|if|while|until|time|exec|sudo|nohup|xargs))[ \t]*$")
_INTERPRETERS = re.compile(
    r"(^|[\s/(`|;&])(eval|source|ssh|su|awk|gawk|mawk|sed|jq|xargs|watch|psql|mysql|expect"
    r"|(?:(?:ba|da|z|k|c|tc)?sh|python[0-9.]*|perl|ruby|node|php)\s+(?:-[A-Za-z]+\s+)*-[A-Za-z]*[ce])\s"
)
_BREAKS = re.compile(r"[\n;&|]|\$\(|`")


class Paste(NamedTuple):
    """A piece of a text, by its ends, that stands for the value of `variable`."""

    start: int
    end: int
    variable: str


@dataclass(slots=True)
class Rewritten:
    """`text` holds variables only. With `problems` it must not be used: each says why the meaning is lost."""

    text: str = ""
    problems: list[str] = field(default_factory=list)


def rewrite(text: str, pastes: Sequence[Paste]) -> Rewritten:
    """The same shell program with each paste as its variable. `pastes` are in order and do not overlap."""
    return _Rewriting(text, pastes).done()


class _Rewriting:
    """One pass over a program; `inside` is the stack of quotes and substitutions that are open."""

    def __init__(self, text: str, pastes: Sequence[Paste]) -> None:
        self.text, self.pastes = text, {paste.start: paste for paste in pastes}
        self.out: list[str] = []
        self.problems: list[str] = []
        self.inside: list[str] = []
        self.waiting: list[tuple[str, bool, bool]] = []
        self.at = 0

    def done(self) -> Rewritten:
        while self.at < len(self.text):
            paste = self.pastes.get(self.at)
            if paste is not None:
                self.out.append(self.pasted(paste))
                self.at = paste.end
            elif self.text[self.at] == "\n" and self.waiting and "'" not in self.inside:
                self.take(1)
                self.documents()
            else:
                self.char()
        return Rewritten("".join(self.out), self.problems)

    def take(self, count: int) -> None:
        """The next characters as they are; a paste in the midst of them ends them, and is a problem."""
        inside = next((at for at in range(self.at + 1, self.at + count) if at in self.pastes), None)
        if inside is not None:
            self.problems.append(self.said("stands in the midst of a mark of the shell", inside))
            count = inside - self.at
        self.out.append(self.text[self.at : self.at + count])
        self.at += count

    @property
    def where(self) -> str:
        return self.inside[-1] if self.inside else ""

    def char(self) -> None:
        char = self.text[self.at]
        if self.where in {"'", "$'"}:
            self.single(char)
        elif char == "\\":
            self.skip_escaped()
        elif char in {'"', "`"}:
            self.close() if self.where == char else self.open(char)
        elif mark := next((mark for mark in ("$((", "$(", "${") if self.next_is(mark)), ""):
            self.open(mark)
        elif self.where in {"$((", "$(", "${", "("}:
            self.closing(char)
        else:
            self.unquoted(char)

    def single(self, char: str) -> None:
        if self.where == "$'" and char == "\\":
            self.skip_escaped()
        elif char == "'":
            self.close()
        else:
            self.take(1)

    def next_is(self, mark: str) -> bool:
        """Whether the text itself, and not a paste, goes on with this."""
        return self.text.startswith(mark, self.at) and not any(
            self.at + ahead in self.pastes for ahead in range(1, len(mark))
        )

    def closing(self, char: str) -> None:
        if self.where == "$((" and self.next_is("))"):
            self.inside.pop()
            return self.take(2)
        if (self.where == "${" and char == "}") or (self.where in {"$(", "("} and char == ")"):
            return self.close()
        return self.unquoted(char)

    def unquoted(self, char: str) -> None:
        if self.where in {'"', "${", "$(("}:
            return self.take(1)
        if char == "'":
            return self.open("$'" if self.text[self.at - 1 : self.at] == "$" else "'", 1)
        if char == "(" and self.where in {"$(", "("}:
            return self.open("(")
        if char == "#" and (self.at == 0 or self.text[self.at - 1] in " \t\n;&|()"):
            return self.comment()
        found = _HEREDOC.match(self.text, self.at) if self.next_is("<<") else None
        if found and not self.next_is("<<<"):
            word = found[2] or found[3] or found[4]
            self.waiting.append((word, found[4] is None or "\\" in found[0], bool(found[1])))
            return self.take(len(found[0]))
        return self.take(3 if self.next_is("<<<") else 1)

    def skip_escaped(self) -> None:
        if self.at + 1 in self.pastes:
            self.problems.append(self.said("stands behind a backslash", self.at + 1))
        self.take(1 if self.at + 1 in self.pastes else 2)

    def open(self, mark: str, length: int = 0) -> None:
        self.inside.append(mark)
        self.take(length or len(mark))

    def close(self) -> None:
        self.inside.pop()
        self.take(1)

    def comment(self) -> None:
        end = self.text.find("\n", self.at)
        self.verbatim(end if end >= 0 else len(self.text), "$")

    def documents(self) -> None:
        """The bodies of the here-documents that were announced on the line before."""
        for word, quoted, tabs in self.waiting:
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line = self.text[self.at : end]
                last = (line.lstrip("\t") if tabs else line) == word
                self.verbatim(end, "" if quoted else "${}")
                self.take(1)
                if last:
                    break
        self.waiting = []

    def verbatim(self, end: int, form: str) -> None:
        """Take over up to `end`, pastes by their plain form; without one they are problems."""
        while self.at < end:
            paste = self.pastes.get(self.at)
            if paste is None:
                self.take(1)
                continue
            if not form:
                self.problems.append(self.said("stands in a here-document without expansion", self.at))
            self.out.append(f"${{{paste.variable}}}" if form == "${}" else f"${paste.variable}")
            self.at = paste.end

    def pasted(self, paste: Paste) -> str:
        before = self.text[: paste.start]
        places = {
            "$'": "stands in $'…'",
            "$((": "would be calculated with",
            "${": "stands inside another variable",
        }
        if self.where in places:
            self.problems.append(self.said(places[self.where], paste.start))
        if before.endswith("$"):
            self.problems.append(self.said("stands behind a $", paste.start))
        if self.where == '"' and "`" in self.inside:
            self.problems.append(self.said("stands in quotes inside backticks", paste.start))
        command = before[max((m.end() for m in _BREAKS.finditer(before)), default=0) :]
        if found := _INTERPRETERS.search(command + " "):
            self.problems.append(self.said(f"would become a part of what {found[2].split()[0]} runs", paste.start))
        if self.where in {"", "$(", "(", "`"}:
            if _BEFORE_COMMAND.search(before):
                self.problems.append(self.said("would name the program that runs", paste.start))
            return self.word(paste)
        return f"'\"${{{paste.variable}}}\"'" if self.where == "'" else f"${{{paste.variable}}}"

    def word(self, paste: Paste) -> str:
        """Outside quotes an empty value was no word at all; any other value is one word, whatever it holds."""
        whole = f'"${{{paste.variable}}}"'
        before, after = self.text[paste.start - 1 : paste.start], self.text[paste.end : paste.end + 1]
        alone = before in {" ", "\t"} and (not after or after in " \t\n;)`")
        return f"${{{paste.variable}:+{whole}}}" if alone else whole

    def said(self, why: str, at: int) -> str:
        variable = self.pastes[at].variable
        line = self.text[:at].count("\n") + 1
        return f"Line {line}: {variable} {why}."


def is_variable(name: str) -> bool:
    return bool(_NAME.match(name))
