"""A process of its own that records events as fast as it can, and prints the id of each once the database took it."""

from __future__ import annotations

import sys
import time


def main(end_file: str) -> None:
    from pathlib import Path

    import django

    django.setup()
    from django.db import DatabaseError, connection, transaction

    from procedures.domain.clock import now
    from procedures.evidence.record import record

    while not Path(end_file).exists():
        try:
            with transaction.atomic(durable=True):
                event = record("heartbeat", actor=None, at=now(), facts={})
            sys.stdout.write(f"{event.pk}\n")
            sys.stdout.flush()
        except DatabaseError:
            connection.close()
            time.sleep(0.05)


if __name__ == "__main__":
    main(sys.argv[1])
