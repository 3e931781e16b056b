"""Brings the database up to date before anything else opens it, and prints the one-time link's path if there is one."""

from __future__ import annotations

import sys

from opsportal.loading import load


def main() -> None:
    """Migrate if there is anything to migrate; the last line on stdout is the link's path, or nothing."""
    load()
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", interactive=False, verbosity=0)
    from procedures.runner.installing import install_here
    from procedures.services.bootstrap import first_link

    install_here()
    sys.stdout.write(f"{first_link() or ''}\n")


if __name__ == "__main__":
    main()
