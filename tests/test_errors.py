from __future__ import annotations

import re

import pytest

from docs import generate
from ferry import errors
from ferry.errors import ConfigError, FerryError, Mistake, UsageError

TAKEN = {0: "done", 1: "what anything else that breaks ends with", 2: "the plan has changes"}
TREE = re.compile(r"[├└]── (?P<name>\w+) +(?P<code>\d+)   (?P<meaning>\S.+)")
FAILURES = generate.failures()
PAGE = (generate.REFERENCE / "exit-codes.md").read_text()


def test_each_failure_has_an_exit_code_of_its_own() -> None:
    codes = [failure.exit_code for failure in FAILURES]
    assert len(codes) == len(set(codes))
    assert not TAKEN.keys() & set(codes)
    assert all(0 < code < 256 for code in codes)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = [(line["name"], int(line["code"])) for line in TREE.finditer(errors.__doc__ or "")]
    assert drawn == [(failure.__name__, failure.exit_code) for failure in FAILURES]


def test_no_failure_is_below_another() -> None:
    assert [failure for failure in FAILURES if failure.__subclasses__()] == []


def test_the_base_class_is_no_failure_of_its_own() -> None:
    assert not hasattr(FerryError, "exit_code")


def test_the_page_lists_what_there_is() -> None:
    assert generate.renewed(PAGE) == PAGE, "the classes have changed: make docs"


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.__name__)
def test_the_page_says_what_to_do_about(failure: type[FerryError]) -> None:
    section = re.search(rf"^### {failure.__name__}$(?P<text>.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section, f"docs/reference/exit-codes.md has no section on {failure.__name__}"
    assert "**What to do.**" in section["text"]


def test_the_page_explains_nothing_else() -> None:
    assert re.findall(r"^### (.+)$", PAGE, re.MULTILINE) == [failure.__name__ for failure in FAILURES]


def test_an_error_holds_facts() -> None:
    error = UsageError("no such command", where="ferry confg", why="it is not there", next="ferry --help")
    assert (error.what, error.where, error.why, error.next) == (
        "no such command",
        "ferry confg",
        "it is not there",
        "ferry --help",
    )
    assert str(error) == "no such command"


def test_mistakes_are_counted_and_listed() -> None:
    one = Mistake(file="ferry.toml", line=3, key="region", found="'mars'", allowed="an AWS region")
    two = Mistake(file="ferry.toml", line=9, key="", found="nothing", allowed="a project", nearest="proj")
    assert ConfigError("ferry.toml", (one,)).what == "ferry.toml has 1 mistake"
    both = ConfigError("ferry.toml", (one, two))
    assert both.what == "ferry.toml has 2 mistakes"
    assert both.why.splitlines() == [
        "ferry.toml:3: region: found 'mars'; allowed: an AWS region",
        "ferry.toml:9: the file: found nothing; allowed: a project (did you mean 'proj'?)",
    ]
