"""`handrail …` in this process: its exit status, what it said on stdout, what it said on stderr."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from handrail.cli import main


@dataclass(frozen=True)
class Said:
    """What one command came to."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """stdout as the one JSON document it must be."""
        [line] = self.out.splitlines()
        return json.loads(line)


class CommandLine:
    """Runs commands on one installation."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *words: str) -> Said:
        self._monkeypatch.setattr("sys.argv", ["handrail", *words])
        self._capsys.readouterr()
        status = main()
        said = self._capsys.readouterr()
        return Said(status, said.out, said.err)
