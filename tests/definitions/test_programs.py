"""A parameter or secret that becomes a program is found; one that stays data is left alone (H27)."""

from __future__ import annotations

import pytest

from tests.definitions.bundles import SCRIPT, bundle, codes, script


def at(*lines: str) -> list[str]:
    return codes(script(*lines))


EVIL_PROGRAMS: list[tuple[str, ...]] = [
    ("eval $PARAM_WORD",),
    ("x=$PARAM_WORD", 'y="a $x"', 'eval "$y"'),
    ('. "$PARAM_WORD"',),
    ("source ./$PARAM_WORD",),
    ('sh -c "ls $PARAM_WORD"',),
    ('/bin/bash -ec "ls ${PARAM_WORD}"',),
    ('timeout 5 bash -lc "ls $PARAM_WORD"',),
    ('if eval "$PARAM_WORD"; then :; fi',),
    ("eval \\", '  "$PARAM_WORD"'),
    ('echo "$PARAM_WORD" | sh',),
    ('bash <<<"$PARAM_WORD"',),
    ('python3 -c "print($PARAM_WORD)"',),
    ('psql -c "select $PARAM_WORD"',),
    ("for w in $PARAM_WORD; do eval $w; done",),
]


@pytest.mark.parametrize("lines", EVIL_PROGRAMS)
def test_a_parameter_that_becomes_program_is_found(lines: tuple[str, ...]) -> None:
    assert "eval-parameter" in at(*lines)


GOOD_PROGRAMS: list[tuple[str, ...]] = [
    ('sh -c \'echo "$1"\' _ "$PARAM_WORD"',),
    ('find . -name "$PARAM_WORD" -print',),
    ("# eval $PARAM_WORD",),
    ('cp source "$PARAM_WORD"',),
    ('grep -e "$PARAM_WORD" file',),
    ('eval "$(ssh-agent -s)"',),
    ('echo "$PARAM_WORD" | sha256sum',),
]


@pytest.mark.parametrize("lines", GOOD_PROGRAMS)
def test_a_parameter_that_stays_data_is_left_alone(lines: tuple[str, ...]) -> None:
    assert "eval-parameter" not in at(*lines)


def test_a_secret_in_env_that_becomes_program_is_found() -> None:
    secret = ("  steps:", "  secrets: {schema: {properties: {t: {type: string, title: T}}}}\n  steps:")
    given = ("one.sh}", "one.sh, env: {TOKEN: '${{ secrets.t }}'}}")
    assert "eval-parameter" in codes(bundle(secret, given, one__sh=SCRIPT + 'eval "$TOKEN"\n'))
    assert "eval-parameter" not in codes(bundle(secret, given, one__sh=SCRIPT + 'echo "$TOKEN"\n'))


def test_python_that_runs_a_parameter_is_found() -> None:
    evil = "#!/usr/bin/env python3\nimport os\nw = os.environ['PARAM_WORD']\nos.system('ls ' + w)\n"
    assert "eval-parameter" in codes(bundle(("one.sh", "one.py"), one__py=evil))
