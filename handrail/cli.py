"""`handrail …`: one command for everybody who deploys, watches and decides.

Exit status: 0 done; 1 it failed and says why; 2 wrong use. Modules of the commands import what they need inside, so
that `handrail --help` answers at once.
"""

import sys

import typer

from handrail.commands import (
    actions,
    audit,
    backtest,
    cases,
    controls,
    database,
    demo,
    doctor,
    erase,
    gates,
    imports,
    journeys,
    on_call,
    operators,
    policy,
    prefect,
    quarantine,
    reviewers,
    reviews,
    run,
    simulate,
    templates,
    trace,
    triage,
    up,
)
from handrail.speech import say_json, warn

app = typer.Typer(
    name="handrail",
    help="Customer care automation with a human hand on the risky part.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up")(up.up)
app.command("demo")(demo.demo)
app.command("run")(run.run)
app.command("simulate")(simulate.simulate)
app.command("trace")(trace.trace)
app.command("stop")(controls.stop)
app.command("start")(controls.start)
app.command("doctor")(doctor.doctor)
app.command("on-call")(on_call.on_call)
app.command("erase")(erase.erase)
app.add_typer(actions.app, name="actions")
app.add_typer(audit.app, name="audit")
app.add_typer(cases.app, name="cases")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(imports.app, name="import")
app.add_typer(gates.app, name="gates")
app.add_typer(backtest.app, name="backtest")
app.add_typer(database.app, name="db")
app.add_typer(journeys.app, name="journeys")
app.add_typer(operators.app, name="operators")
app.add_typer(policy.app, name="policy")
app.add_typer(prefect.app, name="prefect")
app.add_typer(reviewers.app, name="reviewers")
app.add_typer(reviews.app, name="reviews")
app.add_typer(templates.app, name="templates")
app.add_typer(triage.app, name="triage")


def main() -> int:
    """Run the command; its exit status. A surprise keeps its traceback."""
    try:
        app()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except Exception as problem:
        from handrail.problems import in_words  # imports the database's errors, 300 ms that a success need not wait for

        words = in_words(problem)
        if words is None:
            raise
        warn(f"handrail: {words}")
        if "--json" in sys.argv:
            say_json({"error": words})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
