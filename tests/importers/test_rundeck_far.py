"""A value that another program would run is no data: the step is marked by name (H27)."""

from __future__ import annotations

import pytest

from procedures.importers.rundeck import far, read

USED = {"PARAM_X"}


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ('ssh host "ls $PARAM_X"', "ssh"),
        ('ssh host ls "${PARAM_X-}"', "ssh"),
        ("ssh -p 22 -i key -o StrictHostKeyChecking=yes host ls ${PARAM_X}", "ssh"),
        ("eval $PARAM_X", "eval"),
        ('sh -ec "$PARAM_X"', "sh"),
        ('su app -c "$PARAM_X"', "su"),
        ('psql -h db -c "select $PARAM_X"', "psql"),
        ('mysql --execute="drop table $PARAM_X"', "mysql"),
        ("python3 -c \"print('$PARAM_X')\"", "python3"),
        ("true\nnode -e $PARAM_X", "node"),
    ],
)
def test_a_value_that_becomes_program_text_elsewhere_is_named(text: str, program: str) -> None:
    assert far.runs(text, USED) == program


@pytest.mark.parametrize(
    "text",
    [
        'ssh "$PARAM_X" uptime',
        "ssh -p $PARAM_X host uptime",
        'ssh-keygen -l -f "$PARAM_X"',
        'psql -h "$PARAM_X" -f fixed.sql',
        'mysql -u "$PARAM_X" < dump.sql',
        'python3 tool.py "$PARAM_X"',
        'ssh host "ls $OTHER"',
        'echo "$PARAM_X"',
    ],
)
def test_a_value_that_stays_a_word_is_carried_over(text: str) -> None:
    assert far.runs(text, USED) == ""


def test_a_job_that_pastes_an_option_into_a_far_command_has_that_step_marked() -> None:
    job = b"""\
- name: far
  description: ''
  options: [{name: x, required: true}]
  sequence:
    commands:
      - {script: 'ssh h "ls @option.x@"'}
      - {exec: 'echo ${option.x}'}
"""
    found = read("far.yaml", job).procedures[0]
    assert found.marked == ["step1"]


def test_a_long_line_of_options_is_read_at_once() -> None:
    assert far.runs("ssh " + "-a " * 200_000, USED) == ""
