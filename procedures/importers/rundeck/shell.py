"""Shell texts: what Rundeck pasted becomes a variable, quoted as its place wants it; a value is never program.

The walk knows words, quotes, substitutions, arithmetic, comments and here-documents (POSIX.1-2017, 2.2 and 2.7).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from procedures.importers.rundeck.variables import Variable

Find = Callable[[str, int], "tuple[Variable, int] | None"]
HEREDOC = re.compile(r"<<(-?)[ \t]*(?:'([^'\n]+)'|\"([^\"\n]+)\"|(\\?[A-Za-z_][A-Za-z0-9_.+-]*))")
BASHISM = re.compile(
    r"\[\[|<<<|\bfunction\s+\w|\bdeclare\b|\blocal\b|\bsource\s|\w\+?=\(|\(\(|\$'|&>|\{[\w.]+\.\.[\w.]+\}"
    r"|\$\{\w+(//|\^|,,|:[0-9]|\[)|\bpipefail\b|<\(|>\(|\becho\s+-[ne]|\bread\s+-[^r ]|\bpushd\b|\bshopt\b"
    r"|==|=~|\bset\s+-o"
)


def needs_bash(text: str) -> bool:
    """Whether a text uses what plain sh does not know."""
    return bool(BASHISM.search(text))


class Rewriting:
    """One text on its way. `find(text, index)` gives a variable and the end of what stands for it."""

    def __init__(self, text: str, find: Find) -> None:
        self.text, self.find = text, find
        self.out: list[str] = []
        self.stack: list[str] = ["plain"]
        self.pending: list[tuple[str, bool, bool, int]] = []
        self.at = 0

    def done(self) -> str:
        while self.at < len(self.text):
            self.step()
        return "".join(self.out)

    @property
    def state(self) -> str:
        return self.stack[-1]

    def take(self, count: int = 1) -> None:
        self.out.append(self.text[self.at : self.at + count])
        self.at += count

    def step(self) -> None:
        found = self.find(self.text, self.at)
        if found:
            self.out.append(self.put(found[0], self.text[found[1] : found[1] + 1]))
            self.at = found[1]
            return
        {
            "single": self.single,
            "ansi": self.ansi,
            "double": self.double,
            "comment": self.comment,
            "brace": self.brace,
        }.get(self.state, self.plain)()

    def put(self, variable: Variable, following: str) -> str:
        name = variable.name
        value = f"${{{name}}}" if variable.always else f"${{{name}-}}"
        if self.state in {"double", "brace", "arithmetic"}:
            return value
        if self.state in {"single", "ansi"}:
            return f'\'"{value}"' + ("'" if self.state == "single" else "$'")
        if self.state == "comment":
            return f"${name}"
        if variable.raw:
            return f"${name}" if variable.always and not re.match(r"\w", following) else value
        if not variable.always:
            return f'${{{name}:+"${name}"}}'
        return f'"${name}"'

    def single(self) -> None:
        if self.text[self.at] == "'":
            self.stack.pop()
        self.take()

    def ansi(self) -> None:
        if self.text[self.at] == "\\":
            self.take(2)
            return
        self.single()

    def comment(self) -> None:
        if self.text[self.at] == "\n":
            self.stack.pop()
            return
        self.take()

    def double(self) -> None:
        character = self.text[self.at]
        if character == "\\":
            self.take(2)
        elif character == '"':
            self.stack.pop()
            self.take()
        elif not self.opens():
            self.take()

    def brace(self) -> None:
        character = self.text[self.at]
        if character == "}":
            self.stack.pop()
            self.take()
        elif character == "\\":
            self.take(2)
        elif character == '"':
            self.stack.append("double")
            self.take()
        elif not self.opens():
            self.take()

    def opens(self) -> bool:
        """Enter a substitution, in quotes or out of them."""
        for mark, state in (("$((", "arithmetic"), ("$(", "substitution"), ("${", "brace")):
            if self.text.startswith(mark, self.at):
                self.stack.append(state)
                self.take(len(mark))
                return True
        if self.text[self.at] == "`":
            if "backtick" in self.stack and self.state == "backtick":
                self.stack.pop()
            else:
                self.stack.append("backtick")
            self.take()
            return True
        return False

    def plain(self) -> None:
        character = self.text[self.at]
        if character == "\n":
            self.take()
            self.heredocs()
        elif character == "\\":
            self.take(2)
        elif self.state == "arithmetic" and self.text.startswith("))", self.at):
            self.stack.pop()
            self.take(2)
        elif character == "'":
            self.stack.append("single")
            self.take()
        elif self.text.startswith("$'", self.at):
            self.stack.append("ansi")
            self.take(2)
        elif character == '"':
            self.stack.append("double")
            self.take()
        elif character == "#" and re.search(r"(^|[\s;&|(])$", self.text[max(0, self.at - 1) : self.at]):
            self.stack.append("comment")
            self.take()
        elif not self.opens() and not self.heredoc():
            self.parenthesis(character)

    def parenthesis(self, character: str) -> None:
        if character == "(" and self.state == "substitution":
            self.stack.append("group")
        elif character == ")" and self.state in {"substitution", "group"}:
            self.stack.pop()
        self.take()

    def heredoc(self) -> bool:
        """`<<WORD`: what it holds is looked at when its line ends."""
        if (
            self.state == "arithmetic"
            or self.text.startswith("<<<", self.at)
            or self.text[self.at - 1 : self.at] == "<"
        ):
            return False
        match = HEREDOC.match(self.text, self.at)
        if match is None:
            return False
        word = match[2] or match[3] or match[4].lstrip("\\")
        literal = match[4] is None or match[4].startswith("\\")
        if not re.search(rf"^\t*{re.escape(word)}$", self.text[match.end() :], re.MULTILINE):
            return False
        self.pending.append((word, literal, bool(match[1]), len(self.out)))
        self.take(match.end() - match.start())
        return True

    def heredocs(self) -> None:
        pending, self.pending = self.pending, []
        for word, literal, tabs, place in pending:
            body = []
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end + 1
                line = self.text[self.at : end]
                self.at = end
                body.append(line)
                if (line.lstrip("\t") if tabs else line).rstrip("\n") == word:
                    break
            self.out.append(self.document("".join(body), literal=literal, place=place, word=word, tabs=tabs))

    def document(self, body: str, *, literal: bool, place: int, word: str, tabs: bool) -> str:
        """The body with variables; one that was literal is escaped, since only so a variable can stand in it."""
        found: list[str] = []
        index, hit = 0, False
        while index < len(body):
            match = self.find(body, index)
            if match:
                name = match[0].name
                found.append(f"${{{name}}}" if match[0].always else f"${{{name}-}}")
                index, hit = match[1], True
                continue
            found.append("\\" + body[index] if literal and body[index] in "\\$`" else body[index])
            index += 1
        if literal and not hit:
            return body
        if literal:
            self.out[place] = f"<<{'-' if tabs else ''}{word}"
        return "".join(found)


def rewritten(text: str, find: Find) -> str:
    """The text with each thing that Rundeck pasted replaced by a variable."""
    return Rewriting(text, find).done()
