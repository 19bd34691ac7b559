"""Each guard over a plan has a page that knows all of its verdicts."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from ferry.guards import stateful

ROOT = Path(__file__).parents[2]
GUARDS = ("coverage", "images", "isolation", "parity", "principals", "retention", "stateful", "wrongstate")
ROW = re.compile(r"^\| (?P<verdicts>`[a-z`, -]+`) \|", re.MULTILINE)
VERDICT = re.compile(r'verdict=f?"([a-z]+(?:-[a-z{}]+)*)"')


def page(guard: str) -> str:
    return (ROOT / f"docs/reference/guards/{guard}.md").read_text()


def told(guard: str) -> set[str]:
    return {verdict for row in ROW.finditer(page(guard)) for verdict in re.findall(r"`([a-z-]+)`", row["verdicts"])}


@pytest.mark.parametrize("guard", [guard for guard in GUARDS if guard != "stateful"])
def test_a_page_tells_the_verdicts_of_its_guard(guard: str) -> None:
    source = (ROOT / f"ci/src/ferry/guards/{guard}.py").read_text()
    known = set(VERDICT.findall(source))
    if guard == "parity":
        known |= {"missing", "differs"}
    if guard == "images":
        known = known - {"other-{wrong}"} | {f"other-{wrong}" for wrong in ("account", "region", "repository")}
    assert told(guard) == known


def test_so_does_that_of_the_guard_whose_verdicts_are_a_table() -> None:
    source = (ROOT / "ci/src/ferry/guards/stateful.py").read_text()
    known = {setting.verdict for setting in stateful._SETTINGS}
    known |= set(re.findall(r'verdict, what = "([a-z]+)"', source))
    known |= set(re.findall(r'(?:_said|_blocked)\(\s*change,\s*(?:[\w.]+,\s*)?"([a-z-]+)"', source))
    assert told("stateful") == known


@pytest.mark.parametrize("guard", GUARDS)
def test_its_examples_are_toml_that_names_the_guard(guard: str) -> None:
    examples = [tomllib.loads(text) for text in re.findall(r"```toml\n(.+?)```", page(guard), re.DOTALL)]
    allowances = [allowed for example in examples for allowed in example.get("allow", [])]
    assert {allowed["guard"] for allowed in allowances} <= {guard}
    assert all(allowed.keys() == {"guard", "address", "reason", "until"} for allowed in allowances)
    assert bool(allowances) == (guard not in {"coverage", "parity"})
