"""The one decision, in two shapes that agree: `decide` for one thing, `visible` for a list of them."""

from procedures.access.caller import Caller, Scope, caller, calling, outside, scope_of, withheld, within
from procedures.access.decision import Decision, could, decide, require
from procedures.access.lists import visible, visible_runs

__all__ = [
    "Caller",
    "Decision",
    "Scope",
    "caller",
    "calling",
    "could",
    "decide",
    "outside",
    "require",
    "scope_of",
    "visible",
    "visible_runs",
    "withheld",
    "within",
]
