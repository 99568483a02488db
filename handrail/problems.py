"""What went wrong, in one or two lines for the person at the terminal."""

import httpx
from pydantic import ValidationError
from sqlalchemy.exc import DatabaseError, OperationalError, ProgrammingError

from data_contracts.yaml_files import FileProblem
from handrail.failures import CommandFailed
from integrations.errors import ConfigurationError, IntegrationError
from services.case_words import UnknownCase
from services.content_reviews import WaitsForReview
from services.gates import CannotApprove
from services.import_files import UnreadableFile
from services.journey_versions import CannotGoLive, UnknownVersion
from services.publishing import NothingToAsk
from services.quarantine import CannotDecide
from services.review_reading import UnknownReview
from services.reviewers import CannotChange, WrongCode
from services.reviews import ReviewProblem
from services.settings import wrong_settings
from services.tries import TooManyTries
from services.wordings import NothingWaits
from store.ledger.settle import CannotSettle
from templates.library import TemplateProblem

_SPEAK_FOR_THEMSELVES = (
    CommandFailed,
    ConfigurationError,
    FileProblem,
    IntegrationError,
    CannotSettle,
    TemplateProblem,
    UnknownCase,
    UnreadableFile,
    CannotDecide,
    CannotApprove,
    CannotGoLive,
    UnknownVersion,
    CannotChange,
    WrongCode,
    TooManyTries,
    UnknownReview,
    ReviewProblem,
    NothingWaits,
    NothingToAsk,
    WaitsForReview,
)


def in_words(problem: BaseException) -> str | None:
    """What to tell the person; None for a surprise, which deserves its traceback."""
    if isinstance(problem, _SPEAK_FOR_THEMSELVES):
        return str(problem)
    if isinstance(problem, ValidationError):
        return "\n".join(wrong_settings(problem))
    if isinstance(problem, OperationalError | ProgrammingError) or type(problem) is DatabaseError:  # no bug of ours
        return _database(problem)
    if isinstance(problem, httpx.RequestError):
        return f"{problem.request.url} does not answer: {str(problem) or type(problem).__name__}"
    if isinstance(problem, OSError) and problem.strerror:
        where = f"{problem.filename}: " if problem.filename else ""
        return f"{where}{problem.strerror[:1].lower()}{problem.strerror[1:]}"
    return None


def _database(problem: DatabaseError) -> str:
    said = str(problem.orig).strip().splitlines() or [type(problem.orig).__name__]
    if "no such table" in said[0] or "does not exist" in said[0] or "no such column" in said[0]:
        return f"the database has not this version's schema ({said[0]}): run `handrail db upgrade`"
    return f"the database does not answer: {said[0]}\nlook at HANDRAIL_DATABASE_URL and HANDRAIL_DATA"
