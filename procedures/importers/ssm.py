"""SSM documents of AWS, automation (schema 0.3) and command (1.2, 2.0, 2.2), as procedures."""

from __future__ import annotations

import re
from collections.abc import Mapping

from procedures.domain.importing import Carried, ImportRefused
from procedures.importers.folder import Folder, label
from procedures.importers.ledger import Ledger
from procedures.importers.sources import documents
from procedures.importers.ssm_automation import Automation
from procedures.importers.ssm_command import Command

COMMANDS = {"1.2", "2.0", "2.2"}
_END = re.compile(r"\.(json|ya?ml)$", re.IGNORECASE)


def read(name: str, data: bytes) -> Carried:
    """The procedure of one document. Raises ImportRefused with the line."""
    found = documents(data)
    if len(found) != 1 or not isinstance(found[0].value, Mapping):
        raise ImportRefused("The file is not one SSM document.")
    document = found[0]
    value = document.value
    version = str(value.get("schemaVersion", ""))
    if version != "0.3" and version not in COMMANDS:
        line = document.where("/schemaVersion")[0]
        raise ImportRefused("schemaVersion is none of 0.3, 1.2, 2.0 and 2.2.", line=line)
    if not isinstance(value.get("parameters") or {}, Mapping):
        raise ImportRefused("parameters is no mapping.", line=document.where("/parameters")[0])
    ledger = Ledger(value)
    ledger.mapped("schemaVersion", into="the kind of document")
    if "parameters" in value and not value["parameters"]:
        ledger.ignored("parameters", why="There are none.")
    if "description" in value:
        ledger.mapped("description", into="description and README.md")
    title = _END.sub("", name.rpartition("/")[2])
    folder = Folder(label(title), title, str(value.get("description") or ""), tags=("ssm",))
    whole = Automation(document, folder, ledger) if version == "0.3" else Command(document, folder, ledger)
    return Carried([whole.fill().imported()], ledger.keys())
