"""Least privilege by what was seen, from the run to the change that narrows."""
