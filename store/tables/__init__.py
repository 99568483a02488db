"""The tables, grouped by what they are about. Importing this package fills `metadata`."""

from sqlmodel import SQLModel

from store.tables.customers import Consent, Customer, Suppression
from store.tables.entitlements import CallOutcome, DetectionMark, EntitlementRow, GateRecord, Purchase
from store.tables.intake import InboxEvent, QuarantineDecision, QuarantinedRow, SurveyFetch, SurveyPoll, SurveyResponse
from store.tables.journeys import CustomerBehaviour, Enrolment, ErasureRecord, MessageEvent, PublishedJourney
from store.tables.ledger import (
    Action,
    AuditEntry,
    CapSlot,
    Case,
    DeskDifference,
    Evidence,
    Promise,
    Receipt,
)
from store.tables.messages import Message, MessageSorting
from store.tables.operations import Control, IntegrationState, OperatorSession, PublishedTemplate
from store.tables.reviews import (
    ChainEntry,
    ChainHead,
    CodeTries,
    RecoveryCode,
    Review,
    ReviewAsk,
    Reviewer,
    ReviewVote,
    SpentLink,
    Volume,
)

metadata = SQLModel.metadata

__all__ = [
    "Action",
    "AuditEntry",
    "CallOutcome",
    "CapSlot",
    "Case",
    "ChainEntry",
    "ChainHead",
    "CodeTries",
    "Consent",
    "Control",
    "Customer",
    "CustomerBehaviour",
    "DeskDifference",
    "DetectionMark",
    "Enrolment",
    "EntitlementRow",
    "ErasureRecord",
    "Evidence",
    "GateRecord",
    "InboxEvent",
    "IntegrationState",
    "Message",
    "MessageEvent",
    "MessageSorting",
    "OperatorSession",
    "Promise",
    "PublishedJourney",
    "PublishedTemplate",
    "Purchase",
    "QuarantineDecision",
    "QuarantinedRow",
    "Receipt",
    "RecoveryCode",
    "Review",
    "ReviewAsk",
    "ReviewVote",
    "Reviewer",
    "SpentLink",
    "Suppression",
    "SurveyFetch",
    "SurveyPoll",
    "SurveyResponse",
    "Volume",
    "metadata",
]
