"""The tables, grouped by what they are about. Importing this package fills `metadata`."""

from sqlmodel import SQLModel

from store.tables.customers import Consent, Customer, Suppression
from store.tables.intake import InboxEvent, QuarantineDecision, QuarantinedRow, SurveyResponse
from store.tables.ledger import Action, AuditEntry, CapSlot, Case, Evidence, Receipt, Review
from store.tables.operations import Control, ControlChange, IntegrationState, OperatorSession, PublishedTemplate

metadata = SQLModel.metadata

__all__ = [
    "Action",
    "AuditEntry",
    "CapSlot",
    "Case",
    "Consent",
    "Control",
    "ControlChange",
    "Customer",
    "Evidence",
    "InboxEvent",
    "IntegrationState",
    "OperatorSession",
    "PublishedTemplate",
    "QuarantineDecision",
    "QuarantinedRow",
    "Receipt",
    "Review",
    "Suppression",
    "SurveyResponse",
    "metadata",
]
