"""`handrail doctor`: is everything in order, and if not, what to do."""

import typer

from handrail.speech import AsJson, say_json, say_table


def doctor(as_json: AsJson = False) -> None:
    """Look at configuration, database, templates, integrations, gateway, Prefect and what waits for people."""
    from handrail.doctor import Verdict, examine

    findings = examine()
    failed = any(finding.verdict is Verdict.FAIL for finding in findings)
    if as_json:
        say_json({"ok": not failed, "checks": [finding.as_json() for finding in findings]})
    else:
        say_table(("verdict", "check", "found", "do"), [finding.as_json() for finding in findings])
    if failed:
        raise typer.Exit(1)
