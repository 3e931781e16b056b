"""Builds the offline verifier page: one file of the modules, which an auditor saves and opens without a network.

`manage.py verifier-page` writes procedures/evidence/verify.html anew; the same sources give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys

from opsportal.bootstrap import ROOT

WEB = ROOT / "procedures" / "web"
MODULES = WEB / "static" / "opsportal" / "js" / "evidence"
OFFLINE = WEB / "offline"
BUILT = ROOT / "procedures" / "evidence" / "verify.html"
IMPORT = re.compile(r'^import \{ ([\w, ]+) \} from "\./(\w+\.js)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) (\w+))", re.MULTILINE)


def main(arguments: list[str]) -> int:
    """Write the page; with --check only say whether it is what its sources give."""
    page = built()
    if "--check" in arguments:
        if BUILT.read_text() == page:
            return 0
        sys.stderr.write("verify.html is not what its sources give: python3 manage.py verifier-page\n")
        return 1
    BUILT.write_text(page)
    sys.stderr.write(f"{BUILT.relative_to(ROOT)}: SHA-256 {hashlib.sha256(page.encode()).hexdigest()}\n")
    return 0


def built() -> str:
    """The page as its sources give it. No script runs in it but the two that stand in it."""
    engine, script = bundled("worker.js"), f'"use strict";\n{(OFFLINE / "offline.js").read_text()}'
    style = (OFFLINE / "offline.css").read_text()
    for text in (engine, script):
        if "</script" in text or "<!--" in text:
            raise ValueError("a script would end before its end")
    csp = [f"script-src '{_digest(script)}'", f"style-src '{_digest(style)}'", "worker-src blob:"]
    policy = "; ".join(["default-src 'none'", *csp, "base-uri 'none'", "form-action 'none'"])
    page = (OFFLINE / "offline.html").read_text()
    for name, text in (("csp", policy), ("style", style), ("engine", engine), ("script", script)):
        page = page.replace("{" + name + "}", text, 1)
    return page


def bundled(first: str) -> str:
    """A module and all that it imports, each in a function of its own, those first on which others rest."""
    order: list[str] = []
    _visit(first, order, [])
    return "\n".join(['"use strict";', "const modules = {};", *map(_wrapped, order), ""])


def _visit(name: str, order: list[str], above: list[str]) -> None:
    if name in above:
        raise ValueError(f"modules import each other: {' > '.join([*above, name])}")
    for _, wanted in IMPORT.findall((MODULES / name).read_text()):
        if wanted not in order:
            _visit(wanted, order, [*above, name])
    order.append(name)


def _wrapped(name: str) -> str:
    text = (MODULES / name).read_text()
    given = EXPORT.findall(text)
    text = EXPORT.sub("", IMPORT.sub(_taken, text))
    if re.search(r"^(import|export)\b", text, re.MULTILINE):
        raise ValueError(f"{name} imports or exports in a form that is not known here")
    return f'modules["{name}"] = (() => {{\n{text}return {{ {", ".join(given)} }};\n}})();'


def _taken(found: re.Match[str]) -> str:
    return f'const {{ {found[1].replace(" as ", ": ")} }} = modules["{found[2]}"];\n'


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
