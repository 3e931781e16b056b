"""The program that evaluates Rego for one process of the portal, and can do nothing else.

As a program, `python -I -S child.py SITE`: it finds the Rego evaluator in SITE and nothing of ours, and has an empty
environment. The first line of its input is a bundle. Each policy is compiled by itself, so that none sees another's
rules or settings; what the compiled plan calls must be among the functions that depend on their arguments alone. Then
it gives up what it could reach: no file and no socket can be opened any more, nothing can be written or started, and
the kernel ends it when a decision takes too much processor time. Whoever asks watches its memory: the evaluator maps
more addresses than any limit of the kernel's would allow. Every further line asks one decision, and each policy answers
by a line of its own, so that whoever waits knows which one never did.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import signal
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38
LANDLOCK_CREATE, LANDLOCK_RESTRICT = 444, 446
EVERYTHING = (1 << 13) - 1  # every right over files that the first Landlock knows
ANSWER_BYTES = 256 * 1024
OPENED = 16  # while a bundle is compiled


def main() -> None:
    """Load the bundle of the first line, give up every right, and answer until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)  # the evaluator prints what it thinks of a module
    os.dup2(1, 2)
    os.closerange(answers.fileno() + 1, 256)
    sys.path.append(sys.argv[1])
    import regopy  # noqa: F401 - here, while files can still be opened

    said = json.loads(sys.stdin.buffer.readline())
    _shut()
    loaded = {}
    for policy in said["policies"]:
        found = _loaded(policy, said["functions"], Path(said["scratch"]))
        told = {"policy": policy["name"]} | ({"error": found} if isinstance(found, str) else {})
        loaded[policy["name"]] = found
        _say(answers, told)
    _close(answers.fileno() + 1)
    _say(answers, {"ready": True})
    for line in sys.stdin.buffer:
        _decide(answers, loaded, json.loads(line), said["cpu"])


def _loaded(policy: dict[str, Any], functions: list[str], scratch: Path) -> Any:
    """(interpreter, bundle), or why the policy cannot be used."""
    from regopy import Interpreter

    rego = Interpreter()
    rego.strict_built_in_errors = True
    try:
        rego.add_data({"settings": policy["settings"]})
        for name, text in policy["modules"]:
            rego.add_module(name, text)
        bundle = rego.build(f"x = data.{policy['package']}", [])
        rego.save_bundle(str(scratch / "plan"), bundle)
        plan = json.loads((scratch / "plan" / "plan.json").read_bytes())
    except Exception as problem:  # noqa: BLE001 - whatever the evaluator raises, the policy cannot be used
        return _first_line(str(problem))
    called = {row["name"] for row in plan["static"].get("builtin_funcs", [])}
    refused = sorted(called - set(functions))
    if refused:
        return f"calls {', '.join(refused)}, which a policy may not"
    return rego, bundle


def _first_line(text: str) -> str:
    """What the evaluator complains of, without the tree that it prints."""
    rows = [row.strip() for row in text.splitlines() if "errormsg" in row or "errorcode" not in row]
    for row in rows:
        if "errormsg" in row:
            return row.partition(":")[2].rstrip(")")[:300]
    return (rows or ["is refused by the evaluator"])[0][:300]


def _decide(answers: BinaryIO, loaded: dict[str, Any], said: dict[str, Any], cpu: float) -> None:
    """One line per policy asked. Out of time, the kernel ends this process."""
    from regopy import Input

    signal.setitimer(signal.ITIMER_PROF, cpu)
    given = Input(said["input"])
    for name in said["ask"]:
        _say(answers, {"policy": name} | _answer(loaded[name], given))
    signal.setitimer(signal.ITIMER_PROF, 0)


def _answer(found: Any, given: Any) -> dict[str, Any]:
    if isinstance(found, str):
        return {"error": found}
    rego, bundle = found
    try:
        rego.set_input(given)
        text = str(rego.query_bundle(bundle))
        if text == "<error>":
            return {"error": "cannot be evaluated: a function was given what it does not take, or rules contradict"}
        if text == "undefined":
            return {"error": "its package is not there"}
        if len(text) > ANSWER_BYTES:
            return {"error": f"answers with more than {ANSWER_BYTES:,} bytes"}
        return {"value": json.loads(text)["bindings"]["x"]}
    except Exception as problem:  # noqa: BLE001
        return {"error": f"cannot be evaluated: {_first_line(str(problem))}"}


def _say(answers: BinaryIO, line: dict[str, Any]) -> None:
    answers.write(json.dumps(line).encode() + b"\n")
    answers.flush()


def _shut() -> None:
    """Before anything of an author's is read: no core, no child, no tracing, and the first to go if memory is short."""
    for limit, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, OPENED),
    ):
        resource.setrlimit(limit, (most, most))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _close(files: int) -> None:
    """Once the bundle is compiled: nothing can be opened or written, whoever owns it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if platform.machine() in {"x86_64", "aarch64"}:
        libc = ctypes.CDLL(None)
        rules = struct.pack("<Q", EVERYTHING)
        handle = libc.syscall(LANDLOCK_CREATE, rules, ctypes.c_size_t(len(rules)), ctypes.c_uint32(0))
        if handle >= 0:
            libc.syscall(LANDLOCK_RESTRICT, handle, ctypes.c_uint32(0))
            os.close(handle)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))


if __name__ == "__main__":
    main()
