"""From a critical answer to its ticket and its mail: how long, at 5, 50 and 200 a second, with Prefect up and down.

The whole stack runs on this machine, started here in a temporary directory. Beside each rate the same answers go to a
bare handler which makes the same two calls and records nothing: the floor. One JSON line each.
"""

import argparse
import time
from collections.abc import Sequence

from _latency import QUIET_SECONDS, WARM_UP, Run, effects_of, line_of, print_line, run_rate, say
from _stack import Stack, running_floor, running_stack


def main() -> None:
    """Measure what the options ask for."""
    options = _options()
    for with_prefect in (False,) if options.skip_prefect else (True, False):
        with running_stack(with_prefect=with_prefect, database=options.database, base=options.ports) as stack:
            runs = _measure(stack, options.rates, options.seconds)
            effects = effects_of(stack)
        for run in runs:
            kind = options.database.partition(":")[0].partition("+")[0] or "sqlite"
            line = {"benchmark": "survey_latency", "prefect": with_prefect, "database": kind, **line_of(run, effects)}
            print_line(line)


def _measure(stack: Stack, rates: Sequence[float], seconds: float) -> list[Run]:
    """Every rate: first the floor, then Handrail."""
    runs = []
    with running_floor(stack) as floor:
        for system, door in (("floor", floor), ("handrail", stack.gateway)):
            run_rate(stack, system, door, rate=WARM_UP, seconds=1)
        for rate in rates:
            for system, door in (("floor", floor), ("handrail", stack.gateway)):
                say(f"survey_latency: {system}: {rate:g} a second for {seconds:g} s")
                runs.append(run_rate(stack, system, door, rate=rate, seconds=seconds))
        time.sleep(QUIET_SECONDS)
    return runs


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=_positive, default=10.0, help="how long each rate lasts (10)")
    parser.add_argument("--rates", type=_positive, nargs="+", default=[5.0, 50.0, 200.0], help="answers a second")
    parser.add_argument("--skip-prefect", action="store_true", help="only without Prefect")
    parser.add_argument("--database", default="", metavar="URL", help="a PostgreSQL database; else a new SQLite file")
    parser.add_argument("--ports", type=int, metavar="BASE", help="the first of three ports; else free ones")
    return parser.parse_args()


def _positive(told: str) -> float:
    number = float(told)
    if not 0 < number <= 10_000:
        raise argparse.ArgumentTypeError(f"{told} is not more than 0 and at most 10000")
    return number


if __name__ == "__main__":
    main()
