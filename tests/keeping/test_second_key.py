"""A sequencer in a process of its own signs with ML-DSA-44 what an export keeps, and changes both keys."""

from __future__ import annotations

import io
import json
from uuid import uuid4

from procedures.domain.clock import now
from procedures.evidence import export, retained, verify
from procedures.evidence.models import Event, Retained
from procedures.services.exports import log_key
from tests.factories.witnesses import sequencing, until
from tests.fixtures.parts import acting_as
from tests.keeping.conftest import Place
from tests.keeping.test_turned_log import rotate
from tests.keeping.test_witnessed_log import environ, grow, key_of, size


def pack() -> bytes:
    """What a web process exports, with the rights of one where there are such."""
    file = io.BytesIO()
    with acting_as("web"):
        export.export_pack(file, wanted={}, exporter=uuid4(), log_key=log_key(), at=now(), separation="none")
    return file.getvalue()


def test_packs_carry_the_line_of_the_process_and_of_its_next_key(bare: Place) -> None:
    first = key_of(bare)
    with sequencing(environ(bare, None), bare.folder):
        grow(3)
        until(lambda: size() >= 3)
        until(retained.published)
        second = retained.published()
        before = pack()
        assert rotate(bare, None).returncode == 0
        until(lambda: retained.published() != second)
        after = pack()
    assert verify.verify(before, first, mldsa=second)["mldsa"][0]["trusted"]
    found = verify.verify(after, first, mldsa=retained.published())
    assert (found["mldsa"][0]["trusted"], len(found["turned"])) == (True, 1)
    body = json.loads(bytes(Event.objects.get(kind="log.key_turned").body))
    assert body["mldsa"] == retained.published()
    assert Retained.objects.count() == 4
    assert not list(bare.key.parent.glob("*.coming*"))
    assert (bare.key.with_suffix(".mldsa")).stat().st_mode & 0o777 == 0o600
