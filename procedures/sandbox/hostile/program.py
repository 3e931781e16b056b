"""The program that runs inside: tries every attack and prints the names of those that got through.

Run outside of a sandbox every attack succeeds (`tests/sandbox/test_hostile.py`): a probe that cannot succeed proves
nothing. FACTS, its argument, says of the victim what an attacker would find out.
"""

from __future__ import annotations

import json
import subprocess
import sys

from procedures.sandbox.hostile import files, network, others, rights
from procedures.sandbox.hostile.attack import ATTACKS, Attack, Facts

FILES = (files, network, others, rights)
FAILS = (OSError, ValueError, KeyError, MemoryError, subprocess.SubprocessError)


def main() -> None:
    """Try what FACTS names under `try`, or everything; the answer is one line of JSON."""
    facts = json.loads(sys.argv[1])
    through = [name for name in facts.get("try") or ATTACKS if _succeeds(ATTACKS[name], facts)]
    sys.stdout.write(json.dumps(through) + "\n")


def _succeeds(one: Attack, facts: Facts) -> bool:
    try:
        return one(facts)
    except FAILS:
        return False
