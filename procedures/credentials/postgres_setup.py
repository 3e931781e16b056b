"""What a database needs before roles can be made for single runs: SQL for its superuser, safe to run again.

The issuer's login may call four functions and read its own leases, nothing else. The functions belong to a role that
nobody can log in as; roles are made from an allow-list of templates, each with its longest life.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import sql

SCHEMA = "opsportal"
OWNER = "opsportal_owner"
LOGIN = "opsportal_issuer"
PREFIX = "opsportal_run_"
NAME = re.compile(r"^[a-z_][a-z0-9_-]{0,62}$")


@dataclass(frozen=True, slots=True)
class Template:
    """A NOLOGIN role with the rights a run may get, how long a run may have them, and by how many connections."""

    role: str
    seconds: int = 900
    connections: int = 2


def script(templates: Iterable[Template], *, login: str = LOGIN) -> str:
    """SQL for `psql -v ON_ERROR_STOP=1`, as a superuser, in the database that runs shall reach."""
    lines = [
        "BEGIN;",
        _when_missing(OWNER, "NOLOGIN CREATEROLE"),
        _when_missing(login, "LOGIN NOINHERIT CONNECTION LIMIT 10"),
        f"GRANT pg_signal_backend TO {OWNER};",
        f"CREATE SCHEMA IF NOT EXISTS {SCHEMA} AUTHORIZATION {OWNER};",
        f"REVOKE ALL ON SCHEMA {SCHEMA} FROM PUBLIC;",
        _composed("GRANT USAGE ON SCHEMA {} TO {};", SCHEMA, login),
        f"SET LOCAL ROLE {OWNER};",
        TABLES,
        FUNCTIONS,
        f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {SCHEMA} FROM PUBLIC;",
        *(
            _composed("GRANT EXECUTE ON FUNCTION opsportal." + name + " TO {};", login)
            for name in ("issue(uuid, name, text, text, text, interval, text)", "disable(name, text)")
        ),
        _composed("GRANT EXECUTE ON FUNCTION opsportal.revoke(name, text) TO {};", login),
        _composed("GRANT EXECUTE ON FUNCTION opsportal.renew(name, interval) TO {};", login),
        _composed("GRANT EXECUTE ON FUNCTION opsportal.sweep(name[], interval) TO {};", login),
        _composed("GRANT SELECT ON opsportal.my_lease TO {};", login),
    ]
    for template in templates:
        values = sql.SQL(", ").join(map(sql.Literal, (template.role, f"{template.seconds} seconds")))
        lines.append(
            sql.SQL(
                "INSERT INTO opsportal.template (role, max_ttl, connections) VALUES ({}, {}) ON CONFLICT (role) "
                "DO UPDATE SET max_ttl = excluded.max_ttl, connections = excluded.connections;"
            )
            .format(values, sql.Literal(template.connections))
            .as_string(None)
        )
    lines.append("RESET ROLE;")
    lines += [_composed("GRANT {} TO {} WITH ADMIN OPTION;", template.role, OWNER) for template in templates]
    return "\n".join([*lines, "COMMIT;", ""])


def _when_missing(role: str, rights: str) -> str:
    made = sql.SQL("CREATE ROLE {} " + rights).format(sql.Identifier(role)).as_string(None)
    return (
        sql.SQL("DO $do$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {}) THEN ")
        .format(sql.Literal(role))
        .as_string(None)
        + made
        + "; END IF; END $do$;"
    )


def _composed(text: str, *names: str) -> str:
    return sql.SQL(text).format(*map(sql.Identifier, names)).as_string(None)


TABLES = """\
CREATE TABLE IF NOT EXISTS opsportal.template (
  role name PRIMARY KEY,
  max_ttl interval NOT NULL CHECK (max_ttl > '0' AND max_ttl <= '12 hours'),
  connections int NOT NULL CHECK (connections BETWEEN 1 AND 20)
);
CREATE TABLE IF NOT EXISTS opsportal.lease (
  role name PRIMARY KEY,
  role_oid oid NOT NULL,
  id uuid NOT NULL UNIQUE,
  issuer name NOT NULL,
  template name NOT NULL,
  run text NOT NULL,
  requester text NOT NULL,
  digest text NOT NULL,
  issued timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires timestamptz NOT NULL,
  ended timestamptz,
  why text
);
CREATE OR REPLACE VIEW opsportal.my_lease WITH (security_barrier) AS
  SELECT * FROM opsportal.lease WHERE issuer = session_user;"""

FUNCTIONS = """\
CREATE OR REPLACE FUNCTION opsportal.issue(
  wanted uuid, of_template name, for_run text, for_requester text, of_digest text, ttl interval, verifier text,
  OUT role name, OUT expires timestamptz
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  allowed opsportal.template;
  known opsportal.lease;
BEGIN
  SELECT * INTO allowed FROM opsportal.template t WHERE t.role = of_template;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'The template % is not allowed here.', of_template;
  END IF;
  IF ttl <= '0' OR ttl > allowed.max_ttl THEN
    RAISE EXCEPTION 'A role of % lives for at most %.', of_template, allowed.max_ttl;
  END IF;
  IF verifier !~ '^SCRAM-SHA-256[$][0-9]+:[A-Za-z0-9+/=]+[$][A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$' THEN
    RAISE EXCEPTION 'The password must be a SCRAM-SHA-256 verifier.';
  END IF;
  IF greatest(length(for_run), length(for_requester), length(of_digest)) > 200 THEN
    RAISE EXCEPTION 'Run, requester or digest is too long.';
  END IF;
  role := 'opsportal_run_' || replace(wanted::text, '-', '');
  SELECT * INTO known FROM opsportal.lease l WHERE l.id = wanted FOR UPDATE;
  IF FOUND THEN
    IF known.ended IS NOT NULL OR known.issuer <> session_user OR known.template <> of_template THEN
      RAISE EXCEPTION 'The lease % is over or is somebody else''s.', wanted;
    END IF;
    expires := known.expires;
    EXECUTE format('ALTER ROLE %I PASSWORD %L', role, verifier);
    RETURN;
  END IF;
  expires := clock_timestamp() + ttl;
  EXECUTE format(
    'CREATE ROLE %I LOGIN INHERIT NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT %s PASSWORD %L'
    ' VALID UNTIL %L IN ROLE %I ADMIN opsportal_owner',
    role, allowed.connections, verifier, expires, of_template
  );
  INSERT INTO opsportal.lease VALUES (
    role, role::text::regrole::oid, wanted, session_user, of_template, for_run, for_requester, of_digest,
    DEFAULT, expires, NULL, NULL
  );
END $f$;

CREATE OR REPLACE FUNCTION opsportal.renew(living_role name, ttl interval) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  lease opsportal.lease;
  allowed opsportal.template;
  until timestamptz;
BEGIN
  SELECT * INTO lease FROM opsportal.lease l
    WHERE l.role = living_role AND l.issuer = session_user AND l.ended IS NULL FOR UPDATE;
  IF NOT FOUND OR lease.expires <= clock_timestamp() THEN
    RAISE EXCEPTION 'The role % is over or is somebody else''s.', living_role;
  END IF;
  SELECT * INTO allowed FROM opsportal.template t WHERE t.role = lease.template;
  IF NOT FOUND OR ttl <= '0' OR ttl > allowed.max_ttl THEN
    RAISE EXCEPTION 'A role of % is not renewed for so long.', lease.template;
  END IF;
  until := greatest(lease.expires, least(clock_timestamp() + ttl, lease.issued + allowed.max_ttl));
  EXECUTE format('ALTER ROLE %I VALID UNTIL %L', living_role, until);
  UPDATE opsportal.lease l SET expires = until WHERE l.role = living_role;
  RETURN until;
END $f$;

CREATE OR REPLACE FUNCTION opsportal.disable(ended_role name, reason text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  PERFORM FROM opsportal.lease l
    WHERE l.role = ended_role AND l.issuer = session_user AND l.ended IS NULL FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = ended_role) THEN
    EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', ended_role);
  END IF;
  UPDATE opsportal.lease l SET why = reason WHERE l.role = ended_role;
  RETURN true;
END $f$;

CREATE OR REPLACE FUNCTION opsportal.revoke(ended_role name, reason text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  lease opsportal.lease;
  made oid;
BEGIN
  SELECT * INTO lease FROM opsportal.lease l
    WHERE l.role = ended_role AND l.issuer = session_user FOR UPDATE;
  IF NOT FOUND OR lease.ended IS NOT NULL THEN
    RETURN 'already-gone';
  END IF;
  FOR turn IN 1..100 LOOP
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usesysid = lease.role_oid;
    PERFORM pg_stat_clear_snapshot();
    EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE usesysid = lease.role_oid);
    PERFORM pg_sleep(0.02);
  END LOOP;
  IF EXISTS (SELECT FROM pg_roles WHERE oid = lease.role_oid) THEN
    EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', ended_role);
    EXECUTE format('GRANT %I TO opsportal_owner', ended_role);
    FOR made IN SELECT p.oid FROM pg_proc p WHERE p.proowner = lease.role_oid AND p.prosecdef LOOP
      EXECUTE format('ALTER ROUTINE %s SECURITY INVOKER', made::regprocedure);
    END LOOP;
    EXECUTE format('REASSIGN OWNED BY %I TO %I', ended_role, lease.template);
    EXECUTE format('DROP OWNED BY %I', ended_role);
    BEGIN
      EXECUTE format('DROP ROLE %I', ended_role);
    EXCEPTION WHEN dependent_objects_still_exist THEN
      UPDATE opsportal.lease l SET why = reason || '; it owns something in another database'
        WHERE l.role = ended_role;
      RETURN 'disabled';
    END;
  END IF;
  UPDATE opsportal.lease l SET ended = clock_timestamp(), why = reason WHERE l.role = ended_role;
  RETURN 'revoked';
END $f$;

CREATE OR REPLACE FUNCTION opsportal.sweep(known name[], spare interval) RETURNS SETOF name
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity a
    JOIN opsportal.lease l ON l.role_oid = a.usesysid
    WHERE l.issuer = session_user AND (l.ended IS NOT NULL OR l.expires < clock_timestamp());
  RETURN QUERY SELECT l.role FROM opsportal.lease l
    WHERE l.issuer = session_user AND l.ended IS NULL AND (
      l.expires < clock_timestamp()
      OR l.issued < clock_timestamp() - spare AND NOT l.role = ANY (known)
    );
END $f$;"""
