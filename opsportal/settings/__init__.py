"""The settings of this process: the profile decides which file applies (`OPSPORTAL_PROFILE`).

The choice is made when Django asks for the first setting (PEP 562), so that importing a neighbour such as `env` has
no effect.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any


def __getattr__(name: str) -> Any:
    if not name.isupper():
        raise AttributeError(name)
    return getattr(_profile(), name)


def __dir__() -> list[str]:
    return dir(_profile())


def _profile() -> ModuleType:
    from opsportal.settings import env

    return import_module(f"opsportal.settings.{env.profile()}")
