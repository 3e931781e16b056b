"""Alarms: where they ask, what may stand in their queries, and how long they may take to count."""

from __future__ import annotations

from procedures.definitions.lint.notes import Notes
from procedures.domain import expressions
from procedures.domain.alarms import Alarm
from procedures.domain.rendering import url_problem

MAY = frozenset({"parameters", "environment"})
FOR_S, EVERY_S = 600, 300


def lint(notes: Notes) -> None:
    """Each alarm of the strategy."""
    targets = notes.definition.targets
    if targets is None:
        return
    for number, alarm in enumerate(targets.strategy.alarms):
        _alarm(notes, f"/spec/targets/strategy/alarms/{number}", alarm)
    if targets.strategy.on_alarm == "rollback" and not notes.definition.rollback:
        notes.say("/spec/targets/strategy/onAlarm", "alarm", "There is no rollback to carry out.")


def _alarm(notes: Notes, pointer: str, alarm: Alarm) -> None:
    where = f"{pointer}/{alarm.kind}"
    if expressions.has_expression(alarm.url):
        notes.say(f"{where}/url", "alarm", "The URL of an alarm is written out: nothing chooses where it asks.")
    elif why := url_problem(alarm.url):
        notes.say(f"{where}/url", "alarm", why)
    for path in notes.names(f"{where}/query", alarm.query):
        if path[0] not in MAY or (path[0] == "parameters" and len(path) < 2):
            notes.say(f"{where}/query", "alarm", "A query may depend on parameters and environment alone.")
    if expressions.has_expression(str(alarm.expect)):
        notes.say(f"{where}/expect", "alarm", "What an alarm expects is written out.")
    if alarm.for_s > FOR_S or not 1 <= alarm.every_s <= EVERY_S:
        notes.say(pointer, "alarm", "An alarm is asked every 1s to 5m, and counts after at most 10m.")
