"""Git sources: what was pushed becomes versions in review, with every person behind it as an author (rule 16)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from procedures import access
from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed, NotFound, OpsError
from procedures.domain.pushes import Push
from procedures.git.call import GitFailed
from procedures.git.repository import MAX_COMMITS, Commit, Repository
from procedures.models import EnrolledKey, HookDelivery, Membership, Person, Source, SourceFinding, Version
from procedures.services.source_homes import repository_of, require_home
from procedures.services.unit import thing
from procedures.services.versions import SameBytes, submit_version


class Unowned(IllegalState):
    """Whoever answered for the source has left."""

    code = "source.unowned"
    next_step = "An access manager proposes the source again with another owner, on the page Sources."


def due(*, at: datetime) -> list[str]:
    """Names of the sources to look at now: those that were asked for, and those not looked at for a while.

    One whose owner left rests until somebody else answers for it: nothing is fetched in the name of a leaver.
    """
    every = timedelta(seconds=settings.OPSPORTAL_SOURCE_POLL_S)
    rows = Source.objects.filter(ended_at__isnull=True, owner__is_active=True).order_by("name")
    return [row.name for row in rows if _is_due(row, at, every)]


def _is_due(row: Source, at: datetime, every: timedelta) -> bool:
    if row.looked_at is None or (row.asked_at is not None and row.asked_at > row.looked_at):
        return True
    return row.looked_at + every <= at


def taken(*, name: str, push: Push, at: datetime) -> bool:
    """Note a signed push, to be looked at within a second; False for a delivery that was taken before."""
    with transaction.atomic():
        row = Source.objects.select_for_update().filter(name=name, ended_at__isnull=True).first()
        if row is None:
            return False
        if push.delivery:
            _, fresh = HookDelivery.objects.get_or_create(source=row, delivery=push.delivery, defaults={"at": at})
            if not fresh:
                return False
        if push.ref in {"", f"refs/heads/{row.branch}"}:
            row_of = {"name": push.name, "email": push.email, "after": push.after}
            named = [row_of] if push.name or push.email else []
            Source.objects.filter(pk=row.pk).update(asked_at=at, pushers=[*row.pushers, *named][-20:])
        return True


@thing
def ask_for_a_look(*, actor: Person, source: str, at: datetime) -> Source:
    """Somebody who may author wants a source to be looked at now. Raises NotAllowed, NotFound, Unowned."""
    access.require(actor, "author", at=at)
    row = Source.objects.filter(name=source, ended_at__isnull=True).first()
    if row is None:
        raise NotFound("There is no such source.")
    if not row.owner.is_active:
        raise Unowned(unowned(row))
    Source.objects.filter(pk=row.pk).update(asked_at=at)
    row.asked_at = at
    return row


@thing
def hook_of(*, actor: Person, source: str, at: datetime, bearer: bool = False) -> Source:
    """The source with the secret that signs its webhooks: whoever has that can name pushers (H10, H20).

    Raises NotAllowed, also for a bearer token, NotFound.
    """
    if bearer:
        raise NotAllowed("A bearer token does not get the secret of a source: sign in for that.")
    access.require(actor, "manage_access", at=at)
    row = Source.objects.filter(name=source, ended_at__isnull=True).first()
    if row is None:
        raise NotFound("There is no such source.")
    return row


def look(*, name: str, at: datetime) -> list[Version]:
    """Fetch a source and submit what changed; one bad folder never stops the others. Returns the new versions."""
    source = Source.objects.select_related("owner").get(name=name)
    if not source.owner.is_active:
        note_failure(name=name, problem=unowned(source), at=at)
        return []
    try:
        repository = repository_of(source)
        commit = repository.fetch(source.url, source.branch)
        folders = repository.procedures(commit, source.path)
    except (GitFailed, OSError) as problem:
        note_failure(name=name, problem=str(problem), at=at)
        return []
    made: list[Version] = []
    findings: list[tuple[str, str]] = []
    for folder, tree in folders.items():
        try:
            version = _take(source, repository, commit, folder, tree, at, folders)
        except OpsError as problem:
            findings += _told(folder or ".", problem)
            continue
        except OSError as problem:
            findings.append((folder, f"This machine could not check it: {problem}. It is looked at again."))
            continue
        made += [version] if version else []
    with transaction.atomic():
        SourceFinding.objects.filter(source=source).delete()
        SourceFinding.objects.bulk_create(
            SourceFinding(source=source, commit=commit, path=path[:500], message=message, at=at)
            for path, message in findings
        )
        row = Source.objects.select_for_update().get(pk=name)
        later = [pusher for pusher in row.pushers if pusher not in source.pushers]
        Source.objects.filter(pk=name).update(looked_at=at, commit=commit, problem="", pushers=later)
    return made


def unowned(source: Source) -> str:
    return f"{source.owner} has left: nothing is fetched until another person answers for it."


def note_failure(*, name: str, problem: str, at: datetime) -> None:
    """A look that came to nothing is told on the source's page, and its next one waits for its turn."""
    Source.objects.filter(pk=name).update(looked_at=at, problem=problem[:1000])


def _told(folder: str, problem: OpsError) -> list[tuple[str, str]]:
    if isinstance(problem, InvalidInput):
        return [(folder, message) for _, message in problem.problems]
    return [(folder, f"{problem.message} {problem.next_step}")]


