"""Runs and what belongs to one: chain, approvals, tasks, log chunks, leases."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from procedures.domain import plan as plan_rules
from procedures.domain.definition import RISKS
from procedures.domain.ids import uuid7
from procedures.domain.queue_order import NORMAL
from procedures.domain.readable import MARKS, Readable
from procedures.domain.retention import FLOOR_DAYS
from procedures.domain.states import TERMINAL_RUN_STATES, RunState, TaskState
from procedures.models.environments import Environment, Runner
from procedures.models.people import Person
from procedures.models.versions import Procedure, Version

ENDED = sorted(state.value for state in TERMINAL_RUN_STATES)
UNDER_WAY = [RunState.QUEUED.value, RunState.RUNNING.value, RunState.WAITING.value]  # once a runner began


def format_of_plans() -> int:
    """Which format of plans the process writes that takes a request."""
    return plan_rules.FORMAT


class Run(models.Model):
    """One requested execution. `plan` holds the exact canonical bytes that `plan_digest` is the digest of."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    no = models.PositiveBigIntegerField(unique=True)
    procedure = models.ForeignKey(Procedure, on_delete=models.PROTECT, related_name="runs")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="runs")
    digest = models.CharField(max_length=71)
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="runs")
    requester = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="runs_requested")
    draft = models.BooleanField(default=False)
    door = models.CharField(max_length=10)
    reason = models.TextField(blank=True)
    parameters = models.JSONField(default=dict)
    sealed_secrets = models.JSONField(default=dict)
    secrets_until_at = models.DateTimeField(null=True)  # of an ended run that may go on: then they are deleted
    narrowed_to = models.JSONField(default=list)
    grant = models.UUIDField()
    risk = models.CharField(max_length=8)
    state = models.CharField(max_length=18)
    state_since = models.DateTimeField()
    plan = models.BinaryField(default=b"")
    plan_digest = models.CharField(max_length=71, blank=True)
    plan_format = models.PositiveSmallIntegerField(default=format_of_plans, db_default=1)
    approvals_needed = models.JSONField(default=dict)
    approval_expires_at = models.DateTimeField(null=True)
    min_strength = models.CharField(max_length=8, default="session")
    requested_at = models.DateTimeField()
    queued_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField(null=True)
    message = models.TextField(blank=True)
    ending = models.CharField(max_length=12, blank=True)  # decided while no runner had it; only `always` is left
    output = models.JSONField(default=dict)
    printed_bytes = models.PositiveBigIntegerField(default=0, db_default=0)
    masked_bytes = models.PositiveBigIntegerField(default=0)
    cut_bytes = models.PositiveBigIntegerField(default=0, db_default=0)  # printed, and not kept
    withheld_bytes = models.PositiveBigIntegerField(default=0, db_default=0)  # printed, and never shown
    output_marks = models.JSONField(default=list, db_default=[])  # of tasks; `readable.marks`
    cancel_requested_at = models.DateTimeField(null=True)
    cancel_requested_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    continues = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="continued_by")
    resume_at = models.DateTimeField(null=True)  # when the sweeper goes on with it by itself; empty once it tried
    again_of = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="asked_again")
    of_fire = models.ForeignKey("Fire", on_delete=models.PROTECT, null=True, related_name="runs")
    concurrency_group = models.CharField(max_length=500, blank=True)
    waiting_gate = models.CharField(max_length=400, blank=True)
    waiting_until_at = models.DateTimeField(null=True)
    priority = models.PositiveSmallIntegerField(default=NORMAL, db_default=NORMAL)
    team = models.CharField(max_length=63, blank=True, db_default="")  # the space of its procedure at the request
    waiting_form = models.BooleanField(default=False, db_default=False)  # the gate asks for values, not for approval
    answered_plan = models.BinaryField(null=True)  # the plan as answers at gates make it; its gates' approvals name it
    answered_digest = models.CharField(max_length=71, blank=True, default="", db_default="")
    waits = models.JSONField(default=list, db_default=[])  # [from, until] of each wait: the run's own time stood still
    pause_asked_at = models.DateTimeField(null=True)
    pause_asked_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    pause_reason = models.CharField(max_length=2000, blank=True, default="", db_default="")
    paused_at = models.DateTimeField(null=True)
    kept_days = models.PositiveIntegerField(default=FLOOR_DAYS, db_default=FLOOR_DAYS)  # at least, after its end
    declared_days = models.PositiveIntegerField(default=0, db_default=0)  # of them, what its author asks for
    kept_until_at = models.DateTimeField(null=True)  # written with the seal, and never sooner again
    cold_at = models.DateTimeField(null=True)  # since when the bodies of its events lie in cold storage

    class Meta:
        indexes = [
            models.Index(
                fields=["environment", "team", "priority", "queued_at"],
                condition=Q(state=RunState.QUEUED.value, draft=False, started_at__isnull=True),
                name="run_queue",
            ),
            models.Index(
                fields=["environment"],
                condition=Q(state__in=UNDER_WAY, started_at__isnull=False),
                name="run_under_way",
            ),
            models.Index(fields=["procedure", "-id"], name="run_procedure_newest"),
            models.Index(fields=["state", "-id"], name="run_state_newest"),
            models.Index(fields=["requester", "-id"], name="run_requester_newest"),
            models.Index(fields=["grant"], name="run_grant"),
            models.Index(fields=["kept_until_at"], condition=Q(kept_until_at__isnull=False), name="run_kept_until"),
            models.Index(
                fields=["ended_at"], condition=Q(cold_at__isnull=True, ended_at__isnull=False), name="run_still_warm"
            ),
            models.Index(
                fields=["secrets_until_at"], condition=Q(secrets_until_at__isnull=False), name="run_secrets_left"
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=[s.value for s in RunState]), name="run_state_known"),
            models.CheckConstraint(condition=Q(risk__in=RISKS), name="run_risk_known"),
            models.CheckConstraint(
                condition=Q(state__in=ENDED, ended_at__isnull=False) | (~Q(state__in=ENDED) & Q(ended_at__isnull=True)),
                name="run_ended_exactly_when_terminal",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.no}"

    @property
    def readable(self) -> Readable:
        """How much of what it printed can be read."""
        return Readable(self.printed_bytes, self.masked_bytes, self.cut_bytes, self.withheld_bytes)

    @property
    def marks(self) -> list[str]:
        """What of its output is to be looked at, in the whole run or in one of its tasks (H22)."""
        found = {*self.readable.marks(), *self.output_marks}
        return [mark for mark in MARKS if mark in found]

    @property
    def digest_now(self) -> str:
        """The digest of `plan_now`, which an approval names."""
        return self.answered_digest if self.waiting_gate and self.answered_digest else self.plan_digest

    @property
    def plan_now(self) -> bytes:
        """What a decision is about: the plan, or at a gate after an answer what the answer made of it."""
        return bytes((self.answered_plan if self.waiting_gate and self.answered_digest else self.plan) or b"")


