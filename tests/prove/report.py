"""What the proof found, for a reader: what holds, for which write classes, within which bound, what is not covered."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from finding import Finding

PROMISES = {
    "P1": "at most one CRM task per customer and occurrence",
    "P2": "everything due ends as an effect, a recorded skip, or where a person sees it",
    "P3": "at most one message per customer and step; a resent acknowledgement is counted",
    "P5": "what was answered 2xx is durable",
    "P6": "a webhook delivered k times is one ticket and one acknowledgement",
    "P7": "nothing is armed that a committed opt-out, suppression, erasure or tact lock forbids",
    "P8": "ticket and acknowledgement within one second, also with Prefect down",
    "P13": "no more sends in a window than the cap, whatever dies",
    "P14": "nothing is armed after the kill switch commits",
    "P15": "a stale worker's result is refused",
    "P16": "no row stays `sending` longer than lease and sweep",
    "P17": "nothing that may have gone out is sent again, unless its write class allows it",
    "P18": "a poison item is set aside after three deaths, all others finish",
    "P19": "Retry-After is respected, attempts are bounded, no storm after recovery",
    "P21": "only legal moves; replaying the audit rebuilds the ledger",
    "P22": "a restart and all input again change nothing outside",
    "P25": "Prefect's runs and events lost, tripled, delayed, its database wiped: only latency changes",
}
"""The properties of the guarantee whose subject is built, in short."""

_CLASSES = """\
What a vendor promises for one operation decides what follows a lost answer:

| the vendor | letter in configuration | after a lost answer | at most |
|---|---|---|---|
| knows our key and answers a repeat as the first time | A | the same key again | one effect |
| keeps one record per key | B | written over again | one effect |
| can be searched for our key | C | searched twice, its lag apart; adopted, or (internal effects) tried once more | one effect |
| can be neither searched nor repeated | D | a message goes to a person; a critical acknowledgement is resent once, and counted | one; two for that acknowledgement |
"""  # noqa: E501 - a table's row is one line


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where and when it was measured."""

    commit: str
    at: datetime
    machine: str
    seed: int
    seconds: float
    unfinished: Sequence[str]
    """Parts that did not come to their end, in words."""
    again: Sequence[str] = ()
    """Parts that were run again by themselves on the same commit, and when."""


def write(findings: Sequence[Finding], circumstances: Circumstances) -> str:
    """The report as Markdown."""
    parts = [
        "# What was proved, and how far\n",
        _introduction(findings, circumstances),
        "## What holds\n",
        _promises(findings),
        _CLASSES,
        "## What was done to it\n",
        _campaigns(findings),
        "## Faults, by how often they were met\n",
        _faults(findings),
        "## The harness itself: planted mutants\n",
        _mutants(findings),
        "## Histories on a virtual clock\n",
        _steps(findings),
        "## Not covered\n",
        _not_covered(findings, circumstances),
    ]
    return "\n".join(parts)


def bound(trials: int) -> str:
    """Zero failures in n trials bound the rate at 3/n (95 %)."""
    return f"{3 / trials:.1e}" if trials else "–"


def _introduction(findings: Sequence[Finding], it: Circumstances) -> str:
    broken = [f for f in findings if not f.holds]
    verdict = (
        "Everything that was judged held."
        if not broken and not it.unfinished
        else f"**{len(broken)} campaigns found something that did not hold; {len(it.unfinished)} parts did not end.**"
    )
    again = f" Run again by itself on the same commit: {', '.join(it.again)}." if it.again else ""
    longest = max((f.longest_recovery_seconds for f in findings), default=0.0)
    return f"""\
Written by `make prove` from what it measured: commit {it.commit}, {it.at:%Y-%m-%d %H:%M} UTC, {it.machine},
seed {it.seed}, {it.seconds / 60:.0f} minutes. {verdict}{again}

**{_total(findings, "deaths")} process deaths, {_total(findings, "stops")} processes stopped past their lease and
woken, {sum(sum(f.faults.values()) for f in findings):,} faults; {_total(findings, "effects_due")} effects due,
{_total(findings, "lost")} lost, {_total(findings, "doubled")} doubled, {_total(findings, "resent")} acknowledgements
resent once and counted; {_total(findings, "uncertain")} lost answers, {_total(findings, "settled")} of them settled
without a person and {_total(findings, "left_to_people")} left to people; longest recovery {longest:.1f} s.**

Losses and duplicates are judged by the vendor's own record, fsynced before it answers, against the driver's list of
what was due; our tables are read only for what they admit (rows left to people, counted resends). At the end of each
campaign everything is started and delivered once more (P22).
"""


