"""A folder of installed packages, as pip leaves one: for actions of other packages."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from procedures.definitions import packages, registry
from tests.factories.portal import World


class Site:
    """Holds one package, acme-actions, that offers one action."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, version: str, code: str) -> None:
        info = f"acme_actions-{version}.dist-info"
        files = {
            "acme_actions/__init__.py": code,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: acme-actions\nVersion: {version}\n",
            f"{info}/entry_points.txt": "[opsportal.actions]\ngreet = acme_actions:Greet\n",
        }
        rows = []
        for name, text in files.items():
            place = self.folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            hashed = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{name},sha256={hashed},{len(text)}")
        (self.folder / info / "RECORD").write_text("\n".join([*rows, f"{info}/RECORD,,"]) + "\n")

    def restart(self) -> None:
        """What a new process would find: nothing is remembered and every package is asked again."""
        packages.offered.cache_clear()
        registry.actions.cache_clear()
        registry.actions()

    def let_in(self, world: World, action: str = "set") -> None:
        """What lies here now may run on this portal, by a change that two managers signed; or no longer."""
        mark = registry.action_marks()["acme:greet"]
        world.confirmed("action", {"id": "acme:greet", "mark": mark, "action": action})
