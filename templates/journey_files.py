"""Where journeys are read from: templates/journeys/NAME.yaml."""

from pathlib import Path

from data_contracts.journeys import JourneyFile, JourneyProblem, read_journey
from data_contracts.problems import Problem

JOURNEYS = Path(__file__).parent / "journeys"


def load_journeys(directory: Path = JOURNEYS) -> list[JourneyFile]:
    """Every journey below `directory`, by name. Raises `JourneyProblem` for the first that cannot be read."""
    return [load_journey(path) for path in sorted(directory.glob("*.yaml"))]


def load_journey(path: Path) -> JourneyFile:
    """The journey in a file, which is called as its journey is. Raises `JourneyProblem`, and OSError for no file."""
    try:
        text = path.read_text(encoding="utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise JourneyProblem(str(path), [Problem("the file", "is not UTF-8", "save it as UTF-8 text")]) from None
    file = read_journey(text, str(path))
    name = file.journey.name
    if name != path.stem:
        where = file.document.place(("name",))
        raise JourneyProblem(
            str(path), [Problem(where, f'is "{name}"', f"write {path.stem}, or call the file {name}.yaml")]
        )
    return file