class Claim(models.Model):
    """Which runner drives a run, and when it was last heard of. At most one per run."""

    run = models.OneToOneField(Run, on_delete=models.PROTECT, primary_key=True, related_name="claim")
    runner = models.ForeignKey(Runner, on_delete=models.PROTECT, related_name="claims")
    token = models.UUIDField()
    claimed_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    lines = models.PositiveBigIntegerField(default=0, db_default=0)  # of output that its holder has stored


class ChainLink(models.Model):
    """One person behind a request (rule 16). Nobody in the chain approves."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="chain")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=20)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "person", "role"], name="chain_link_once")]


class Approval(models.Model):
    """A decision on one run or on a gate inside it, bound to the plan's digest; used by one run, once."""

    class Verdict(models.TextChoices):
        APPROVE = "approve"
        REJECT = "reject"

    id = models.UUIDField(primary_key=True, default=uuid7)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="approvals")
    gate = models.CharField(max_length=400, blank=True)
    approver = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="approvals_made")
    requester = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    plan_digest = models.CharField(max_length=71)
    verdict = models.CharField(max_length=8, choices=Verdict.choices)
    duties = models.JSONField(default=list)
    comment = models.TextField(blank=True)
    strength = models.CharField(max_length=8)
    nonce = models.CharField(max_length=64, unique=True)
    statement = models.BinaryField()
    signatures = models.JSONField(default=list)
    at = models.DateTimeField()
    not_after_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    carried_to = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, related_name="approvals_carried")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "gate", "approver", "plan_digest"], name="approval_once_per_person"),
            models.CheckConstraint(condition=~Q(approver=F("requester")), name="approval_not_by_requester"),
        ]


class Task(models.Model):
    """One step on one target, one attempt. A step's state is derived from these rows and stored nowhere."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="tasks")
    phase = models.CharField(max_length=8)
    step = models.CharField(max_length=400)
    position = models.PositiveIntegerField()
    batch = models.PositiveIntegerField(default=0)
    target = models.CharField(max_length=200, blank=True)
    attempt = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=12)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    exit_status = models.IntegerField(null=True)
    output = models.JSONField(default=dict)
    facts = models.JSONField(default=dict)
    message = models.TextField(blank=True)
    remote = models.CharField(max_length=8, blank=True)
    carried = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, related_name="+")  # where it was done
    transcript_seed = models.BinaryField(max_length=32, null=True)  # opens what was signed of its output

    class Meta:
        ordering = ("position", "batch", "target", "attempt")
        indexes = [models.Index(fields=["id"], condition=Q(remote="unknown"), name="task_unknown")]
        constraints = [
            models.UniqueConstraint(fields=["run", "phase", "step", "target", "attempt"], name="task_once"),
            models.CheckConstraint(condition=Q(state__in=[s.value for s in TaskState]), name="task_state_known"),
        ]


class LogChunk(models.Model):
    """A piece of masked output, at most 64 KiB; `seq` counts 1.. within the run."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="log")
    seq = models.PositiveBigIntegerField()
    task = models.ForeignKey(Task, on_delete=models.PROTECT, null=True, related_name="log")
    step = models.CharField(max_length=400, blank=True)
    target = models.CharField(max_length=200, blank=True)
    stream = models.CharField(max_length=6)
    at = models.DateTimeField()
    text = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "seq"], name="log_seq_once")]


class LeaseRecord(models.Model):
    """What the issuer lent: recorded as intent before the side effect, as issued after it."""

    class State(models.TextChoices):
        INTENT = "intent"
        ISSUED = "issued"
        REVOKED = "revoked"

    id = models.UUIDField(primary_key=True, default=uuid7)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="leases")
    step = models.CharField(max_length=400)
    target = models.CharField(max_length=200, blank=True)
    attempt = models.PositiveIntegerField()
    credential = models.CharField(max_length=400)
    provider = models.CharField(max_length=40)
    state = models.CharField(max_length=8, choices=State.choices)
    handle = models.CharField(max_length=300, blank=True)
    facts = models.JSONField(default=dict)
    intended_at = models.DateTimeField()
    issued_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)


class IdempotencyKey(models.Model):
    """What was answered to a request that carried an Idempotency-Key; kept 24 h."""

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=200)
    body_sha256 = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    response = models.JSONField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "key"], name="idempotency_key_once")]
