"""Whether this process shares its login in the database with others: what `opsportal doctor` says. Without Django."""

from __future__ import annotations

import psycopg

from opsportal.settings import env

# Who owns the tables may everything with them, and so may who was given all of it.
MAY = """
SELECT current_user, pg_has_role(c.relowner, 'USAGE') FROM pg_catalog.pg_class c
WHERE c.oid = to_regclass('procedures_run')"""
SHARED = (
    "{login} owns the portal's tables: whoever takes this process writes every row. Give each part a login of its own "
    "(`opsportal roles`, handbook: deploy)"
)


def told() -> tuple[str, str] | None:
    """(state, how to mend it): "ok", "off" where parts share the owner's login, "MISS" where nobody answers.

    None where there is nothing to say: everything is one user's, or the database is no PostgreSQL.
    """
    url = env.text("DATABASE_URL")
    if env.profile() != "production" or not url.startswith(("postgres://", "postgresql://")):
        return None
    said = env.database("DATABASE_URL", default="")
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
    given = {here: str(said[there]) for here, there in names.items() if said.get(there)}
    try:
        with psycopg.connect(psycopg.conninfo.make_conninfo("", **given, connect_timeout=5)) as link:
            row = link.execute(MAY).fetchone()
    except psycopg.Error as problem:
        return "MISS", f"the database does not answer ({type(problem).__name__}): look at DATABASE_URL"
    if row is None:
        return "MISS", "the database holds no portal: run `opsportal install`"
    return ("off", SHARED.format(login=row[0])) if row[1] else ("ok", "")
