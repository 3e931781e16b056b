"""`publish:git`, `publish:github` and `publish:github:pull-request`: the run's workspace, pushed for real.

Ids and inputs are Backstage's own; the token is the step's credential, never an input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from procedures.actions import git_remote
from procedures.actions.git_remote import COMMIT, LINE, SSH, CredentialElsewhere, Publishing
from procedures.actions.github import GitHub
from procedures.actions.reach import Ending
from procedures.domain.errors import OpsError
from procedures.domain.ports import ActionCall, ActionIO, ActionResult
from procedures.domain.repositories import Repository, RepositoryRefused, base_problem, branch, repository
from procedures.git import push

HOSTS = {"type": "array", "items": {"type": "string", "maxLength": 300}}
BRANCH = {"type": "string", "minLength": 1, "maxLength": 200}
TEXT = {"type": "string", "maxLength": 20_000}
SWITCHES: Mapping[str, str] = {
    "deleteBranchOnMerge": "delete_branch_on_merge",
    "allowMergeCommit": "allow_merge_commit",
    "allowSquashMerge": "allow_squash_merge",
    "allowRebaseMerge": "allow_rebase_merge",
    "allowAutoMerge": "allow_auto_merge",
    "hasProjects": "has_projects",
    "hasWiki": "has_wiki",
    "hasIssues": "has_issues",
}
OUTPUT: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "remoteUrl": {"type": "string"},
        "repoContentsUrl": {"type": "string"},
        "commitHash": {"type": "string"},
    },
}


def named(call: ActionCall) -> Repository:
    """The repository that a step names, on one of its allowed hosts. Raises RepositoryRefused."""
    found = repository(call.input["repoUrl"])
    allowed = call.input.get("allowedHosts") or [found.host]
    if found.host not in allowed:
        raise RepositoryRefused(f"{found.host} is not one of the step's allowed hosts.")
    return found


class PublishGit(Publishing):
    """An existing, empty repository, by its address."""

    id: ClassVar[str] = "publish:git"
    summary: ClassVar[str] = "Pushes the run's workspace to a branch of a git repository."
    fixed: ClassVar[tuple[str, ...]] = ("remoteUrl", "defaultBranch")
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["remoteUrl"],
        "additionalProperties": False,
        "properties": {"remoteUrl": {**LINE, "minLength": 1}, "defaultBranch": BRANCH, **COMMIT},
    }
    output_schema: ClassVar[Mapping[str, Any]] = OUTPUT

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        url = str(call.input["remoteUrl"])
        host_and_path(url)
        return {"pushes to": url, "branch": branch(call.input.get("defaultBranch", "main")), **git_remote.what(call)}

    def published(self, call: ActionCall, io: ActionIO, stop: Ending) -> ActionResult:
        url, tip = str(call.input["remoteUrl"]), branch(call.input.get("defaultBranch", "main"))
        host, path = host_and_path(url)
        lease = git_remote.lent(call, host)
        if ("private_key" in lease.material) != url.startswith("ssh://"):
            raise CredentialElsewhere("An address over ssh takes a key, one over https a token.")
        return _pushed(call, io, git_remote.remote(call, io, lease, path, stop), tip, url, url)


def host_and_path(url: str) -> tuple[str, str]:
    """`("git.example.com", "/team/x.git")` of an address to push to. Raises RepositoryRefused."""
    if (found := SSH.fullmatch(url)) and ".." not in found[4].split("/"):
        return found[2] + (f":{found[3]}" if found[3] else ""), found[4]
    parts = urlsplit(url)
    if base_problem(url) or ".." in parts.path.split("/") or len(parts.path) < 2:
        raise RepositoryRefused(f"{url[:200]!r} is no address ssh://user@host/path or https://host/path.")
    return parts.netloc, parts.path


class PublishGithub(Publishing):
    """A repository that is made for it."""

    id: ClassVar[str] = "publish:github"
    summary: ClassVar[str] = "Makes a GitHub repository and pushes the run's workspace to it."
    fixed: ClassVar[tuple[str, ...]] = ("repoUrl", "defaultBranch", "repoVisibility", "allowedHosts")
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["repoUrl"],
        "additionalProperties": False,
        "properties": {
            "repoUrl": {"type": "string", "minLength": 1, "maxLength": 1000},
            "description": TEXT,
            "homepage": LINE,
            "defaultBranch": BRANCH,
            "repoVisibility": {"enum": ["private", "public", "internal"]},
            "allowedHosts": HOSTS,
            **{name: {"type": "boolean"} for name in SWITCHES},
            **COMMIT,
        },
    }
    output_schema: ClassVar[Mapping[str, Any]] = OUTPUT

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        where = named(call)
        return {
            "makes": where.page,
            "visibility": call.input.get("repoVisibility", "private"),
            "description": call.input.get("description", ""),
            "branch": branch(call.input.get("defaultBranch", "main")),
            "settings": {name: call.input[name] for name in SWITCHES if name in call.input},
            **git_remote.what(call),
        }

    def published(self, call: ActionCall, io: ActionIO, stop: Ending) -> ActionResult:
        where, tip = named(call), branch(call.input.get("defaultBranch", "main"))
        lease = git_remote.lent(call, where.host)
        remote = git_remote.remote(call, io, _with_token(lease), f"/{where.owner}/{where.name}.git", stop)
        visibility = str(call.input.get("repoVisibility", "private"))
        wanted: dict[str, Any] = {"private": visibility != "public", "visibility": visibility}
        wanted |= {key: str(call.input[key]) for key in ("description", "homepage") if call.input.get(key)}
        wanted |= {name: call.input[key] for key, name in SWITCHES.items() if key in call.input}
        GitHub(call, lease, stop).make(where, wanted)
        io.write("stdout", f"made {where.page}, {visibility}\n".encode())
        if stop.is_set():
            return ActionResult("canceled", message=f"Stopped after {where.page} was made, before anything was pushed.")
        return _pushed(call, io, remote, tip, f"{where.page}.git", f"{where.page}/blob/{tip}")


def _with_token(lease: Any) -> Any:
    if "token" not in lease.material:
        raise CredentialElsewhere("GitHub's API takes a token; the credential is a key.")
    return lease


def _pushed(call: ActionCall, io: ActionIO, remote: push.Remote, tip: str, address: str, contents: str) -> ActionResult:
    """Commit and push, and keep the commit for `catalog:register`."""
    folder = git_remote.repository_folder(call, contents)
    if folder.exists():
        raise OpsError(f"This run has published {contents} already.")
    push.make(folder)
    made = git_remote.committed(call, folder, str(call.input.get("gitCommitMessage") or "initial commit"))
    push.push(folder, remote, tip)
    io.write("stdout", f"pushed {made.files:,} files as {made.commit} to {tip}\n".encode())
    return ActionResult(
        "succeeded",
        output={"remoteUrl": address, "repoContentsUrl": contents, "commitHash": made.commit},
        facts={"repository": address, "branch": tip, "commit": made.commit, "address": remote.address},
    )


class PublishGithubPullRequest(Publishing):
    """A branch beside an existing one, and the request to merge it."""

    id: ClassVar[str] = "publish:github:pull-request"
    summary: ClassVar[str] = "Pushes the run's workspace to a new branch and opens a pull request."
    fixed: ClassVar[tuple[str, ...]] = ("repoUrl", "targetBranchName", "allowedHosts")
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["repoUrl", "branchName", "title", "description"],
        "additionalProperties": False,
        "properties": {
            "repoUrl": {"type": "string", "minLength": 1, "maxLength": 1000},
            "branchName": BRANCH,
            "targetBranchName": BRANCH,
            "title": {"type": "string", "minLength": 1, "maxLength": 300},
            "description": TEXT,
            "draft": {"type": "boolean"},
            "targetPath": {"type": "string", "maxLength": 1000},
            "commitMessage": {"type": "string", "maxLength": 5000},
            "allowedHosts": HOSTS,
            **{name: rules for name, rules in COMMIT.items() if name != "gitCommitMessage"},
        },
    }
    output_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "remoteUrl": {"type": "string"},
            "pullRequestNumber": {"type": "integer"},
            "targetBranchName": {"type": "string"},
        },
    }

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        return {
            "asks to merge into": named(call).page,
            "branch": call.input["branchName"],
            "onto": call.input.get("targetBranchName") or "the default branch",
            "title": call.input["title"],
            "description": call.input["description"],
            "below": call.input.get("targetPath") or ".",
            "draft": call.input.get("draft", False),
            **git_remote.what(call),
        }

    def published(self, call: ActionCall, io: ActionIO, stop: Ending) -> ActionResult:
        where, tip = named(call), branch(call.input["branchName"])
        lease = _with_token(git_remote.lent(call, where.host))
        remote = git_remote.remote(call, io, lease, f"/{where.owner}/{where.name}.git", stop)
        host = GitHub(call, lease, stop)
        onto = branch(call.input.get("targetBranchName") or host.default_branch(where))
        folder = git_remote.repository_folder(call, f"{where.page}/blob/{tip}")
        push.make(folder)
        base = push.take(folder, remote, onto)
        title = str(call.input["title"])
        made = git_remote.committed(call, folder, str(call.input.get("commitMessage") or title), base=base)
        push.push(folder, remote, tip)
        io.write("stdout", f"pushed {made.files:,} files as {made.commit} to {tip}\n".encode())
        if stop.is_set():
            return ActionResult("canceled", message=f"Stopped after {tip} was pushed, before a request was opened.")
        asked = {"title": title, "head": tip, "base": onto, "body": str(call.input["description"])}
        number = host.open_pull(where, {**asked, "draft": bool(call.input.get("draft", False))})
        return ActionResult(
            "succeeded",
            output={"remoteUrl": f"{where.page}/pull/{number}", "pullRequestNumber": number, "targetBranchName": onto},
            facts={"repository": where.page, "branch": tip, "commit": made.commit, "address": remote.address},
        )
