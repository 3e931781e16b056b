"""Columns and named constraints, one file per aggregate; no rules."""

from procedures.models.access import ControlChange, Grant, GrantRight, ProcedureGroupPermission, ProcedureUserPermission
from procedures.models.access_requests import AccessRequest
from procedures.models.agents import Agent
from procedures.models.ahead import PreApproval, PreApprovalUse
from procedures.models.artifacts import Artifact
from procedures.models.batches import StepBatch
from procedures.models.break_glass import GlassBreak
from procedures.models.campaigns import Campaign, CampaignItem
from procedures.models.collectors import Collector
from procedures.models.connections import AgentClient, Connection, RefreshToken
from procedures.models.deputies import DecisionAsked, Deputy
from procedures.models.directories import DirectoryEntry, DirectoryGroup, DirectoryMember
from procedures.models.discussions import ReviewComment
from procedures.models.entities import Entity
from procedures.models.environments import (
    CredentialBinding,
    Environment,
    PoolKey,
    PortalSetting,
    Runner,
    SealedSecret,
    Target,
)
from procedures.models.gate_answers import GateAnswer
from procedures.models.holds import Hold
from procedures.models.hosts import HostCertificate
from procedures.models.identities import Assertion, Identity, IdentityProvider
from procedures.models.inventories import Inventory, InventoryReading, InventorySync, TargetContact
from procedures.models.legal_holds import LegalHold
from procedures.models.manuscripts import Manuscript
from procedures.models.notices import Notice, NoticeOff, Reminded
from procedures.models.options import OptionList
from procedures.models.people import (
    CodeApp,
    DenialCount,
    DutyAssignment,
    EnrolledKey,
    Membership,
    OneTimeLink,
    Person,
)
from procedures.models.policies import Policy, PolicyDecision
from procedures.models.purges import Purge
from procedures.models.results import SecretResult
from procedures.models.run_comments import RunComment
from procedures.models.runs import (
    Approval,
    ChainLink,
    Claim,
    IdempotencyKey,
    LeaseRecord,
    LogChunk,
    Run,
    Task,
)
from procedures.models.sources import HookDelivery, Source, SourceFinding
from procedures.models.spaces import Space
from procedures.models.standing import Fire, Standing
from procedures.models.stops import Stop
from procedures.models.tokens import ApiToken, OpenSession
from procedures.models.trials import Trial
from procedures.models.versions import VERBS, Procedure, Review, Version, VersionAuthor, VersionFile
from procedures.models.workloads import Exchange, TrustedIssuer, WorkloadRule

__all__ = [
    "VERBS",
    "AccessRequest",
    "Agent",
    "AgentClient",
    "ApiToken",
    "Approval",
    "Artifact",
    "Assertion",
    "Campaign",
    "CampaignItem",
    "ChainLink",
    "Claim",
    "CodeApp",
    "Collector",
    "Connection",
    "ControlChange",
    "CredentialBinding",
    "DecisionAsked",
    "DenialCount",
    "Deputy",
    "DirectoryEntry",
    "DirectoryGroup",
    "DirectoryMember",
    "DutyAssignment",
    "EnrolledKey",
    "Entity",
    "Environment",
    "Exchange",
    "Fire",
    "GateAnswer",
    "GlassBreak",
    "Grant",
    "GrantRight",
    "Hold",
    "HookDelivery",
    "HostCertificate",
    "IdempotencyKey",
    "Identity",
    "IdentityProvider",
    "Inventory",
    "InventoryReading",
    "InventorySync",
    "LeaseRecord",
    "LegalHold",
    "LogChunk",
    "Manuscript",
    "Membership",
    "Notice",
    "NoticeOff",
    "OneTimeLink",
    "OpenSession",
    "OptionList",
    "Person",
    "Policy",
    "PolicyDecision",
    "PoolKey",
    "PortalSetting",
    "PreApproval",
    "PreApprovalUse",
    "Procedure",
    "ProcedureGroupPermission",
    "ProcedureUserPermission",
    "Purge",
    "RefreshToken",
    "Reminded",
    "Review",
    "ReviewComment",
    "Run",
    "RunComment",
    "Runner",
    "SealedSecret",
    "SecretResult",
    "Source",
    "SourceFinding",
    "Space",
    "Standing",
    "StepBatch",
    "Stop",
    "Target",
    "TargetContact",
    "Task",
    "Trial",
    "TrustedIssuer",
    "Version",
    "VersionAuthor",
    "VersionFile",
    "WorkloadRule",
]
