"""`handrail backtest`: how good our estimates would have been on data they have not seen."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from handrail.speech import AsJson, say, say_json, say_table, warn

if TYPE_CHECKING:
    from domain.backtesting import Backtest, Score
    from services.backtesting import Read

app = typer.Typer(help="How good estimates would have been on data they have not seen.", no_args_is_help=True)


@app.callback()
def backtests() -> None:
    """How good estimates would have been on data they have not seen."""


@app.command()
def depletion(
    file: Annotated[Path, typer.Argument(help="Purchases as they are imported: .csv, .jsonl or .parquet.")],
    split: Annotated[
        str, typer.Option(metavar="DATE", help="The last day that estimates see, as 2026-09-30. Later ones judge them.")
    ],
    as_json: AsJson = False,
) -> None:
    """When purchased stock runs out: days wrong, shares inside the interval, next to two naive guesses."""
    from data_contracts.policy import load_policy
    from handrail.failures import CommandFailed
    from services.backtesting import CannotBacktest, backtest_depletion
    from services.settings import load_settings

    try:
        day = date.fromisoformat(split)
    except ValueError:
        raise typer.BadParameter(f'"{split}" is no date: write it as 2026-09-30', param_hint="--split") from None
    settings, _ = load_settings()
    policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    try:
        read, result = backtest_depletion(file, policy.depletion, split=day)
    except CannotBacktest as problem:
        raise CommandFailed(str(problem)) from None
    if as_json:
        say_json(_told(file, read, result, policy.depletion.share_inside))
    else:
        _say(file, read, result, policy.depletion.share_inside)


def _told(file: Path, read: "Read", result: "Backtest", wanted: float) -> dict[str, Any]:
    return {
        "file": str(file),
        "purchases": read.purchases,
        "no_supply": read.no_supply,
        "broken": read.broken,
        "split": result.split,
        "until": result.until,
        "customers": {"all": result.customers, "estimated": result.customers_estimated},
        "supplies": {"all": result.supplies, "estimated": result.estimated, "coverage": round(result.coverage, 4)},
        "no_estimate": {reason.name.lower(): count for reason, count in sorted(result.no_estimate.items())},
        "bought_again": result.bought_again,
        "censored": result.censored,
        "share_inside_wanted": wanted,
        "estimate": _score(result.estimate),
        "last_interval": _score(result.last_interval),
        "mean_interval": _score(result.mean_interval),
        "better_than_both_guesses": result.is_better_than_guessing,
    }


def _score(score: "Score") -> dict[str, float | None]:
    return {
        "median_absolute_error_days": score.median_absolute_error_days,
        "share_inside": None if score.share_inside is None else round(score.share_inside, 4),
        "share_inside_of_all": None if score.share_inside_of_all is None else round(score.share_inside_of_all, 4),
        "judged": score.judged,
    }


def _say(file: Path, read: "Read", result: "Backtest", wanted: float) -> None:
    if read.broken:
        warn(f"{file}: {read.broken} rows break the contract of purchases and are left out")
    say(f"{read.purchases} purchases of what runs out; estimated on {result.split}, judged until {result.until}")
    say(
        f"{result.estimated} of {result.supplies} supplies ({result.coverage:.0%}) have an estimate, of "
        f"{result.customers_estimated} of {result.customers} customers"
    )
    for reason, count in sorted(result.no_estimate.items()):
        say(f"  {count} have none: {reason}")
    say(f"{result.bought_again} were bought again; {result.censored} not yet on {result.until}, perhaps never")
    scores = {
        "our estimate": result.estimate,
        "last interval repeated": result.last_interval,
        "mean interval": result.mean_interval,
    }
    say_table(
        ("guess", "median_error_in_days", "inside", "inside_of_all", "judged"),
        [
            {
                "guess": name,
                "median_error_in_days": _number(score.median_absolute_error_days),
                "inside": _share(score.share_inside),
                "inside_of_all": _share(score.share_inside_of_all),
                "judged": score.judged,
            }
            for name, score in scores.items()
        ],
    )
    say(
        f"inside: of supplies bought again, where the data reaches to the interval's end; {wanted:.0%} are wanted. "
        "of all: those never bought again count as outside."
    )
    say(
        "Our estimate is better than both guesses."
        if result.is_better_than_guessing
        else "Our estimate is NOT better than both guesses on this data: do not let anybody act on it."
    )


def _number(value: float | None) -> str:
    return "nobody to judge by" if value is None else f"{value:g}"


def _share(value: float | None) -> str:
    return "nobody to judge by" if value is None else f"{value:.0%}"
