"""What scripts fetch at run time without a digest, so that it is chosen after reviewers have looked (H3)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator

from procedures.definitions.lint.notes import Notes
from procedures.definitions.lint.programs import is_kept, logical_lines
from procedures.definitions.lint.texts import decoded

READ = re.compile(r"(^|/)(Dockerfile[\w.-]*|Containerfile|Makefile)$|\.(sh|bash|py|rb|pl|ya?ml|tf|tpl|j2|json|ps1)$")
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}\b")
COMMIT = re.compile(r"\b[0-9a-f]{40}\b|\b[0-9a-f]{64}\b")
INTERPRETER = (
    r"(?:sudo\s+(?:-\w+\s+)*)?(?:env\s+(?:\S+=\S+\s+)*)?(?:\S*/)?(?:(?:ba|da|z|k)?sh|python[\d.]*|perl|ruby|node)\b"
)
FETCHER = r"\b(?:curl|wget|fetch|http|aria2c)\b"
CURL_SH = re.compile(
    rf"{FETCHER}[^\n;]*\|\s*(?:tee\s+\S+\s*\|\s*)?{INTERPRETER}"
    rf"|\b(?:sh|bash|source|eval)\b[^\n;|]*[<$]\(\s*{FETCHER}"
    rf"|(?:^|[\s;&|])\.\s+<\(\s*{FETCHER}"
    rf"|\b(?:eval|sh\s+-c|bash\s+-c)\b[^\n]*`\s*{FETCHER}"
    r"|\b(?:iex|Invoke-Expression)\b[^\n]*\b(?:iwr|irm|Invoke-WebRequest|DownloadString)\b"
)
SAVED = re.compile(rf"{FETCHER}[^\n]*?(?:-o\s*|-O\s+|--output[= ]|--output-document[= ]|>\s*)(?!-)[\"']?([^\s\"';|&]+)")
CHECKED = re.compile(r"\b(sha256sum|sha512sum|shasum|cosign\s+verify|gpg\s+--verify|minisign|b2sum)\b")
PIP = re.compile(r"\b(?:pip[\d.]*|pipx|uv\s+pip|uv\s+tool)\s+(?:-\S+\s+)*(?:install|run)\b([^\n;|&]*)")
NODE = re.compile(r"\b(?:npm\s+(?:install|i|add|exec)|yarn\s+(?:add|dlx)|pnpm\s+(?:add|dlx|install)|npx|bunx)\b(?!-)")
OTHERS = re.compile(
    r"\bgem\s+install\b|\bgo\s+(?:install|run)\s+\S+@(?!v?\d+\.\d+\.\d+-\S*[0-9a-f]{12})\S+|\bcargo\s+install\b"
    r"|\bcpan[m]?\s+\S|\bcomposer\s+require\b|\buvx\s+\S"
)
GALAXY = re.compile(r"\bansible-galaxy\s+(?:(?:role|collection)\s+)?install\b|\bansible-pull\b")
CLONE = re.compile(r"\bgit\s+(?:-\S+\s+(?:\S+\s+)?)*(?:clone|pull|submodule\s+update)\b")
REMOTE = re.compile(
    r"\bkubectl\s[^\n;|&]*(?:-f|--filename|-k|--kustomize)[= ]?[\"']?(?:https?://|github\.com/)\S*"
    r"|\bhelm\s+(?:install|upgrade|template|pull)\b[^\n;|&]*(?:https?://|oci://|--repo[= ])\S*"
)
CONTAINER = re.compile(r"\b(?:docker|podman|nerdctl)\s+(?:container\s+|image\s+)?(run|pull|create)\b([^\n;|&]*)")
KUBE_IMAGE = re.compile(r"\bkubectl\s+(?:run|set\s+image|create\s+deployment)\b([^\n;|&]*)")
FROM = re.compile(r"^\s*FROM\s+(?:--platform=\S+\s+)?(\S+)", re.IGNORECASE)
FLAGS = re.compile(
    r"^(-[ditPq]+|--(rm|detach|interactive|tty|init|privileged|quiet|read-only|publish-all|no-healthcheck))$"
)
DOWNLOADS = 50
Check = Callable[[str, str], "tuple[str, str] | None"]


def lint(notes: Notes) -> None:
    for path, content in notes.programs():
        text = decoded(path, content)
        if text is None or is_kept(notes, path) or not (READ.search(path) or text.startswith("#!")):
            continue
        lines = list(logical_lines(text))
        pinned = bool(COMMIT.search(text))
        for number, line in lines:
            for code, message in _line(notes, path, line, pinned=pinned) if line.strip() else ():
                notes.at(path, number, len(line) - len(line.lstrip()) + 1, code, message)
        _downloads(notes, path, lines)


def _line(notes: Notes, path: str, line: str, *, pinned: bool) -> Iterator[tuple[str, str]]:
    if CURL_SH.search(line):
        yield "curl-sh", "This runs code that reviewers have not seen."
    yield from _packages(notes, line)
    if not pinned and CLONE.search(line):
        yield "clone", "What is cloned is chosen when it runs."
    if (match := REMOTE.search(line)) and not DIGEST.search(line):
        yield "remote-manifest", f"{match[0][-80:]} is read when it runs."
    yield from (("image-tag", f"The image {image} is named without a digest.") for image in _images(path, line))


def _packages(notes: Notes, line: str) -> Iterator[tuple[str, str]]:
    match = PIP.search(line)
    if match and not re.search(r"--require-hashes|--no-index|\s\./\S+|\s-e\s+\.", match[1]):
        yield "package-install", f"{match[0].strip()[:80]} takes what the index offers when it runs."
    if NODE.search(line):
        yield "package-install", "The packages are chosen when it runs; npm ci follows the lock file."
    if re.search(r"\bnpm\s+ci\b", line) and not any(p.endswith("package-lock.json") for p in notes.files):
        yield "package-install", "npm ci without a package-lock.json in the bundle."
    if match := OTHERS.search(line):
        yield "package-install", f"{match[0]} takes what is newest when it runs."
    if GALAXY.search(line):
        yield "galaxy", "Roles and collections are chosen when it runs."


def _images(path: str, line: str) -> Iterator[str]:
    if re.search(r"(^|/)(Dockerfile[\w.-]*|Containerfile)$", path):
        match = FROM.search(line)
        if match and match[1] != "scratch" and not DIGEST.search(match[1]) and not match[1].startswith("$"):
            yield match[1]
    for match in CONTAINER.finditer(line):
        image = _first_word(match[2])
        if image and not image.startswith("$") and not DIGEST.search(image):
            yield image
    for match in KUBE_IMAGE.finditer(line):
        for image in re.findall(r"--image[= ](\S+)|\s\w[\w.*-]*=(\S+[:/]\S+)", match[1]):
            named = (image[0] or image[1]).strip("\"'")
            if not named.startswith("$") and not DIGEST.search(named):
                yield named


def _first_word(rest: str) -> str:
    """The first word that is no option: options that are no known flags take a value."""
    try:
        words = shlex.split(rest)
    except ValueError:
        words = rest.split()
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            return word
        if "=" not in word and not FLAGS.match(word) and words:
            words.pop(0)
    return ""


def _downloads(notes: Notes, path: str, lines: list[tuple[int, str]]) -> None:
    """Files that are downloaded and then run, with nothing in the script that checks them."""
    whole = "\n".join(line for _, line in lines)
    if CHECKED.search(whole):
        return
    left = DOWNLOADS
    for number, line in lines:
        for match in SAVED.finditer(line):
            left -= 1
            if left < 0:
                notes.at(path, number, 1, "download-run", f"It downloads more than {DOWNLOADS} files, some unchecked.")
                return
            name, base = re.escape(match[1]), re.escape(match[1].rpartition("/")[2])
            runs = (
                rf"{INTERPRETER}\s+[\"']?(?:{name}|\./{base})",
                rf"chmod\s+\S*x\S*\s+[^\n]*{base}",
                rf"^\s*\./{base}",
            )
            if any(re.search(form, whole, re.MULTILINE) for form in runs):
                notes.at(path, number, 1, "download-run", f"{match[1]} is downloaded and run unchecked.")
