"""The recovery survey: asking, once a turn, whether a solved case is really over."""

from collections.abc import Collection
from datetime import datetime, timedelta
from urllib.parse import quote

from domain.actions import Basis, Capability, Kind, recovery_survey_key
from domain.contact import NoChannel, choose_reply_channel, hours_hold
from domain.customers import Customer, Purpose, choose_language
from domain.escalation import Wordings
from domain.planning import Payload, PlannedAction
from domain.policy import LINK_REFERENCE, Policy

RECOVERY_SURVEY = "recovery-survey"

SCHEMA = "recovery-survey/1"
"""Of its payload."""

TACTLESS = "the customer has trouble again: not a moment to ask how the last one went"
"""Why one is not sent while nobody but a person may write to them."""

_POINTLESS_AFTER = timedelta(days=7)
"""After it was due: nobody remembers by then."""


def plan_recovery_survey(
    customer: Customer,
    number: int,
    turn: int,
    policy: Policy,
    wordings: Wordings,
    *,
    opened_at: datetime,
    solved_at: datetime,
    has_distress: bool,
    is_open: bool = False,
    suppressed: Collection[Capability] = (),
    now: datetime,
) -> PlannedAction:
    """Ask after the pause, in the customer's own hours; recorded as skipped where a question would be tactless.

    Consent, suppression, tact lock, window and cap are looked at again when it is sent. `is_open`: the case is open
    again meanwhile.
    """
    rules = policy.cases.recovery_survey
    written = [language for language in policy.languages if (RECOVERY_SURVEY, language) in wordings]
    language = choose_language(customer.language, supported=written, default=policy.default_language)
    zone = customer.time_zone or policy.default_time_zone
    due_at = max(solved_at + timedelta(hours=rules.after_hours), now)
    choice = choose_reply_channel(
        customer,
        policy.contact.quiet,
        due_at,
        default_time_zone=policy.default_time_zone,
        suppressed={*suppressed, Capability.VOICE, Capability.PUSH},
    )
    capability = Capability.MAIL if isinstance(choice, NoChannel) else choice.capability
    hold = hours_hold(rules.basis, capability, customer.window, policy.contact.quiet, zone, due_at)
    human = policy.human[language]
    reference = f"{customer.ref}-{number}"
    return PlannedAction(
        key=recovery_survey_key(customer.ref, number, turn),
        kind=Kind.MESSAGE,
        basis=rules.basis,
        capability=capability,
        purpose=Purpose.FEEDBACK if rules.basis is Basis.PROACTIVE else None,
        payload=Payload(
            schema=SCHEMA,
            template=RECOVERY_SURVEY,
            template_hash=wordings.get((RECOVERY_SURVEY, language)),
            params={
                "name": customer.name,
                "time_zone": zone,
                "received_at": f"{opened_at:%Y-%m-%dT%H:%M:%SZ}",
                "link": rules.link.replace(LINK_REFERENCE, quote(reference, safe="")),
                "human": {"phone": human.phone, "mail": human.mail, "hours": human.hours},
                "company": policy.company,
                "reference": reference,
                "language": language,
            },
        ),
        due_at=due_at if hold is None else hold.until,
        reason=f"asked {rules.after_hours} hours after it was solved" if hold is None else hold.reason,
        not_after=due_at + _POINTLESS_AFTER,
        facts=frozenset({"customer", "case"}),
        skip=_skip(choice, has_distress=has_distress, is_open=is_open, is_written=language in written),
    )


def _skip(choice: object, *, has_distress: bool, is_open: bool, is_written: bool) -> str | None:
    if is_open:
        return "the case is open again"
    if has_distress:
        return "words of distress: the machine asks nothing, a person had the last word"
    if isinstance(choice, NoChannel):
        return choice.reason
    return None if is_written else "no approved wording of the recovery survey"
