"""Policies evaluated: Rego in a child process that can do nothing else, decisions as values. They only ever tighten."""

from procedures.policy import documents, shipped
from procedures.policy.decisions import decide, problems_of

__all__ = ["decide", "documents", "problems_of", "shipped"]
