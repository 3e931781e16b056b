"""Loads what a process needs, a tenth sooner: nothing of it is garbage, so nobody looks for any meanwhile."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import django


@contextmanager
def unsearched() -> Iterator[None]:
    """What is loaded in the block is not looked through for garbage, neither now nor ever after."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


def load() -> None:
    """Django with all its models, for a process that goes on to serve."""
    with unsearched():
        django.setup()
