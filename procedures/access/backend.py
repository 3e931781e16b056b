"""Django's door to the decision: no superuser shortcut, expired is no (decisions.md, 4)."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.http import HttpRequest

from procedures.access.caller import within
from procedures.access.decision import live_rights
from procedures.domain.clock import now
from procedures.models import Person, Procedure, ProcedureGroupPermission, ProcedureUserPermission


class PasswordBackend(ModelBackend):
    """Signs people in by password and answers no question about rights. Software has no password and no session."""

    def user_can_authenticate(self, user: Any) -> bool:
        return isinstance(user, Person) and user.is_active and user.kind == Person.Kind.PERSON

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return False

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return False

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        return set()


class IdentityBackend(PasswordBackend):
    """Keeps the session of somebody for whom an identity provider vouched; it takes no password."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:  # type: ignore[override]
        return None


class GrantBackend(BaseBackend):
    """`person.has_perm("procedures.run", procedure)`: a guardian row and a live grant, else no."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        return None

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        if not isinstance(user_obj, Person) or not user_obj.is_active or not isinstance(obj, Procedure):
            return False
        verb = perm.rpartition(".")[2]
        if not within(user_obj, verb, obj.name):
            return False
        row = {"permission__codename": verb, "content_object": obj}
        projected = (
            ProcedureUserPermission.objects.filter(user=user_obj, **row).exists()
            or ProcedureGroupPermission.objects.filter(group__memberships__person=user_obj, **row).exists()
        )
        rights = live_rights(user_obj, verb, now())
        return (rights.filter(procedure=obj).exists() and projected) or rights.filter(procedure__isnull=True).exists()
