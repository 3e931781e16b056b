"""People and how they come in: web's alone to write; what opens a session or stands for one nobody else reads."""

from __future__ import annotations

from opsportal.roles.rights import Table

TABLES = (
    Table("auth_permission", web="select", scheduler="select"),
    Table("auth_group_permissions", web="select"),
    Table("auth_group", web="select insert", scheduler="select", pool="select", issuer="select", reader="select"),
    Table("django_content_type", web="select", scheduler="select"),
    Table("django_session", web="all"),
    Table("guardian_userobjectpermission", web="select"),
    Table("guardian_groupobjectpermission", web="select"),
    Table("procedures_person_user_permissions", web="select"),
    Table(
        "procedures_person",
        web="select insert update",
        # the accounts that stand for an inventory or a source, and for whom it asks
        scheduler="select insert lock",
        pool="select",
        issuer="select",
        reader="select!(password)",
    ),
    Table("procedures_membership", web="all", scheduler="select", pool="select", issuer="select", reader="select"),
    Table(
        "procedures_dutyassignment",
        web="select insert update",
        scheduler="select",
        pool="select",
        issuer="select",
        reader="select",
    ),
    Table(
        "procedures_enrolledkey",
        web="select insert update",
        scheduler="select",
        pool="select",
        issuer="select",
        reader="select",
    ),
    Table("procedures_codeapp", web="all"),
    Table("procedures_onetimelink", web="select insert update"),
    Table("procedures_denialcount", web="all", scheduler="all"),
    Table("procedures_opensession", web="select insert update"),
    Table("procedures_apitoken", web="select insert update"),
    Table("procedures_idempotencykey", web="all"),
    Table("procedures_agentclient", web="all", scheduler="select delete"),
    Table("procedures_connection", web="select insert update", scheduler="select"),
    Table("procedures_refreshtoken", web="all", scheduler="select delete"),
    Table("procedures_identityprovider", web="select insert update"),
    Table("procedures_identity", web="all"),
    Table("procedures_assertion", web="all"),
    Table("procedures_directoryentry", web="all"),
    Table("procedures_directorygroup", web="all"),
    Table("procedures_directorymember", web="all"),
    Table("procedures_manuscript", web="all"),
    Table(
        "procedures_notice",
        web="select insert update(read_at facts problem)",  # the latter two go with a person who is erased
        scheduler="all",
        pool="insert",
        issuer="insert",  # security is told of a stranger
    ),
    Table("procedures_noticeoff", web="select insert delete", scheduler="select", pool="select", issuer="select"),
    Table("procedures_reminded", scheduler="select insert"),
)