def _take(
    source: Source,
    repository: Repository,
    commit: str,
    folder: str,
    tree: str,
    at: datetime,
    folders: Collection[str],
) -> Version | None:
    """A new version of one folder, or None if its bytes are known already."""
    known = Version.objects.filter(origin__source=source.name, origin__folder=folder)
    newest = known.order_by("-submitted_at").first()
    if newest is not None and newest.origin["tree"] == tree:
        return None
    files = repository.files(commit, folder)
    require_home(source, folder, folders, files)
    commits, rewritten = _history(source, repository, commit, folder)
    people, strangers = _people(source, commits)
    unseen = len(commits) >= MAX_COMMITS
    vouched = _named_tip(source, commit) or (bool(commits) and all(one.signature == "G" for one in commits))
    submitter = _submitter(source, at)
    origin = {
        "source": source.name,
        "folder": folder,
        "tree": tree,
        "commit": (here := repository.last(commit, folder)),
        "link": link(source.url, here),
        "rewritten": rewritten,
        "signature": _signature(commits),
        "commits": [{"id": c.id, "subject": c.subject, "signature": c.signature} for c in commits[:50]],
        "strangers": strangers,
        "vouched": vouched,
    }
    try:
        return submit_version(
            actor=submitter,
            files=files,
            note=commits[0].subject if commits else "",
            at=at,
            authors=[*people, *(_everybody(source) if strangers or unseen or not vouched else [])],
            origin=origin,
        )
    except SameBytes:
        return None


def _named_tip(source: Source, commit: str) -> bool:
    """Whether a signed hook names who pushed exactly this commit: whoever pushed another vouches for nothing (H10)."""
    return any(row.get("after") == commit for row in source.pushers)


def _history(source: Source, repository: Repository, commit: str, folder: str) -> tuple[list[Commit], bool]:
    """Commits since the last accepted version of this folder, and whether history was rewritten since.

    Of a rewritten history both sides count: whoever wrote what was thrown away is an author too.
    """
    accepted = Version.objects.filter(origin__source=source.name, origin__folder=folder, accepted_at__isnull=False)
    last = accepted.order_by("-accepted_at").first()
    old = last.origin["commit"] if last else ""
    seen = source.commit
    rewritten = bool(seen) and not repository.descends(seen, commit)
    spans = [commit, *([f"^{old}"] if old and repository.descends(old, commit) else [])]
    if rewritten:
        spans = [commit, seen, *([f"^{old}"] if old else [])]
    return repository.commits(spans, folder, _signers(repository)), rewritten


def _signers(repository: Repository) -> Path:
    """The keys of people who sign, as git wants to read them."""
    place = repository.folder.with_suffix(".signers")
    rows = EnrolledKey.objects.filter(revoked_at__isnull=True, method="ssh").select_related("person")
    place.write_text("".join(f'{row.person.username} namespaces="git" {row.public}\n' for row in rows))
    return place


def _people(source: Source, commits: Sequence[Commit]) -> tuple[list[Person], list[str]]:
    """Everybody behind these commits whom the portal knows, and the names of those whom it does not."""
    named = [(name, mail) for commit in commits for _, name, mail in commit.people]
    named += [(row.get("name", ""), row.get("email", "")) for row in source.pushers]
    found: dict[int, Person] = {}
    strangers: list[str] = []
    for name, mail in dict.fromkeys(named):
        person = _known(name, mail)
        if person is not None:
            found[person.pk] = person
        else:
            strangers.append(f"{name} <{mail}>"[:200])
    for commit in commits:
        signer = Person.objects.filter(username=commit.signer).first() if commit.signature == "G" else None
        if signer is not None:
            found[signer.pk] = signer
    return list(found.values()), strangers


def _known(name: str, mail: str) -> Person | None:
    """By e-mail; a forge's login without one by its name. Two people of one address are nobody in particular."""
    rows = Person.objects.filter(email__iexact=mail) if mail else Person.objects.filter(username=name)
    people = list(rows[:2])
    return people[0] if len(people) == 1 else None


def _everybody(source: Source) -> list[Person]:
    """Whom an unknown author or pusher may be: the source's owner and everybody of its group (H10)."""
    members = Membership.objects.filter(group__name=source.group).select_related("person") if source.group else []
    return [source.owner, *(row.person for row in members)]


def _submitter(source: Source, at: datetime) -> Person:
    """Who pushed, if a signed hook named one person who may author; else the source's owner answers for it."""
    for row in reversed(source.pushers):
        person = _known(row.get("name", ""), row.get("email", ""))
        if person is not None and access.decide(person, "author", at=at).allowed:
            return person
    return source.owner


def _signature(commits: Sequence[Commit]) -> dict[str, Any]:
    """What reviewers see of signatures: how many commits carry a good one, and whose the newest is."""
    if not commits:
        return {"state": "N", "signer": "", "good": 0, "all": 0}
    good = sum(commit.signature == "G" for commit in commits)
    newest = commits[0]
    return {"state": newest.signature, "signer": newest.signer, "good": good, "all": len(commits)}


def link(url: str, commit: str) -> str:
    """Where a forge shows a commit, or an empty string for a repository that has no pages."""
    plain = url.removesuffix("/").removesuffix(".git")
    if plain.startswith("https://"):
        return f"{plain}/commit/{commit}" if "@" not in plain else ""
    if "@" in plain and "://" not in plain:
        host, _, path = plain.partition("@")[2].partition(":")
        return f"https://{host}/{path}/commit/{commit}"
    return ""
