"""`handrail erase`: forget a customer."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from handrail.failures import CommandFailed
from handrail.speech import AsJson, say, say_json


def erase(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's ref.")],
    by: Annotated[str, typer.Option("--by", help="Your name; it is kept.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept. Write nothing of the customer in it.")],
    as_json: AsJson = False,
) -> None:
    """Take a customer's data out of all that is ours, for good; ask connected systems to forget them."""
    from handrail.opening import the_database
    from handrail.opening_vendors import the_eraser_names
    from services.erasing import NoSuchCustomer, erase_customer

    name, why = by.strip(), reason.strip()
    if not name or not why:
        raise typer.BadParameter("--by and --reason must say something: they are kept for those who ask later")
    with the_database() as database:
        try:
            done = erase_customer(database, customer, the_eraser_names(), by=name, reason=why, now=datetime.now(UTC))
        except NoSuchCustomer:
            raise CommandFailed(f'nobody has the ref "{customer}": look for it with `handrail trace`') from None
    if as_json:
        say_json(done.as_json())
        return
    blanked = ", ".join(f"{table} {count}" for table, count in sorted(done.counts.items())) or "nothing was left"
    say(f"{customer}: erased; blanked: {blanked}; {done.cancelled} actions cancelled")
    if done.asked:
        say(f"asked to forget them: {', '.join(done.asked)}; how it goes: `handrail trace {customer}`")
    for channel, refs in sorted(done.shared.items()):
        say(f"{channel}: {', '.join(refs)} have the same address, so it stays open; is it one person, erase them too")
    if done.look_at:
        rows = ", ".join(str(row_id) for row_id in done.look_at)
        say(f"the name is in quarantine, perhaps another's: `handrail quarantine show` {rows}")
    if not done.log_is_empty:
        say("SQLite's log still has earlier pages, as somebody was reading: run this once more in a minute")
