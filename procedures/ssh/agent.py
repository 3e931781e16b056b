"""A key that an SSH agent holds: asked to sign, never handed over."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko

from procedures.domain.errors import OpsError


class NotHeld(OpsError):
    """No agent answers, or it holds no key of this kind."""

    code = "ssh.key-not-held"
    next_step = "Add the key with `ssh-add` and see that SSH_AUTH_SOCK names the agent."


@contextmanager
def held(public: str) -> Iterator[paramiko.PKey]:
    """The agent's key for "ssh-ed25519 AAAA… [comment]", while the agent is connected. Raises NotHeld."""
    try:
        blob = base64.b64decode(public.split()[1], validate=True)
        agent = paramiko.Agent()
    except (IndexError, binascii.Error) as problem:
        raise NotHeld("This is not an OpenSSH public key.") from problem
    except (paramiko.SSHException, OSError) as problem:
        raise NotHeld(f"The agent does not answer: {problem}.") from problem
    try:
        found = next((key for key in agent.get_keys() if key.blob == blob), None)
        if found is None:
            raise NotHeld("The agent does not hold this key.")
        yield found
    finally:
        agent.close()
