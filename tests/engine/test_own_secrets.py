"""What a step says is secret, from the place of an author who would hide something by it (H22)."""

from __future__ import annotations

import json

import pytest

from procedures.definitions import registry
from procedures.definitions.load import load
from procedures.domain import limits
from procedures.evidence.models import Event
from procedures.models import Run
from procedures.runner import drive as driving
from procedures.runner import mask
from tests.engine.test_runs import PROCEDURE, procedure, run_it, shell, steps, text
from tests.factories.portal import World
from tests.fixtures.counterparts import need

MAKES = ", makesSecrets: true"


@pytest.fixture(autouse=True)
def bubblewrap() -> None:
    need("bwrap")


def made(world: World, script: str, more: str = MAKES, **rest: object) -> Run:
    quinn = procedure(world, "makes", shell("one", script, more), shell("two", "echo then"))
    return run_it(world, quinn, "makes", **rest)


def events(run: Run) -> list[dict[str, object]]:
    return [json.loads(bytes(e.body)) for e in Event.objects.filter(run=run.id, kind="secret.made").order_by("n")]


def made_of(run: Run) -> str:
    """A value that the script makes and the bundle does not hold."""
    return "".join(reversed("q7Rz-84kPw-x2Lm"))


MAKE = 'v=$(printf %s "q7Rz-84kPw-x2Lm" | rev); '


def test_a_value_that_a_step_names_is_masked_from_then_on_in_all_its_forms_and_on_record(world: World) -> None:
    run = made(world, MAKE + 'echo "::secret::$v"; echo "it is $v"; printf %s "$v" | base64; echo done >&2')
    said = text(run)
    assert run.state == "succeeded"
    assert made_of(run) not in said
    assert "::secret::***\nit is ***\n" in said
    [event] = events(run)
    assert (event["step"], event["how"], event["no"]) == ("one", "line", 1)
    assert made_of(run) not in json.dumps(event)


@pytest.mark.parametrize("value", ["e", " ", "        ", "rm", "eeeeeeeeeeee", "abababababab"])
def test_a_letter_a_blank_or_a_plain_word_hides_nothing(world: World, value: str) -> None:
    run = made(world, f'echo "::secret::{value}"; echo "rm -rf /srv/everything there"')
    said = text(run)
    assert "rm -rf /srv/everything there" in said
    assert "***" not in said
    assert "is not masked" in said
    assert events(run) == []


def test_what_the_reviewers_read_cannot_be_hidden_from_the_log(world: World) -> None:
    command = "rm -rf /srv/everything"
    run = made(world, f'echo "::secret::{command}"; echo "{command}"')
    assert text(run).count(command) == 2
    assert "stands in the bundle" in text(run)


def test_what_the_approver_read_cannot_be_hidden_from_the_log(world: World) -> None:
    run = made(world, 'echo "::secret::$PARAM_WORD"; echo "$PARAM_WORD"', parameters={"word": "delete-everything-9"})
    assert text(run).count("delete-everything-9") == 2


def test_a_step_that_does_not_declare_it_hides_nothing_and_the_log_says_so(world: World) -> None:
    run = made(world, MAKE + 'echo ":""secret::$v" | sed s/^:/::/', more="")
    assert made_of(run) in text(run)
    assert "does not declare makesSecrets" in text(run)
    assert events(run) == []


def test_lint_tells_the_author_who_forgot_to_declare_it() -> None:
    rows = steps(shell("one", "echo ::secret::x"))
    found = load({"procedure.yaml": PROCEDURE.format(name="n", steps=rows, timeout="1m").encode()}, registry.actions())
    assert "secret-undeclared" in {one.code for one in found.findings if one.severity == "error"}


def test_the_hundred_and_first_of_a_run_stays_in_sight(world: World) -> None:
    script = 'i=0; while [ $i -lt 102 ]; do i=$((i+1)); echo "::secret::$(printf "%s" "value-$i-x" | sha1sum)"; done'
    run = made(world, script)
    lines = [line for line in text(run).splitlines() if line.startswith("::secret::")]
    assert [line for line in lines[:100] if line != "::secret::***"] == []
    assert "***" not in "".join(lines[100:])
    assert len(events(run)) == 100
    assert "has named 100 already" in text(run)


def test_a_flood_of_refusals_is_told_five_times_and_once_more(world: World) -> None:
    run = made(world, "yes ::secret::e | head -n 20000")
    assert text(run).count("is not masked") == 6
    assert "19,995 more" in text(run)


