"""The one decision, in two shapes that agree: `decide` for one thing, `visible` for a list of them."""

from procedures.access.decision import Decision, decide, require
from procedures.access.lists import visible

__all__ = ["Decision", "decide", "require", "visible"]
