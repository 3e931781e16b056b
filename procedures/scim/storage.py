"""What the protocol's machinery reads and writes: one directory's own people and groups, by the services."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from scim2_models import (
    ConflictException,
    ForbiddenException,
    InvalidValueException,
    NotFoundException,
    NotImplementedException,
    PreconditionFailedException,
    Resource,
    ResourceType,
    ResponseParameters,
    SCIMException,
    SearchRequest,
    UniquenessException,
)
from scim2_server.storage import ScimStorage, SearchPage

from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed, NotFound, OpsError
from procedures.models import DirectoryEntry, IdentityProvider
from procedures.scim import searching
from procedures.scim.resources import Group, User, group_of, members_of, pushed, user_of
from procedures.services import directories, directory_groups
from procedures.services.directory_calls import call

TOLD: tuple[tuple[type[OpsError], type[SCIMException]], ...] = (
    (directories.TakenHere, UniquenessException),
    (directory_groups.GroupTaken, UniquenessException),
    (IllegalState, ConflictException),
    (NotAllowed, ForbiddenException),
    (NotFound, NotFoundException),
    (InvalidInput, InvalidValueException),
)


def told(problem: OpsError) -> SCIMException:
    """A refusal in the protocol's words."""
    kind = next((there for here, there in TOLD if isinstance(problem, here)), InvalidValueException)
    return kind(detail=f"{problem.message} {problem.next_step}")


class OneDirectory(ScimStorage):
    """The people and groups of one provider; there is no way from here to anybody else's.

    `changes`: what is read is held until the request's transaction ends, so that two requests follow each other.
    """

    def __init__(self, provider: IdentityProvider, at: datetime, *, changes: bool) -> None:
        self.provider, self.at, self.changes = provider, at, changes

    @contextmanager
    def operation(self) -> Iterator[None]:
        try:
            if self.changes:
                with call(self.provider, self.at):
                    yield
            else:
                yield
        except OpsError as problem:
            raise told(problem) from problem

    def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,
    ) -> Resource[Any]:
        row = self._row(resource_type, resource_id)
        if isinstance(row, DirectoryEntry):
            return user_of(row)
        left_out = response_parameters.excluded_attributes if response_parameters else None
        return group_of(row, members="members" not in {str(one) for one in left_out or ()})

    def search(
        self, resource_types: list[ResourceType], search_request: SearchRequest[Any], *, position: Any = None
    ) -> SearchPage:
        if len(resource_types) > 1:
            raise NotImplementedException(detail="Search /Users or /Groups; both at once is not supported.")
        return searching.page(self.provider, resource_types[0].name == "User", search_request)

    def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        if isinstance(resource, User):
            resource.active = resource.active is not False
            return user_of(directories.enter(provider=self.provider, pushed=pushed(resource), at=self.at))
        made = directory_groups.make(provider=self.provider, **self._said(resource), at=self.at)
        return group_of(made)

    def update(
        self, resource_type: ResourceType, resource: Resource[Any], *, expected_version: str | None = None
    ) -> Resource[Any]:
        row = self._unmoved(resource_type, str(resource.id), expected_version)
        if isinstance(row, DirectoryEntry) and isinstance(resource, User):
            return user_of(directories.change(row, pushed(resource), at=self.at))
        return group_of(directory_groups.change(row, **self._said(resource), at=self.at))

    def delete(self, resource_type: ResourceType, resource_id: str, *, expected_version: str | None = None) -> None:
        row = self._unmoved(resource_type, resource_id, expected_version)
        if isinstance(row, DirectoryEntry):
            directories.remove(row, at=self.at)
        else:
            directory_groups.remove(row, at=self.at)

    def _row(self, resource_type: ResourceType, resource_id: str) -> Any:
        try:
            mark = UUID(resource_id)
            if resource_type.name == "User":
                return directories.one(self.provider, mark, held=self.changes)
            return directory_groups.one(self.provider, mark, held=self.changes)
        except (ValueError, NotFound) as problem:
            detail = f"This directory has no {resource_type.name} {resource_id[:100]!r}."
            raise NotFoundException(detail=detail) from problem

    def _unmoved(self, resource_type: ResourceType, resource_id: str, version: str | None) -> Any:
        row = self._row(resource_type, resource_id)
        meta = (user_of(row) if isinstance(row, DirectoryEntry) else group_of(row, members=False)).meta
        if version is not None and meta is not None and meta.version != version:
            raise PreconditionFailedException
        return row

    def _said(self, resource: Resource[Any]) -> dict[str, Any]:
        """What a resource says of a group. Raises InvalidInput."""
        if not isinstance(resource, Group):
            raise InvalidInput([("/schemas", "is not a group")])
        members = set()
        for one in members_of(resource):
            try:
                members.add(UUID(one))
            except ValueError as problem:
                raise InvalidInput([("/members", f"this directory has no user {one[:100]!r}")]) from problem
        name = (resource.display_name or "").strip()
        return {"name": name, "external_id": resource.external_id or "", "members": members}
