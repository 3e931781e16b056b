"""What an environment's issuer signed for its hosts, so that they can show it."""

from __future__ import annotations

from django.db import models

from procedures.domain.ids import uuid7
from procedures.models.environments import Environment


class HostCertificate(models.Model):
    """The newest certificate of a target's confirmed key, public as every certificate is; one per target's name.

    A row gives nothing: runs judge what a host shows, and the issuer what the log says, before it signs the next.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="host_certificates")
    target = models.CharField(max_length=200)
    host_key_sha256 = models.CharField(max_length=60)
    authority = models.TextField()
    certificate = models.TextField()
    serial = models.CharField(max_length=20)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["environment", "target"], name="host_certificate_once_per_target"),
        ]
