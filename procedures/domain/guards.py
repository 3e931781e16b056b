"""The form of the functions behind our PostgreSQL triggers: who fires one cannot choose what its names mean."""

from __future__ import annotations

OPEN = " LANGUAGE plpgsql AS $$"


def closed(sql: str, schema: str) -> str:
    """The same statements, with each function of them closed.

    It reads tables by the rights of the schema's owner, so that a login which may not read a table cannot pass for one
    for which nothing is there; and it looks for names in `schema` first and among temporary objects last, so that a
    temporary table called `evidence_event` is not taken for ours.
    """
    quoted = '"' + schema.replace('"', '""') + '"'
    return sql.replace(OPEN, f" LANGUAGE plpgsql SECURITY DEFINER SET search_path = {quoted}, pg_temp AS $$")


NOT_CLOSED = """
SELECT p.proname FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = current_schema() AND p.proname LIKE 'opsportal\\_%'
  AND (NOT p.prosecdef OR NOT EXISTS (SELECT 1 FROM unnest(p.proconfig) c WHERE c LIKE 'search\\_path=%'))
ORDER BY 1"""
