"""What software never stands behind, held by the database: decisions, keys, grants, tokens and links (H38)."""

from __future__ import annotations

from procedures.domain.software import MAY

# table → the column that names who acts, and the kinds of account that may stand there
ACTORS: dict[str, tuple[str, tuple[str, ...]]] = {
    "procedures_review": ("reviewer_id", ("person",)),
    "procedures_approval": ("approver_id", ("person",)),
    "procedures_preapproval": ("approver_id", ("person",)),
    "procedures_enrolledkey": ("person_id", ("person",)),
    "procedures_codeapp": ("person_id", ("person",)),
    "procedures_grant": ("granted_by_id", ("person", "service", "system")),
    "procedures_controlchange": ("proposer_id", ("person", "service", "system")),
    "procedures_membership": ("added_by_id", ("person", "service", "system")),
    "procedures_apitoken": ("made_by_id", ("person", "service", "system")),
    "procedures_onetimelink": ("person_id", ("person", "service", "system")),
}
VERBS = ", ".join(f"'{verb}'" for verb in MAY)


def _kinds(kinds: tuple[str, ...]) -> str:
    return ", ".join(f"'{kind}'" for kind in kinds)


def _name(table: str) -> str:
    return f"opsportal_{table.removeprefix('procedures_')}_by_people"


SQLITE = {
    _name(table): f"""
        CREATE TRIGGER {_name(table)} BEFORE INSERT ON {table}
        WHEN (SELECT kind FROM procedures_person WHERE id = NEW.{column}) NOT IN ({_kinds(kinds)})
        BEGIN SELECT RAISE(ABORT, 'software cannot stand here'); END"""  # noqa: S608 - our own words alone
    for table, (column, kinds) in ACTORS.items()
} | {
    "opsportal_agent_verbs": f"""
        CREATE TRIGGER opsportal_agent_verbs BEFORE INSERT ON procedures_grantright
        WHEN NEW.verb NOT IN ({VERBS}) AND (SELECT kind FROM procedures_person WHERE id = NEW.person_id) = 'agent'
        BEGIN SELECT RAISE(ABORT, 'an agent cannot hold this verb'); END""",  # noqa: S608 - our own words alone
    "opsportal_agent_stays": """
        CREATE TRIGGER opsportal_agent_stays BEFORE UPDATE ON procedures_person
        WHEN OLD.kind = 'agent' AND NEW.kind <> 'agent'
        BEGIN SELECT RAISE(ABORT, 'an agent cannot become a person'); END""",
}

_BY_PEOPLE = """
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF (SELECT kind FROM procedures_person WHERE id = NEW.{column}) NOT IN ({kinds}) THEN
    RAISE EXCEPTION 'software cannot stand here' USING ERRCODE = 'integrity_constraint_violation'; END IF;
  RETURN NEW; END $$;
DROP TRIGGER IF EXISTS {name} ON {table};
CREATE TRIGGER {name} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {name}();
"""
_AGENTS = """
CREATE OR REPLACE FUNCTION opsportal_agent_verbs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.verb NOT IN (@VERBS@) AND (SELECT kind FROM procedures_person WHERE id = NEW.person_id) = 'agent' THEN
    RAISE EXCEPTION 'an agent cannot hold this verb' USING ERRCODE = 'integrity_constraint_violation'; END IF;
  RETURN NEW; END $$;
DROP TRIGGER IF EXISTS opsportal_agent_verbs ON procedures_grantright;
CREATE TRIGGER opsportal_agent_verbs BEFORE INSERT ON procedures_grantright
  FOR EACH ROW EXECUTE FUNCTION opsportal_agent_verbs();
CREATE OR REPLACE FUNCTION opsportal_agent_stays() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF OLD.kind = 'agent' AND NEW.kind <> 'agent' THEN
    RAISE EXCEPTION 'an agent cannot become a person' USING ERRCODE = 'integrity_constraint_violation'; END IF;
  RETURN NEW; END $$;
DROP TRIGGER IF EXISTS opsportal_agent_stays ON procedures_person;
CREATE TRIGGER opsportal_agent_stays BEFORE UPDATE ON procedures_person
  FOR EACH ROW EXECUTE FUNCTION opsportal_agent_stays();
"""
POSTGRES = "".join(
    _BY_PEOPLE.format(name=_name(table), table=table, column=column, kinds=_kinds(kinds))
    for table, (column, kinds) in ACTORS.items()
) + _AGENTS.replace("@VERBS@", VERBS)
WANTED = {(_name(table), table) for table in ACTORS} | {
    ("opsportal_agent_verbs", "procedures_grantright"),
    ("opsportal_agent_stays", "procedures_person"),
}
