"""What each door takes, by the view's name in its module: the shapes of JSON bodies, and the few that are forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.api import inputs

Shape = Mapping[str, Any]
TEXT: Shape = {"type": "string"}
BUNDLE = {
    "type": "object",
    "required": ["bundle"],
    "properties": {
        "bundle": {"type": "string", "contentMediaType": "application/gzip"},
        "note": {"type": "string", "maxLength": 2000},
        "draft": {"enum": ["true", "false"]},
    },
}

EXCHANGE = {
    "type": "object",
    "required": ["grant_type", "subject_token", "subject_token_type"],
    "properties": {
        "grant_type": {"const": "urn:ietf:params:oauth:grant-type:token-exchange"},
        "subject_token": {"type": "string", "maxLength": 16_384},
        "subject_token_type": {"enum": [f"urn:ietf:params:oauth:token-type:{name}" for name in ("jwt", "id_token")]},
        "requested_token_type": {"const": "urn:ietf:params:oauth:token-type:access_token"},
        **dict.fromkeys(("audience", "resource", "scope", "rule"), TEXT),
    },
}
FORMS: Mapping[str, tuple[str, Shape]] = {
    "versions.Versions": ("multipart/form-data", BUNDLE),
    "exchange.Exchange": ("application/x-www-form-urlencoded", EXCHANGE),
}
# The view's name in its module → what its POST takes; a test holds it against what the view checks.
TAKES: Mapping[str, Shape] = {
    "versions.Options": inputs.OPTIONS,
    "targets.Matching": inputs.MATCHING,
    "targets.Logins": inputs.LOGINS,
    "versions.Reviews": inputs.REVIEW,
    "versions.Revoke": inputs.REASON,
    "versions.Retire": inputs.REASON,
    "versions.Restore": inputs.REASON,
    "versions.Resubmit": inputs.NOTE,
    "discussions.Comments": inputs.COMMENT,
    "runs.Runs": inputs.RUN,
    "runs.Decide": inputs.DECISION,
    "runs.Reject": inputs.DECISION,
    "runs.Cancel": inputs.REASON,
    "run_pages.Comments": inputs.REMARK,
    "runs.Answer": inputs.ANSWER,
    "runs.Pause": inputs.REASON,
    "results.Erase": inputs.REASON,
    "deputies.Deputies": inputs.DEPUTY,
    "decisions.PassOn": inputs.PASS,
    "runs.Rerun": inputs.RERUN,
    "runs.Continue": inputs.REASON,
    "notices.Read": inputs.SEEN,
    "glass.Break": inputs.BREAK,
    "glass.ReviewGlass": inputs.FOUND,
    "control.Statement": inputs.CONTROL,
    "control.Changes": inputs.CONTROL,
    "control.Confirm": inputs.CONFIRM,
    "control.Refuse": inputs.REASON,
    "control.Grants": inputs.GRANT,
    "control.PreviewGrant": inputs.GRANT,
    "control.People": inputs.PERSON,
    "stops.Stops": inputs.STOP,
    "agents.Stop": inputs.WHY,
    "standing.Listing": inputs.STANDING,
    "standing.Preview": inputs.STANDING,
    "standing.Pause": inputs.WHY,
    "standing.Resume": inputs.WHY,
    "ahead.Ahead": inputs.AHEAD,
    "ahead.TakeBack": inputs.WHY,
    "agents.Start": inputs.WHY,
    "tokens.Tokens": inputs.TOKEN,
    "directories.Directories": inputs.DIRECTORY,
    "tokens.Rotate": inputs.ROTATE,
    "access_requests.AccessRequests": inputs.WISH,
    "access_requests.Grant": inputs.ALLOW,
    "access_requests.Refuse": inputs.REASON,
    "campaigns.Campaigns": inputs.ALLOW,
    "campaigns.Offer": inputs.CAMPAIGN,
    **{f"campaigns.{act}": inputs.KEEP for act in ("Keep", "Revoke")},
    "campaigns.Narrow": inputs.ALLOW,
    **{f"use.Narrow{what}": inputs.LINES for what in ("Grant", "Procedure")},
    "evidence.Exports": inputs.EXPORT,
    "evidence.Populations": inputs.POPULATION,
    "evidence.Samples": inputs.SAMPLE,
    "saved_requests.SavedRequests": inputs.RECURRING,
    "saved_requests.Ask": inputs.AGAIN,
    "policies.Past": inputs.PAST,
    "session.Session": inputs.LOGIN,
    "session.CodeSession": inputs.CODE,
    "session.StepUp": inputs.CONFIRM,
    "session.Join": inputs.JOIN,
    "session.Welcome": inputs.WELCOME,
}