def _total(findings: Sequence[Finding], field: str) -> str:
    return f"{sum(getattr(finding, field) for finding in findings):,}"


def _promises(findings: Sequence[Finding]) -> str:
    rows = ["| | property | campaigns | deaths and stops | effects judged | violations | rate below (95 %) |", _rule(7)]
    campaigns = [finding for finding in findings if not finding.mutants]  # a fault no test catches breaks no promise
    for promise, words in PROMISES.items():
        judged = [finding for finding in campaigns if promise in finding.promises]
        effects = sum(finding.effects_due for finding in judged)
        deaths = sum(finding.deaths + finding.stops for finding in judged)
        broken = sum(not finding.holds for finding in judged)
        verdict = "not judged" if not judged else str(broken)
        rows.append(
            f"| {promise} | {words} | {len(judged)} | {deaths:,} | {effects:,} | {verdict} | "
            f"{bound(effects) if judged and not broken else '–'} |"
        )
    return "\n".join(rows) + "\n\nThe last column is 3/n for n effects judged without a failure.\n"


def _campaigns(findings: Sequence[Finding]) -> str:
    columns = ("part", "database", "runs", "deaths", "stops", "faults", "due", "lost", "doubled", "resent")
    columns += ("uncertain (settled, people)", "longest recovery", "again", "seconds")
    rows = [f"| {' | '.join(columns)} |", _rule(len(columns))]
    points = []
    for f in findings:
        if f.mutants:
            continue
        cells = (f"{f.part}: {f.what}", f.database, f.runs, f.deaths, f.stops, sum(f.faults.values()), f.effects_due)
        cells += (f.lost, f.doubled, f.resent, f"{f.uncertain} ({f.settled}, {f.left_to_people})")
        cells += (f"{f.longest_recovery_seconds:.1f} s", f.repeats_changed, f"{f.seconds:.0f}")
        rows.append(f"| {' | '.join(map(str, cells))} |")
        if f.points_known:
            points.append(f"{f.points_covered} of {f.points_known} ({f.database}: {f.what})")
    text = "\n".join(rows) + "\n\n`again`: effects that a restart and the redelivery of all input added.\n"
    if points:
        text += f"\nCrash points at which a process was killed: {'; '.join(points)}.\n"
    timed = [f for f in findings if f.p99_seconds]
    if timed:
        text += "\nFrom a critical answer's first byte to ticket and acknowledgement: "
        text += "; ".join(f"{f.what}: p50 {f.p50_seconds:.2f} s, p99 {f.p99_seconds:.2f} s" for f in timed) + ".\n"
    return text


def _faults(findings: Sequence[Finding]) -> str:
    met: Counter[str] = Counter()
    for finding in findings:
        met.update(finding.faults)
    if not met:
        return "None.\n"
    rows = [f"| {mode} | {count:,} |" for mode, count in met.most_common()]
    return "\n".join(["| fault | met |", _rule(2), *rows]) + "\n"


def _mutants(findings: Sequence[Finding]) -> str:
    planted = {name: caught for finding in findings for name, caught in finding.mutants.items()}
    if not planted:
        return "None were planted.\n"
    caught = sum(bool(by) for by in planted.values())
    rows = [f"| {name} | {by or '**survived**'} |" for name, by in sorted(planted.items())]
    lead = f"{caught} of {len(planted)} caught; the unmutated copy passes the same tests.\n\n"
    return lead + "\n".join(["| planted | caught by |", _rule(2), *rows]) + "\n"


def _steps(findings: Sequence[Finding]) -> str:
    with_steps = [finding for finding in findings if finding.steps]
    if not with_steps:
        return "None.\n"
    text = ""
    for f in with_steps:
        did = ", ".join(f"{name} {count:,}" for name, count in sorted(f.did.items(), key=lambda one: -one[1]))
        text += f"- {f.database}: {f.runs:,} histories, {f.steps:,} steps. What changed something: {did}.\n"
    return text


def _not_covered(findings: Iterable[Finding], it: Circumstances) -> str:
    words = list(it.unfinished)
    for finding in findings:
        words += [one for one in finding.not_covered if one not in words]
        words += [f"DOES NOT HOLD, {finding.part} ({finding.database}): {one}" for one in finding.violations]
    words.append(
        "Reviews and decisions (P9–P12), journeys (P4, P26, P28), gates (P20), erasure across imports (P27), outages "
        "of integrations over time (P24): their subjects come later."
    )
    words.append(
        "A power cut: processes and servers were killed, the disk was not. SQLite runs with synchronous = FULL."
    )
    return "\n".join(f"- {one}" for one in words) + "\n"


def _rule(columns: int) -> str:
    return "|" + "---|" * columns
