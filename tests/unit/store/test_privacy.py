"""docs/privacy.md says of every table what an erasure takes and what it keeps."""

import re

from services.settings import ROOT
from store.tables import metadata


def test_every_table_is_in_the_list_of_what_is_kept_and_why() -> None:
    lines = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8").splitlines()
    told = [line.split("|") for line in lines if re.match(r"\| `[a-z_`, ]+` \|", line)]
    listed = [name for cells in told for name in re.findall(r"`([a-z_]+)`", cells[1])]

    assert sorted(listed) == sorted(metadata.tables)
    assert all(len(cells) == 5 and all(cell.strip() for cell in cells[1:4]) for cells in told)
