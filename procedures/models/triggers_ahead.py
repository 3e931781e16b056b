"""Approvals given ahead: by nobody behind the schedule or the run, used no more often than was signed, never rewritten.

The issuer counts from the log and believes none of this; the database refuses what is plainly wrong all the same.
"""

from __future__ import annotations

FIXED = "standing_id, change, approver_id, runs, plan_digest, nonce, statement, not_after_at"
_BEHIND = """
    SELECT 1 FROM procedures_standing s JOIN procedures_person a ON a.id = s.account_id
    WHERE s.id = NEW.standing_id AND NEW.approver_id IN (s.made_by_id, s.edited_by_id, s.account_id, a.owner_id)"""
_IN_CHAIN = """
    SELECT 1 FROM procedures_preapproval p JOIN procedures_chainlink c ON c.person_id = p.approver_id
    WHERE p.id = NEW.pre_approval_id AND c.run_id = NEW.run_id"""
_USED_UP = """
    (SELECT count(*) FROM procedures_preapprovaluse u WHERE u.pre_approval_id = NEW.pre_approval_id)
      >= (SELECT runs FROM procedures_preapproval p WHERE p.id = NEW.pre_approval_id)"""
OWN = "nobody behind a schedule can approve it ahead"
CHAIN = "nobody in the chain of a run can have approved it ahead"
SPENT = "an approval given ahead is used up"
KEPT = "an approval given ahead cannot be rewritten or taken away"


def _differs() -> str:
    return " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in FIXED.split(", "))


SQLITE = {
    "opsportal_ahead_outside": f"""
        CREATE TRIGGER opsportal_ahead_outside BEFORE INSERT ON procedures_preapproval
        WHEN EXISTS ({_BEHIND})
        BEGIN SELECT RAISE(ABORT, '{OWN}'); END""",
    "opsportal_ahead_fixed": f"""
        CREATE TRIGGER opsportal_ahead_fixed BEFORE UPDATE ON procedures_preapproval
        WHEN {_differs()} OR (OLD.taken_back_at IS NOT NULL AND NEW.taken_back_at IS NOT OLD.taken_back_at)
        BEGIN SELECT RAISE(ABORT, '{KEPT}'); END""",
    "opsportal_ahead_kept": f"""
        CREATE TRIGGER opsportal_ahead_kept BEFORE DELETE ON procedures_preapproval
        BEGIN SELECT RAISE(ABORT, '{KEPT}'); END""",
    "opsportal_ahead_used": f"""
        CREATE TRIGGER opsportal_ahead_used BEFORE INSERT ON procedures_preapprovaluse
        WHEN EXISTS ({_IN_CHAIN})
        BEGIN SELECT RAISE(ABORT, '{CHAIN}'); END""",
    "opsportal_ahead_spent": f"""
        CREATE TRIGGER opsportal_ahead_spent BEFORE INSERT ON procedures_preapprovaluse
        WHEN {_USED_UP}
        BEGIN SELECT RAISE(ABORT, '{SPENT}'); END""",
    "opsportal_ahead_use_fixed": f"""
        CREATE TRIGGER opsportal_ahead_use_fixed BEFORE UPDATE ON procedures_preapprovaluse
        BEGIN SELECT RAISE(ABORT, '{KEPT}'); END""",
    "opsportal_ahead_use_kept": f"""
        CREATE TRIGGER opsportal_ahead_use_kept BEFORE DELETE ON procedures_preapprovaluse
        BEGIN SELECT RAISE(ABORT, '{KEPT}'); END""",
}
_NEW, _OLD = (", ".join(f"{row}.{name}" for name in FIXED.split(", ")) for row in ("NEW", "OLD"))
_VIOLATES = "USING ERRCODE = 'integrity_constraint_violation'"
POSTGRES = f"""
CREATE OR REPLACE FUNCTION opsportal_ahead_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'INSERT' THEN
    IF EXISTS ({_BEHIND}) THEN RAISE EXCEPTION '{OWN}' {_VIOLATES}; END IF;
    RETURN NEW; END IF;
  IF TG_OP = 'DELETE' OR ({_NEW}) IS DISTINCT FROM ({_OLD})
     OR (OLD.taken_back_at IS NOT NULL AND NEW.taken_back_at IS DISTINCT FROM OLD.taken_back_at) THEN
    RAISE EXCEPTION '{KEPT}' {_VIOLATES}; END IF;
  RETURN NEW; END $$;
DROP TRIGGER IF EXISTS opsportal_ahead_fixed ON procedures_preapproval;
CREATE TRIGGER opsportal_ahead_fixed BEFORE INSERT OR UPDATE OR DELETE ON procedures_preapproval
  FOR EACH ROW EXECUTE FUNCTION opsportal_ahead_fixed();
CREATE OR REPLACE FUNCTION opsportal_ahead_used() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP <> 'INSERT' THEN RAISE EXCEPTION '{KEPT}' {_VIOLATES}; END IF;
  IF EXISTS ({_IN_CHAIN}) THEN RAISE EXCEPTION '{CHAIN}' {_VIOLATES}; END IF;
  IF {_USED_UP} THEN RAISE EXCEPTION '{SPENT}' {_VIOLATES}; END IF;
  RETURN NEW; END $$;
DROP TRIGGER IF EXISTS opsportal_ahead_used ON procedures_preapprovaluse;
CREATE TRIGGER opsportal_ahead_used BEFORE INSERT OR UPDATE OR DELETE ON procedures_preapprovaluse
  FOR EACH ROW EXECUTE FUNCTION opsportal_ahead_used();
"""
WANTED = {
    ("opsportal_ahead_fixed", "procedures_preapproval"),
    ("opsportal_ahead_used", "procedures_preapprovaluse"),
}
