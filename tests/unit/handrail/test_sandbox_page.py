"""The page: whole, from nowhere else, and in step with the server."""

import re
from pathlib import Path

from sandbox_world import RunningSandbox

import handrail.sandbox
from handrail.sandbox.effects import CAPABILITIES
from handrail.sandbox.modes import Mode

PAGE = Path(handrail.sandbox.__file__).with_name("page")
SCRIPTS = {file.name: file.read_text() for file in PAGE.glob("*.js")}


async def test_everything_the_page_asks_for_is_there_and_nothing_from_elsewhere(sandbox: RunningSandbox) -> None:
    async with sandbox.client.get("/") as answer:
        assert answer.content_type == "text/html"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        html = await answer.text()
    asked = set(re.findall(r'(?:src|href)="(/page/[^"]+)"', html))
    asked |= {f"/page/{name}" for text in SCRIPTS.values() for name in re.findall(r'from "\./([^"]+)"', text)}
    assert {f"/page/{name}" for name in SCRIPTS} | {"/page/page.css"} <= asked
    for path in asked:
        async with sandbox.client.get(path) as answer:
            assert answer.status == 200, path
            assert "http:" not in (text := await answer.text()).replace("http://www.w3.org/", ""), path
            assert "https:" not in text, path


def test_no_script_makes_html_of_text() -> None:
    for name, text in SCRIPTS.items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", text), name


async def test_the_fault_form_offers_what_the_server_takes(sandbox: RunningSandbox) -> None:
    offered = re.search(r"const CAPABILITIES = \[(.*?)\]", SCRIPTS["faults.js"])
    assert offered is not None
    assert set(re.findall(r'"(\w+)"', offered.group(1))) == set(CAPABILITIES)
    assert 'fetch("/faults/modes")' in SCRIPTS["feed.js"]
    assert "Object.keys(feed.modes)" in SCRIPTS["faults.js"]
    async with sandbox.client.get("/faults/modes") as answer:
        modes = await answer.json()
    assert list(modes) == list(Mode)
    waits = re.search(r"const MANY = \{(.*?)\}", SCRIPTS["faults.js"])
    assert waits is not None
    assert set(re.findall(r"(\w+):", waits.group(1))) == {told["meets"] for told in modes.values()}
    assert {mode for mode, told in modes.items() if told["timed"]} == {
        *("status_429", "retry_after_date", "timeout_before", "timeout_after", "slow", "late", "search_lag")
    }
