"""Nothing of ours goes away because something it points at does."""

from __future__ import annotations

from django.apps import apps
from django.db import models

OURS = ("procedures", "evidence")


def test_every_foreign_key_of_ours_protects() -> None:
    others = [
        f"{model.__name__}.{field.name}"
        for model in apps.get_models()
        if model._meta.app_label in OURS
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey) and not _protects(field)
    ]
    assert not others, f"every foreign key of ours is PROTECT: {others}"


def test_no_model_overrides_save() -> None:
    overriding = [
        model.__name__ for model in apps.get_models() if model._meta.app_label in OURS and "save" in vars(model)
    ]
    assert not overriding, f"services write; a model has columns and constraints: {overriding}"


def test_no_foreign_key_is_generic() -> None:
    generic = [
        model.__name__ for model in apps.get_models() if model._meta.app_label in OURS and model._meta.private_fields
    ]
    assert not generic, f"a foreign key names its table: {generic}"


def _protects(field: models.ForeignKey[models.Model, models.Model]) -> bool:
    """Fields that guardian's own base class declares are not ours."""
    return field.name in {"user", "group", "permission"} or field.remote_field.on_delete is models.PROTECT
