"""Requirement ids: which lines of docs/requirements.md are proven, by which tests, and how those ended."""

from __future__ import annotations

import re
import signal
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from awsbox import Box
    from tests.awsbox.people import Account
    from tests.fake_engine.session import ConnectedEngine

ROOT = Path(__file__).parent.parent
LINE = re.compile(r"^\| (?P<id>[PBRS]-\d\d) \| (?P<text>.+) \|$", re.MULTILINE)
WORLDS = ("tests/infrastructure/", "tests/system/")
# Made-up examples of a property in the fast tests, at most; `make test` looks at as many as the test itself asks for.
FEW = 20
PROVEN = pytest.StashKey[dict[str, tuple[str, ...]]]()
OUTCOMES = pytest.StashKey[dict[str, str]]()


def requirements() -> dict[str, str]:
    """Id to text, in the document's order."""
    text = (ROOT / "docs/requirements.md").read_text()
    return {match["id"]: match["text"] for match in LINE.finditer(text)}


def pytest_configure() -> None:
    # What a shell runs in the background (`pytest &`) is deaf to SIGINT, and every program of ours inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Gathered(LoadScopeScheduling):  # type: ignore[misc] # it has no types
    """Tests go to whichever process is free; those of a folder that makes a world for all of them, to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in WORLDS if nodeid.startswith(folder)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Gathered | None:
    """Worlds are slow: without them tests are handed out in bundles, which takes less time."""
    return None if "not slow" in config.option.markexpr else Gathered(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--req-report", action="store_true", help="print each requirement with the tests that prove it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    known = requirements()
    marked = {item.nodeid: tuple(_ids(item)) for item in items}
    unknown = sorted({id for ids in marked.values() for id in ids} - set(known))
    if unknown:
        where = [node for node, ids in marked.items() if set(ids) & set(unknown)]
        raise pytest.UsageError(f"docs/requirements.md has no line {', '.join(unknown)}: see {', '.join(where)}")
    config.stash[PROVEN] = marked
    config.stash[OUTCOMES] = {}
    if "not slow" in config.option.markexpr:
        _fewer_examples(items)


def _fewer_examples(items: list[pytest.Item]) -> None:
    """A profile of Hypothesis gives way to what a test says, and those with the most examples do say it."""
    from hypothesis import is_hypothesis_test, settings  # noqa: PLC0415 - who has no such test need not wait for it

    for test in {getattr(item.obj, "__func__", item.obj) for item in items if isinstance(item, pytest.Function)}:
        if is_hypothesis_test(test):
            asked = test._hypothesis_internal_use_settings
            test._hypothesis_internal_use_settings = settings(asked, max_examples=min(asked.max_examples, FEW))


def _ids(item: pytest.Item) -> Iterator[str]:
    for mark in item.iter_markers("req"):
        yield from mark.args


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    # A skip is decided in set-up, a failure in any phase: the first that is not "passed" stays.
    outcomes = item.config.stash[OUTCOMES]
    if outcomes.get(item.nodeid, "passed") == "passed":
        outcomes[item.nodeid] = report.outcome
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.getoption("--req-report"):
        return
    proofs: dict[str, list[str]] = defaultdict(list)
    for node, ids in config.stash[PROVEN].items():
        for id in ids:
            proofs[id].append(f"    {config.stash[OUTCOMES].get(node, 'not run')}: {node}")
    terminalreporter.section("requirements")
    for id, text in requirements().items():
        terminalreporter.line(f"{id} {text}" if proofs[id] else f"{id} {text}\n    no test yet")
        for proof in proofs[id]:
            terminalreporter.line(proof)


@pytest.fixture
def anyio_backend() -> str:
    """What async tests (`pytest.mark.anyio`) run on: the event loop that Ferry runs on."""
    return "asyncio"


@pytest.fixture(scope="session")
def one_engine() -> Iterator[ConnectedEngine]:
    """The SDK keeps the connection that it has made: there is one fake engine in a process, whoever asks first."""
    from tests.fake_engine.session import connected  # noqa: PLC0415 - dagger is slow to import

    with connected() as engine:
        yield engine


@pytest.fixture
def engine(one_engine: ConnectedEngine) -> Iterator[ConnectedEngine]:
    """A fresh record of calls; afterwards, no query may have been one that a real engine refuses."""
    one_engine.reset()
    yield one_engine
    assert one_engine.refused == []


@pytest.fixture(scope="session")
def account() -> Iterator[Account]:
    """A running box; names of users, roles and resources are a test's own to choose, and shared by all tests.

    One for all tests of a process: the emulator keeps its state in module globals.
    """
    from anyio.from_thread import start_blocking_portal  # noqa: PLC0415 - the fast tests need no box

    import awsbox  # noqa: PLC0415
    from tests.awsbox.people import Account  # noqa: PLC0415

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(awsbox.Box.started()) as box:
        yield Account(box, portal)


@pytest.fixture(scope="session")
def box(account: Account) -> Box:
    return account.box
