"""What a directory may say of people and groups: the part of RFC 7643 that the portal keeps, and nothing beside it.

Attributes of the standard that are not here (telephones, addresses, passwords) are taken off what comes, unread.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field
from scim2_models import (
    URN,
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    ETag,
    External,
    Filter,
    Meta,
    Mutability,
    Patch,
    Reference,
    Required,
    Resource,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)

from procedures.domain.directories import Pushed
from procedures.domain.errors import InvalidInput
from procedures.domain.limits import DIRECTORY_PAGE, KIB
from procedures.models import DirectoryEntry, DirectoryGroup

KEPT = ("name", "displayName", "emails", "active")
SAID_BYTES = 8 * KIB
TOLERANT = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)


class Name(ComplexAttribute):
    formatted: str | None = None
    family_name: str | None = None
    given_name: str | None = None


class Email(ComplexAttribute):
    value: str | None = None
    type: str | None = None
    primary: bool | None = None


class Kept(ComplexAttribute):
    """A group that the directory keeps a person in; it is changed at the group."""

    value: Annotated[str | None, Mutability.read_only, CaseExact.true] = None
    ref: Annotated[Reference[Group] | None, Mutability.read_only] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    display: Annotated[str | None, Mutability.read_only] = None


class User(Resource[Any]):
    """A person."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")
    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    name: Name | None = None
    display_name: str | None = None
    active: bool | None = None
    emails: list[Email] | None = None
    groups: Annotated[list[Kept] | None, Mutability.read_only] = None
    Name: ClassVar[type[ComplexAttribute]] = Name
    Emails: ClassVar[type[ComplexAttribute]] = Email
    Groups: ClassVar[type[ComplexAttribute]] = Kept


class Member(ComplexAttribute):
    """A person in a group. A group in a group is nothing here."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    ref: Annotated[Reference[User] | None, Mutability.immutable] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )


class Group(Resource[Any]):
    """A group as the directory keeps it."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")
    display_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    members: list[Member] | None = None
    Members: ClassVar[type[ComplexAttribute]] = Member


def described(url: str) -> ScimProvider:
    """The service as /ServiceProviderConfig, /ResourceTypes and /Schemas tell of it."""
    bearer = AuthenticationScheme(
        type=AuthenticationScheme.Type.oauthbearertoken,
        name="Bearer token",
        description="A token that an access manager made for this directory.",
        spec_uri=Reference[External]("https://www.rfc-editor.org/rfc/rfc6750"),
    )
    config = ServiceProviderConfig(
        documentation_uri=Reference[External]("https://www.rfc-editor.org/rfc/rfc7644"),
        patch=Patch(supported=True),
        bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
        filter=Filter(supported=True, max_results=DIRECTORY_PAGE),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=True),
        etag=ETag(supported=True),
        authentication_schemes=[bearer],
    )
    return ScimProvider([User, Group], config=config, policy=TOLERANT)


def pushed(user: User) -> Pushed:
    """What a resource says of a person. Raises InvalidInput."""
    said = {key: value for key, value in user.model_dump().items() if key in KEPT}
    if len(str(said)) > SAID_BYTES:
        raise InvalidInput([("/", f"names and addresses of one person hold at most {SAID_BYTES // KIB} KiB")])
    if len(user.external_id or "") > 255:
        raise InvalidInput([("/externalId", "at most 255 characters")])
    mails = [one for one in user.emails or [] if one.value]
    mail = next((one for one in mails if one.primary), mails[0] if mails else None)
    username = (user.user_name or "").strip()
    return Pushed(
        external_id=user.external_id or "",
        username=username,
        name=(user.display_name or _full(user.name) or username).strip(),
        email=(mail.value or "").strip() if mail else "",
        active=user.active,
        said=said,
    )


def _full(name: Any) -> str:
    if name is None:
        return ""
    return name.formatted or " ".join(part for part in (name.given_name, name.family_name) if part)


def user_of(row: DirectoryEntry) -> User:
    """A person as their directory reads them back; an account that an access manager closed is not active."""
    said, person = dict(row.said), row.person
    if not person.is_active:
        said["active"] = False
    user = User.model_validate({**said, "userName": person.username})
    user.groups = [_kept(one) for one in row.kept_in.all()] or None
    user.id, user.external_id = str(row.pk), row.external_id or None
    user.meta = _meta("User", row, "" if person.is_active else "-closed")
    return user


def _kept(row: DirectoryGroup) -> Kept:
    kept = Kept(ref=None)  # what is readOnly is dropped from whatever is validated
    kept.value, kept.ref, kept.display = str(row.pk), Reference[Group](f"Groups/{row.pk}"), row.name
    return kept


def group_of(row: DirectoryGroup, *, members: bool = True) -> Group:
    held = row.rows.values_list("entry_id", flat=True) if members else ()
    rows = [Member(value=str(one), ref=Reference[User](f"Users/{one}")) for one in held]
    group = Group(id=str(row.pk), display_name=row.name, external_id=row.external_id or None, members=rows or None)
    group.meta = _meta("Group", row, "")
    return group


def _meta(kind: str, row: DirectoryEntry | DirectoryGroup, more: str) -> Meta:
    version = f'W/"{row.revision}{more}"'
    return Meta(resource_type=kind, created=row.made_at, last_modified=row.changed_at, version=version)


def members_of(group: Group) -> set[str]:
    """Ids of the people in a group, from `value` or the end of `$ref`."""
    return {one.value or str(one.ref or "").rpartition("/")[2] for one in group.members or []}
