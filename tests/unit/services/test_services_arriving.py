"""Files that arrived: which are new, in which order they are taken, and where they may be fetched from."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.gates import DataSet
from services import arriving
from services.arriving import Before, CannotFetch, arrived, data_set_of, download, require_allowed
from services.gates import Approver, approve_gate
from services.import_files import UnreadableFile
from services.importing import Source, import_batch

HOSTS = frozenset({"files.example.com"})
ADDRESS = "https://files.example.com/out/entitlements-2026-03-04.csv"


def put(folder: Path, name: str, *lines: str) -> Path:
    file = folder / name
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_customers_come_before_what_refers_to_them(installation: Any, tmp_path: Path) -> None:
    for name in ("entitlements-1.csv", "purchases.parquet", "new-customers.jsonl", "readme.txt"):
        put(tmp_path, name, "ref")
    found = arrived(installation.database, tmp_path).files
    assert [(one.name, one.feed) for one in found] == [
        ("new-customers.jsonl", "new-customers"),
        ("entitlements-1.csv", "entitlements"),
        ("purchases.parquet", "purchases"),
    ]
    assert {one.before for one in found} == {Before.NEW}


def test_a_file_nobody_can_tell_the_contents_of_does_not_keep_the_others_waiting(
    installation: Any, tmp_path: Path
) -> None:
    put(tmp_path, "custmers-1.csv", "ref")
    put(tmp_path, "purchases-1.csv", "ref")
    there = arrived(installation.database, tmp_path)
    assert [one.name for one in there.files] == ["purchases-1.csv"]
    assert len(there.problems) == 1
    assert there.problems[0].startswith("custmers-1.csv: the name does not say what it holds")


def test_what_was_taken_is_known_by_its_bytes_whatever_it_is_called(installation: Any, tmp_path: Path) -> None:
    file = put(tmp_path, "customers-1.csv", "ref", "C-1")
    source = Source(file, DataSet.CUSTOMERS)
    report = import_batch(installation.database, installation.policy, source, clock=installation.clock)
    file.rename(tmp_path / "customers-2.csv")
    [found] = arrived(installation.database, tmp_path).files
    assert (found.before, found.gate_id) == (Before.TAKEN, report.gate["id"])


def test_what_was_halted_waits_until_a_person_lets_it_through(installation: Any, tmp_path: Path) -> None:
    file = put(tmp_path, "customers.csv", "ref")
    source = Source(file, DataSet.CUSTOMERS)
    report = import_batch(installation.database, installation.policy, source, clock=installation.clock)
    assert report.is_halted
    assert arrived(installation.database, tmp_path).files[0].before is Before.HALTED
    approve_gate(installation.database, report.gate["id"], Approver("Ewa", "nobody is a customer yet"))
    assert arrived(installation.database, tmp_path).files[0].before is Before.NEW


def test_a_name_that_does_not_say_what_it_holds_is_refused() -> None:
    assert data_set_of("2026-ENTITLEMENTS.csv") is DataSet.ENTITLEMENTS
    for name in ("export.csv", "customers-purchases.csv"):
        with pytest.raises(UnreadableFile, match="does not say what it holds"):
            data_set_of(name)


def test_a_folder_that_is_not_there_is_said(installation: Any, tmp_path: Path) -> None:
    with pytest.raises(CannotFetch, match="there is no such folder"):
        arrived(installation.database, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://files.example.com/entitlements.csv", "must be https"),
        ("https://user:secret@files.example.com/entitlements.csv", "without a name and password"),
        ("https://elsewhere.example.com/entitlements.csv", "not among the hosts"),
        ("https://files.example.com.evil.test/entitlements.csv", "not among the hosts"),
        ("https:///entitlements.csv", "must be https"),
        ("file:///etc/passwd", "must be https"),
    ],
)
def test_only_the_hosts_we_named_are_asked(address: str, why: str) -> None:
    with pytest.raises(CannotFetch, match=why) as caught:
        require_allowed(address, HOSTS)
    assert "secret" not in str(caught.value)


def answering(answer: httpx.Response) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _request: answer)


def test_a_file_is_fetched_as_it_is(tmp_path: Path) -> None:
    body = b"ref\nC-1\n" * 1000
    file = download(f"{ADDRESS}?sig=1", HOSTS, tmp_path, transport=answering(httpx.Response(200, content=body)))
    assert (file.name, file.read_bytes()) == ("entitlements-2026-03-04.csv", body)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (httpx.Response(302, headers={"location": "https://elsewhere.example.com/x.csv"}), "answers 302"),
        (httpx.Response(404), "answers 404"),
        (httpx.Response(200, content=b"ref\n", headers={"content-length": "99"}), "4 of 99 bytes came"),
        (httpx.Response(200, content=b"x" * 2000), "more than 1000 bytes"),
    ],
)
def test_what_is_no_whole_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: httpx.Response, why: str
) -> None:
    monkeypatch.setattr(arriving, "LARGEST_BYTES", 1000)
    with pytest.raises(CannotFetch, match=why):
        download(ADDRESS, HOSTS, tmp_path, transport=answering(answer))


def test_a_host_that_does_not_answer_is_said(tmp_path: Path) -> None:
    def fail(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(CannotFetch, match=r"files\.example\.com does not answer: ConnectError"):
        download(ADDRESS, HOSTS, tmp_path, transport=httpx.MockTransport(fail))


def test_an_address_must_name_a_file_we_can_read(tmp_path: Path) -> None:
    with pytest.raises(CannotFetch, match="must end in the name of a file"):
        download("https://files.example.com/entitlements?format=csv", HOSTS, tmp_path)
