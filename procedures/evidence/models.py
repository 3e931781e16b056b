"""The tables of evidence. No row here points to anything that can be deleted."""

from __future__ import annotations

from django.db import models

from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.evidence.cold import BodyField


class Event(models.Model):
    """One fact. `header` is the leaf's canonical bytes, `body` what it commits to; `xid` PostgreSQL's."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=40)
    run = models.UUIDField(null=True)
    n = models.PositiveIntegerField(null=True)
    procedure = models.UUIDField(null=True)
    actor = models.UUIDField(null=True)
    at = models.DateTimeField()
    header = models.BinaryField()
    body = BodyField()
    xid = models.BigIntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["kind", "id"], name="event_kind"),
            models.Index(fields=["procedure", "kind"], name="event_procedure"),
            models.Index(fields=["xid"], name="event_xid"),
        ]
        constraints = [models.UniqueConstraint(fields=["run", "n"], name="event_once_in_run")]


class ColdBundle(models.Model):
    """Bodies of one run, one after another; columns of its events say where each begins and how long it is."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.UUIDField(db_index=True)
    data = models.BinaryField()


class Outbox(models.Model):
    """An event that is not in the log yet; the sequencer deletes the row in the transaction that appends the leaf.

    `id` keeps the order of events of one run, since those are written one after another under the run's lock.
    """

    id = models.BigAutoField(primary_key=True)
    event = models.OneToOneField(Event, on_delete=models.PROTECT)


class Leaf(models.Model):
    """The place of an event in the log. The primary key fences a second sequencer."""

    index = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="leaf")
    leaf_hash = models.BinaryField(max_length=32)


class Tile(models.Model):
    """A full tile of 256 hashes (C2SP tlog-tiles), or the frontier of `level` below 256."""

    level = models.PositiveSmallIntegerField()
    number = models.BigIntegerField()
    hashes = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["level", "number"], name="tile_once")]


class Checkpoint(models.Model):
    """A signed size and root of the log, as a C2SP note."""

    size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField(max_length=32)
    note = models.TextField()
    at = models.DateTimeField()


class Cosignature(models.Model):
    """A witness's line under a checkpoint. `witness` is its verifier key as text, `at` when it says that it signed."""

    id = models.BigAutoField(primary_key=True)
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="cosignatures")
    witness = models.CharField(max_length=300)
    line = models.TextField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["checkpoint", "witness"], name="cosignature_once")]


class WitnessContact(models.Model):
    """How it stands with one witness, for people: the largest size that it cosigned, and what is wrong, if anything.

    `added_at` is when this portal began to ask it. `forgot_at`: it cosigned less than it had before, so its word holds
    no longer; that stays.
    """

    witness = models.CharField(max_length=300, primary_key=True)
    size = models.BigIntegerField(default=0)
    cosigned_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=300, default="")
    problem_at = models.DateTimeField(null=True)
    forgot_at = models.DateTimeField(null=True)
    added_at = models.DateTimeField(default=now)


class Anchor(models.Model):
    """An RFC 3161 time stamp over a checkpoint's note, as the authority answered. `at` is the moment that it says."""

    id = models.BigAutoField(primary_key=True)
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="anchors")
    authority = models.CharField(max_length=253)
    token = models.BinaryField()
    at = models.DateTimeField()


class Retained(models.Model):
    """The log's own ML-DSA-44 line under a checkpoint that packs keep."""

    checkpoint = models.OneToOneField(Checkpoint, on_delete=models.PROTECT, primary_key=True, related_name="retained")
    line = models.TextField()
    at = models.DateTimeField()


class RetainState(models.Model):
    """One row, where the log has an ML-DSA-44 key: the size of the checkpoint that an export wishes signed with it."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    wished_size = models.BigIntegerField(default=0)


class AnchorState(models.Model):
    """One row where the portal has an authority: which checkpoint an export wishes stamped, and what is wrong."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    wished_size = models.BigIntegerField(default=0)
    problem = models.CharField(max_length=300, default="")
    problem_at = models.DateTimeField(null=True)


class LogCheck(models.Model):
    """One whole check of evidence: when, over how many events, and what did not fit (the first hundred, in words)."""

    id = models.BigAutoField(primary_key=True)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    events = models.BigIntegerField()
    found = models.BigIntegerField()
    unsure = models.BigIntegerField()
    findings = models.JSONField(default=list)


class RunCounter(models.Model):
    """How many events a run has, and whether it is sealed. Locked while an event of the run is written."""

    run = models.UUIDField(primary_key=True)
    n = models.PositiveIntegerField(default=0)
    sealed = models.BooleanField(default=False)


class NumberSeries(models.Model):
    """A gap-free series of numbers, drawn in the transaction that uses the number."""

    name = models.CharField(max_length=40, primary_key=True)
    value = models.BigIntegerField(default=0)


class ErasableKey(models.Model):
    """A key per person; destroying it turns every pseudonym and disclosure made with it into noise."""

    subject = models.UUIDField(primary_key=True)
    secret = models.BinaryField()
    destroyed_at = models.DateTimeField(null=True)


class Disclosure(models.Model):
    """A value that an event commits to but does not contain; it can be erased and the hole stays visible."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="disclosures")
    pointer = models.CharField(max_length=200)
    sealed = models.BinaryField(null=True)
    subject = models.UUIDField(null=True)
    erased_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "pointer"], name="disclosure_once")]
