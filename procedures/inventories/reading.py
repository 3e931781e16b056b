"""What teams have their hosts in: Ansible's inventories, ssh's configuration, known_hosts, a table, or a plain list."""

from __future__ import annotations

import re

from procedures.domain.importing import ImportRefused
from procedures.domain.inventory import Inventory
from procedures.inventories import ansible, host_lists, ssh_config
from procedures.inventories.known_hosts import KINDS

FORMS = ("ansible", "ssh-config", "known-hosts", "table")
KNOWN = re.compile(rf"^(?![#@])\S+\s+({'|'.join(KINDS)})\s+AAAA", re.MULTILINE)


def read(name: str, data: bytes, form: str = "") -> Inventory:
    """The hosts of one file; its form is told by what stands in it unless it is given. Raises ImportRefused.

    A plain list, one host per line (`web-01`, `web-02 ansible_host=10.0.0.2`, `web-[03:09]`), is Ansible's own form.
    """
    if len(data) > ansible.MAX_BYTES:
        raise ImportRefused(f"The file is larger than {ansible.MAX_BYTES:,} bytes.")
    text = data.decode("utf-8-sig", "replace")
    form = form or form_of(name, text)
    if form == "ssh-config":
        return ssh_config.read(text)
    if form == "known-hosts":
        return host_lists.known(text)
    return host_lists.table(text) if form == "table" else ansible.read(name, data)


def form_of(name: str, text: str) -> str:
    """One of FORMS."""
    first = next((line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")), "")
    if name.lower().endswith(".csv") or (first.count(",") and set(first.lower().split(",")) & set(host_lists.NAMES)):
        return "table"
    if KNOWN.search(text):
        return "known-hosts"
    if first.lstrip()[:1] not in "[{" and ssh_config.LOOKS.search(text):
        return "ssh-config"
    return "ansible"
