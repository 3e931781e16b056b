"""What a person's own configuration of ssh says of the hosts that it names."""

from __future__ import annotations

import paramiko


def named_hosts(text: str) -> dict[str, dict[str, str]]:
    """Settings of each host that is named without a pattern, as `ssh NAME` would use them. Raises ValueError.

    A `Match exec` would run its program: whoever calls this has refused such a text.
    """
    try:
        config = paramiko.SSHConfig.from_text(text)
    except paramiko.SSHException as problem:
        raise ValueError(str(problem)) from problem
    names = sorted(name for name in config.get_hostnames() if not set(name) & set("*?!"))
    return {name: dict(config.lookup(name)) for name in names}