def test_a_run_of_which_a_twentieth_is_masked_is_marked_in_page_seal_and_answer(world: World) -> None:
    from procedures.api import shapes

    run = made(world, MAKE + 'echo "::secret::$v"; for i in 1 2 3 4 5 6 7 8; do echo "$v $v"; done')
    seal = json.loads(bytes(Event.objects.get(run=run.id, kind="run.finished").body))
    finished = json.loads(bytes(Event.objects.filter(run=run.id, kind="task.finished").order_by("n")[0].body))
    assert run.marks == ["masked"]
    assert seal["marks"] == ["masked"]
    assert seal["output"]["masked"] == run.masked_bytes > 200
    assert finished["transcript"]["readable"]["masked"] == run.masked_bytes
    assert shapes.run(run, url="")["printed"]["says"][0].startswith(
        f"{run.masked_bytes:,} of the {run.printed_bytes:,}"
    )


def test_padding_in_another_step_takes_no_mark_away(world: World) -> None:
    hides = shell("one", MAKE + 'echo "::secret::$v"; echo "$v"', MAKES)
    quinn = procedure(world, "pads", hides, shell("two", "yes padding | head -n 5000"))
    run = run_it(world, quinn, "pads")
    assert run.readable.marks() == ()
    assert run.marks == ["masked"]


def test_an_ordinary_run_has_no_mark(world: World) -> None:
    quinn = procedure(world, "plain", shell("one", "echo hello"))
    run = run_it(world, quinn, "plain")
    assert (run.marks, run.printed_bytes) == ([], 6)


def test_a_sensitive_output_is_masked_and_kept_nowhere(world: World) -> None:
    script = MAKE + 'echo "made $v"; echo "key=$v" >> "$OPSPORTAL_OUTPUT"'
    quinn = procedure(world, "sense", shell("one", script, ", sensitive: [key]"))
    run = run_it(world, quinn, "sense")
    assert text(run) == "made ***\n"
    assert run.tasks.get().output == {"key": "***"}
    assert [event["how"] for event in events(run)] == ["output"]


def test_no_expression_reads_a_sensitive_output() -> None:
    rows = steps(shell("one", "true", ", sensitive: [key]"), shell("two", "echo ${{ steps.one.output.key }}"))
    found = load({"procedure.yaml": PROCEDURE.format(name="n", steps=rows, timeout="1m").encode()}, registry.actions())
    assert "secret-place" in {one.code for one in found.findings}


def test_a_flood_leaves_head_end_and_digest_of_everything(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driving.RunOutput.__init__, "__defaults__", (200_000,))
    script = "echo begins; yes $(printf %060d 0) | head -n 20000; echo rm -rf /srv/everything"
    quinn = procedure(world, "floods", shell("one", script), shell("two", "echo and after the flood"))
    run = run_it(world, quinn, "floods")
    said = text(run)
    assert said.startswith("begins\n")
    assert "rm -rf /srv/everything\n" in said
    assert "and after the flood\n" in said
    assert "bytes of output are left out here" in said
    assert len(said) < 300_000 < run.printed_bytes
    assert run.marks == ["cut"]
    finished = json.loads(bytes(Event.objects.filter(run=run.id, kind="task.finished").order_by("n")[0].body))
    import hashlib

    whole = "begins\n" + ("0" * 60 + "\n") * 20000 + "rm -rf /srv/everything\n"
    assert finished["transcript"]["sha256"] == hashlib.sha256(whole.encode()).hexdigest()
    assert json.loads(bytes(Event.objects.get(run=run.id, kind="run.finished").body))["marks"] == ["cut"]


def test_a_gate_in_between_gives_no_fresh_room(world: World) -> None:
    assert driving.RunOutput.__init__.__defaults__[0] == limits.LOG_BYTES  # type: ignore[index]


def test_a_runner_that_lets_one_encoding_through_claims_nothing_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from procedures.domain import encodings, masking
    from procedures.models import Runner
    from procedures.runner import reporting
    from procedures.services import runner_reports

    real = encodings.forms
    monkeypatch.setattr(masking, "forms", lambda secret: {one for one in real(secret) if one != secret.hex().encode()})
    mask.through.cache_clear()
    try:
        quinn = procedure(world, "waits", shell("one", "echo hello"))
        run = world.ask(quinn, procedure="waits")
        driving.drive(run.pk)
        run.refresh_from_db()
        assert run.state == "queued"
        said = reporting.said()
        assert said["unmasked"] == ["hex"]
        me = Runner.objects.get(pk=driving.identity().id)
        runner_reports.report(runner=me.pk, tier="B", version="x", said=said, at=run.requested_at)
        me.refresh_from_db()
        from procedures.queries.capabilities import need_of, no_runner_for

        assert "masks a secret in every encoding" in no_runner_for(need_of(run), run.requested_at)
    finally:
        mask.through.cache_clear()
