"""A host without room for what was sent runs nothing: a step with less than its input would do something else."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from procedures.domain.remote import payload
from procedures.ssh.stub import STUB

pytestmark = pytest.mark.once


@pytest.mark.parametrize(("kib", "status"), [(112, 125), (1024, 0)])
def test_a_step_whose_input_has_no_room_does_not_run(tmp_path: Path, kib: int, status: int) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a small file system")
    sent = payload(
        script=b"#!/bin/sh\nwc -c\n",
        argv=[],
        env={},
        stdin=b"x" * 60_000,
        parameters={},
        run=uuid4(),
        step="one",
        host="h",
        attempt=1,
        salt="",
    )
    assert sent.sha256 == hashlib.sha256(sent.data).hexdigest()
    small = f'mount -t tmpfs -o size={kib}k small {tmp_path} && exec sh -c "$0" opsrun stub {sent.sha256} 20'
    argv = ["unshare", "--mount", "sh", "-c", small, STUB]
    env = {"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path.parent)}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(sent.data)
        process.stdin.flush()  # and held open: it is the lifeline
        said = process.stdout.read()
        assert process.wait(30) == status
    assert said.strip() == (b"60000" if status == 0 else b"")
