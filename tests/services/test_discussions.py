"""The discussion of a version: who takes part, where a remark stands, and that it decides nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.evidence.models import Disclosure, Event
from procedures.evidence.record import disclosed
from procedures.models import Person, ReviewComment, Version
from procedures.queries.discussions import Thread, threads
from procedures.services import discussions, reviews
from procedures.services.discussions import DiscussionFull, ThreadClosed
from procedures.services.review_rules import StaleReview
from tests.factories.portal import World
from tests.factories.reviews import hello, sent

pytestmark = pytest.mark.ordinary


def adam() -> Person:
    return Person.objects.get(username="adam")


def say(who: Person, version: Version, body: str = "Why?", path: str = "procedure.yaml", line: int | None = 10) -> Any:
    return discussions.comment(actor=who, version=version.pk, path=path, line=line, body=body, at=now())


def only(version: Version) -> Thread:
    found = threads(version)
    assert len(found) == 1
    return found[0]


def test_a_remark_stands_at_a_line_of_exact_bytes_and_in_the_log(world: World, panel: dict[str, Any]) -> None:
    version = sent(world, hello())
    row = say(panel["olga"], version, "Is five minutes enough?\r\nI doubt it.")
    assert (row.line_text, row.digest) == ("  credentials: {deploy: {kind: ssh, ttl: 5m}}", version.digest)
    event = Event.objects.get(kind="review.commented")
    assert b"five minutes" not in bytes(event.body), "committed to, so that it can be erased"
    told = disclosed(Disclosure.objects.get(event=event))
    assert told is not None
    assert b"five minutes enough?\\nI doubt it." in told


def test_the_author_answers_and_a_thread_is_settled_and_taken_up_again(world: World, panel: dict[str, Any]) -> None:
    version = sent(world, hello())
    first = say(panel["olga"], version)
    discussions.reply(actor=adam(), thread=first.pk, body="Because.", at=now())
    assert [(one.author.username, one.body) for one in only(version).replies] == [("adam", "Because.")]
    discussions.resolve(actor=adam(), thread=first.pk, at=now())
    discussions.resolve(actor=panel["olga"], thread=first.pk, at=now())
    thread = only(version)
    assert (thread.open, thread.first.resolved_by) == (False, adam()), "who settled it first stands there"
    discussions.reopen(actor=panel["olga"], thread=first.pk, at=now())
    assert only(version).open
    kinds = list(Event.objects.filter(kind__startswith="review.").order_by("id").values_list("kind", flat=True))
    assert kinds == ["review.commented", "review.commented", "review.resolved", "review.reopened"]


def test_only_authors_and_reviewers_who_may_see_it_take_part(world: World, panel: dict[str, Any]) -> None:
    version = sent(world, hello())
    first = say(panel["olga"], version)
    viewer, writer, stranger = (world.person(name) for name in ("viewer", "writer", "stranger"))
    world.may(viewer, "view", "run")
    world.may(writer, "author", "view")
    say(writer, version)
    for call in (
        lambda who: say(who, version),
        lambda who: discussions.reply(actor=who, thread=first.pk, body="x", at=now()),
        lambda who: discussions.resolve(actor=who, thread=first.pk, at=now()),
    ):
        with pytest.raises(NotAllowed):
            call(viewer)
        with pytest.raises(NotFound):
            call(stranger)
    assert ReviewComment.objects.count() == 2


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"body": " \n "}, "say something"),
        ({"body": "x" * 4_001}, "at most 4,000"),
        ({"body": "a\x00b"}, "NUL"),
        ({"path": "nowhere.sh"}, "no such file"),
        ({"line": 0}, "no line 0"),
        ({"line": 999}, "no line 999"),
    ],
)
def test_what_cannot_stand_is_refused_in_words(
    world: World, panel: dict[str, Any], how: dict[str, Any], told: str
) -> None:
    version = sent(world, hello())
    with pytest.raises(InvalidInput) as refusal:
        say(panel["olga"], version, **how)
    assert told in str(refusal.value.problems)
    assert not Event.objects.filter(kind="review.commented").exists()


def test_a_remark_may_be_about_a_file_or_the_whole_version(world: World, panel: dict[str, Any]) -> None:
    version = sent(world, hello())
    say(panel["olga"], version, line=None)
    say(panel["olga"], version, path="", line=None)
    assert [(t.first.path, t.line) for t in threads(version)] == [("procedure.yaml", None), ("", None)]


def test_an_open_thread_blocks_nothing_by_itself(world: World, panel: dict[str, Any]) -> None:
    version = sent(world, hello())
    say(panel["sven"], version, "I do not like it")
    world.review(panel["olga"], version, "operations")
    version.refresh_from_db()
    assert version.state == "accepted"


def test_a_request_for_changes_blocks_until_lifted_whatever_the_threads_say(
    world: World, panel: dict[str, Any]
) -> None:
    version = sent(world, hello())
    first = say(panel["sven"], version)
    world.review(panel["sven"], version, verdict="request_changes")
    world.review(panel["olga"], version, "operations")
    discussions.resolve(actor=adam(), thread=first.pk, at=now())
    version.refresh_from_db()
    assert version.state == "in_review"
    reviews.lift(actor=panel["sven"], version=version.pk, at=now())
    version.refresh_from_db()
    assert version.state == "accepted"


def test_a_thread_of_earlier_bytes_goes_with_its_line_and_never_counts(world: World, panel: dict[str, Any]) -> None:
    first = sent(world, hello())
    thread = say(panel["olga"], first, line=10)
    files = hello()
    second = sent(world, files | {"procedure.yaml": b"# one more line\n" + files["procedure.yaml"]})
    found = only(second)
    assert (found.carried, found.line, found.first.line, found.first.version.number) == (True, 11, 10, 1)
    with pytest.raises(StaleReview, match="v2"):
        say(panel["olga"], first)
    discussions.reply(actor=adam(), thread=thread.pk, body="Done in v2.", at=now())
    discussions.resolve(actor=panel["olga"], thread=thread.pk, at=now())
    assert [one.digest for one in only(second).replies] == [first.digest]
    assert reviews.still_missing(second) == ["operations"]


def test_a_line_that_is_gone_keeps_what_it_said(world: World, panel: dict[str, Any]) -> None:
    say(panel["olga"], sent(world, hello()), line=12)
    second = sent(world, hello(word="other"))
    assert (only(second).line, only(second).first.line_text.strip()[:7]) == (None, "- {id: ")


def test_after_the_decision_the_discussion_is_over_and_the_next_version_starts_anew(
    world: World, panel: dict[str, Any]
) -> None:
    first = sent(world, hello())
    thread = say(panel["olga"], first)
    world.review(panel["olga"], first, "operations")
    for act in (discussions.resolve, discussions.reopen):
        with pytest.raises(ThreadClosed):
            act(actor=adam(), thread=thread.pk, at=now())
    second = sent(world, hello(word="other"))
    assert threads(second) == []
    with pytest.raises(ThreadClosed):
        discussions.reply(actor=adam(), thread=thread.pk, body="late", at=now())


def test_a_thread_of_another_procedure_or_an_answer_is_no_thread(world: World, panel: dict[str, Any]) -> None:
    version = sent(world, hello())
    first = say(panel["olga"], version)
    answer = discussions.reply(actor=adam(), thread=first.pk, body="x", at=now())
    with pytest.raises(NotFound):
        discussions.reply(actor=adam(), thread=answer.pk, body="x", at=now())


def test_a_version_holds_so_many_remarks(world: World, panel: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discussions, "MOST", 2)
    version = sent(world, hello())
    say(panel["olga"], version)
    say(panel["olga"], version)
    with pytest.raises(DiscussionFull):
        say(panel["olga"], version)


@pytest.mark.parametrize("change", [{"body": "I never said that"}, {"line": 1}, {"digest": "sha256:0"}])
def test_the_database_lets_nobody_rewrite_a_remark(world: World, panel: dict[str, Any], change: dict[str, Any]) -> None:
    row = say(panel["olga"], sent(world, hello()))
    with pytest.raises(IntegrityError), transaction.atomic():
        ReviewComment.objects.filter(pk=row.pk).update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        ReviewComment.objects.filter(pk=row.pk).delete()
    row.refresh_from_db()
    assert row.body == "Why?"
