"""Rules of the Terraform itself, for which nothing has to be applied."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.awsbox import terraform
from tests.awsbox.people import Caller
from tests.infrastructure.world import INFRASTRUCTURE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOTS = [INFRASTRUCTURE / "bootstrap", INFRASTRUCTURE / "terraform"]
FILES = sorted(INFRASTRUCTURE.rglob("*.tf"))
LITERALS = {
    "an account": re.compile(r"\b\d{12}\b"),
    "a region": re.compile(r"\b(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-\d\b"),
    "an environment": re.compile(r"\b(dev|preprod|prod|staging)\b"),
}
COMMENT = re.compile(r"#.*$", re.MULTILINE)
EVERYTHING = re.compile(r'^\s*Resource\s*=\s*\[?"\*"', re.MULTILINE)

here = pytest.mark.skipif(bool(terraform.absent()), reason=terraform.absent())


def named(path: Path) -> str:
    return str(path.relative_to(INFRASTRUCTURE))


@pytest.fixture
def root(request: pytest.FixtureRequest, tmp_path: Path) -> terraform.Root:
    """A copy, for nobody's account: no call is made."""
    nobody = Caller("http://127.0.0.1:9", "nobody", "nothing")
    copied = terraform.Root.of(request.param, tmp_path, nobody)
    copied.run("init", "-backend=false", "-lockfile=readonly")
    return copied


@here
@pytest.mark.slow
@pytest.mark.parametrize("root", ROOTS, ids=named, indirect=True)
def test_it_is_valid_by_the_providers_own_schema(root: terraform.Root) -> None:
    assert "The configuration is valid" in root.run("validate", "-no-color")


@here
@pytest.mark.slow
@pytest.mark.req("B-06", "B-12", "P-04")
@pytest.mark.parametrize("root", [INFRASTRUCTURE / "terraform"], ids=named, indirect=True)
def test_its_rules_hold(root: terraform.Root) -> None:
    assert ", 0 failed" in root.run("test", "-no-color")


def code(path: Path) -> str:
    return COMMENT.sub("", path.read_text())


@pytest.mark.req("R-11")
@pytest.mark.parametrize("path", [path for path in FILES if path.name != "variables.tf"], ids=named)
def test_no_account_region_or_environment_is_written_out(path: Path) -> None:
    found = {what: match[0] for what, pattern in LITERALS.items() if (match := pattern.search(code(path)))}

    assert found == {}


def stars(path: Path) -> Iterator[str]:
    """Each statement about everything, from its first line on."""
    text = path.read_text()
    for match in EVERYTHING.finditer(text):
        yield text[text.rindex("{\n", 0, text.rindex("Sid", 0, match.start())) : match.end()]


@pytest.mark.parametrize("path", FILES, ids=named)
def test_what_is_about_everything_says_why(path: Path) -> None:
    silent = [statement for statement in stars(path) if "#" not in statement]
    if path.name == "key.tf":
        assert "In a key's policy, * is the key" in path.read_text()
    else:
        assert silent == []
    assert not re.search(r'Action\s*=\s*\[?"\*"', code(path))


def test_both_roots_lock_the_same_provider() -> None:
    locks = {(root / ".terraform.lock.hcl").read_text() for root in ROOTS}

    assert len(locks) == 1
