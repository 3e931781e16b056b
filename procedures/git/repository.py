"""A bare mirror of one branch: commits, folders and blobs are read from it, and nothing is ever checked out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from procedures.domain.bundle import MAX_BYTES, MAX_FILES, BundleRefused
from procedures.git.call import GitFailed, git

PLAIN_MODES = {"100644", "100755"}
FIELDS = ("%H", "%an", "%ae", "%cn", "%ce", "%G?", "%GS", "%GF", "%s", "%(trailers:key=Co-authored-by,valueonly)")
MAX_COMMITS = 2_000
REF = "refs/heads/source"


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit. `people` are (role, name, e-mail); `signature` is git's letter (G good, N none, B bad, U, E …)."""

    id: str
    people: tuple[tuple[str, str, str], ...]
    signature: str
    signer: str
    fingerprint: str
    subject: str


@dataclass(frozen=True, slots=True)
class Repository:
    """The mirror in `folder`. `ssh_key` is the deploy key's file, which may be absent."""

    folder: Path
    ssh_key: Path | None = None

    def fetch(self, url: str, branch: str) -> str:
        """Bring the branch here and give its commit. What was fetched before stays. Raises GitFailed."""
        if not (self.folder / "HEAD").exists():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            git(self.folder, ["init", "-q", "--bare", "--template="])
        wanted = f"+refs/heads/{branch}:{REF}"
        words = ["fetch", "-q", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--", url, wanted]
        git(self.folder, words, ssh_key=self.ssh_key)
        commit = git(self.folder, ["rev-parse", "--verify", f"{REF}^{{commit}}"]).decode().strip()
        git(self.folder, ["update-ref", f"refs/seen/{commit}", commit])
        return commit

    def procedures(self, commit: str, path: str) -> dict[str, str]:
        """Folders below `path` that hold a procedure.yaml, with the digest of their tree."""
        where = [path] if path else []
        listed = git(self.folder, ["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, "--", *where])
        names = listed.decode("utf-8", "replace").split("\0")
        folders = [name.rpartition("/")[0] for name in names if name.rpartition("/")[2] == "procedure.yaml"]
        return {folder: self.tree(commit, folder) for folder in sorted(folders)}

    def tree(self, commit: str, folder: str) -> str:
        return git(self.folder, ["rev-parse", "--verify", f"{commit}:{folder}"]).decode().strip()

    def files(self, commit: str, folder: str) -> dict[str, bytes]:
        """The bundle of a folder, blob by blob. Raises BundleRefused for links, submodules and too much."""
        listed = git(self.folder, ["ls-tree", "-r", "-z", "-l", "--full-tree", f"{commit}:{folder}"])
        rows = [row for row in listed.decode("utf-8", "surrogateescape").split("\0") if row]
        wanted: dict[str, str] = {}
        total = 0
        for row in rows:
            about, _, path = row.partition("\t")
            mode, kind, blob, size = about.split()
            if mode not in PLAIN_MODES or kind != "blob":
                told = {"120000": "a link", "160000": "a submodule"}.get(mode, f"of mode {mode}")
                raise BundleRefused(f"{path} is {told}.", rule="symlink", path=path)
            total += int(size)
            if total > MAX_BYTES or len(wanted) >= MAX_FILES:
                raise BundleRefused("The folder holds more than 5 MiB or too many files.")
            wanted[path] = blob
        return self._blobs(wanted)

    def _blobs(self, wanted: dict[str, str]) -> dict[str, bytes]:
        if not wanted:
            return {}
        out = git(self.folder, ["cat-file", "--batch"], stdin="".join(f"{b}\n" for b in wanted.values()).encode())
        found: dict[str, bytes] = {}
        for path in wanted:
            head, _, out = out.partition(b"\n")
            size = int(head.split()[2])
            found[path], out = out[:size], out[size + 1 :]
        return found

    def descends(self, old: str, new: str) -> bool:
        """Whether `new` was built on `old`; no means that history was rewritten."""
        try:
            git(self.folder, ["merge-base", "--is-ancestor", old, new])
        except GitFailed:
            return False
        return True

    def last(self, commit: str, folder: str) -> str:
        """The newest commit that touched a folder."""
        return git(self.folder, ["log", "-1", "--format=%H", commit, *_below(folder)]).decode().strip() or commit

    def commits(self, spans: Sequence[str], folder: str, signers: Path) -> list[Commit]:
        """Commits of these ranges (`new`, `old..new`) that touched a folder, newest first, signatures checked."""
        form = "%x00".join(FIELDS)  # the one byte that no name, address or subject can hold
        checks = [("gpg.format", "ssh"), ("gpg.ssh.allowedSignersFile", str(signers)), ("log.showSignature", "false")]
        words = ["log", "-z", f"--max-count={MAX_COMMITS}", f"--format={form}", *spans, *_below(folder)]
        out = git(self.folder, words, more=checks).decode("utf-8", "replace").split("\0")
        return [_commit(*out[at : at + len(FIELDS)]) for at in range(0, len(out) - 1, len(FIELDS))]


def _below(folder: str) -> list[str]:
    """Git's words for a folder; the root has no name that git takes."""
    return ["--", folder] if folder else []


def _commit(
    id: str,
    author: str,
    author_mail: str,
    committer: str,
    committer_mail: str,
    letter: str,
    signer: str,
    mark: str,
    subject: str,
    trailers: str,
) -> Commit:
    people = [("author", author, author_mail), ("committer", committer, committer_mail)]
    for line in trailers.splitlines():
        name, _, rest = line.strip().partition("<")
        if name.strip() or rest:
            people.append(("co-author", name.strip(), rest.partition(">")[0].strip()))
    return Commit(id.strip(), tuple(people), letter.strip(), signer.strip(), mark.strip(), subject.strip()[:200])
