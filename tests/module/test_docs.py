"""What the documentation says exists: commands, flags, functions, links, keys, and the JSON that it shows."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from graphql import GraphQLObjectType, get_named_type

from docs import generate
from ferry import cli, module
from ferry.errors import ConfigError, Mistake
from ferry.report import failure, record
from tests.fake_engine import register, schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fake_engine import ConnectedEngine, Declared

ROOT = Path(__file__).parents[2]
PAGES = [path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")) if path.is_file()]
FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
OTHERS = {".", ".venv/bin/pytest", "export", "git", "terraform"}
"""What else a reader is told to type."""


def commands(text: str) -> list[str]:
    """What a reader is told to type: in ```sh blocks, and in the text where it is whole."""
    blocks = "\n".join(fence["text"] for fence in FENCE.finditer(text) if fence["language"] == "sh")
    typed = [line for line in blocks.replace("\\\n", " ").splitlines() if line.strip()]
    inline = re.findall(r"`((?:ferry|make|dagger call) [^`…<]+)`", FENCE.sub("", text))
    return typed + inline


def mistake(command: str, declared: Declared) -> str:
    """What is wrong with a command, or nothing."""
    program, *words = shlex.split(re.split(r" (?:\||>|2>|#) ?", command)[0])
    match program:
        case "ferry":
            return _ferry(words)
        case "make":
            return ", ".join(f"no target {word}" for word in words if word not in TARGETS)
        case "dagger" if words[0] == "call":
            return _dagger(words[1:], declared)
        case "dagger":
            return "" if words in (["functions"], ["check"], ["generate"]) else f"dagger has no {words}"
        case _:
            return "" if program in OTHERS else f"what is {program}?"


def _ferry(words: list[str]) -> str:
    command: Any = typer.main.get_command(cli.app)
    arguments = 0
    typed = iter(words)
    for word in typed:
        takes = {
            option: not parameter.is_flag for parameter in command.params for option in parameter.opts if "-" in option
        }
        if word.startswith("-"):
            option, given, _ = word.partition("=")
            if option not in takes | {"--help": False, "-h": False}:
                return f"ferry {command.name} has no {word}"
            if takes.get(option) and not given and next(typed, None) is None:
                return f"ferry {command.name} {word} needs a value"
        elif hasattr(command, "commands"):
            if word not in command.commands:
                return f"ferry has no {word}"
            command = command.commands[word]
        else:
            arguments += 1
    most = sum(parameter.param_type_name == "argument" for parameter in command.params)
    return f"ferry {command.name} takes {most} arguments" if arguments > most else ""


def _dagger(words: list[str], declared: Declared) -> str:
    """Follow the chain: flags belong to the last function named, the first ones to the module itself."""
    here, flags = "Ferry", _constructor(declared)
    for word in words:
        if word.startswith("--"):
            if word[2:].partition("=")[0] not in flags:
                return f"{here} knows no {word}"
            continue
        functions = _functions(here, declared)
        if word not in functions:
            return f"{here} has no {word}"
        here, flags = functions[word]
    return ""


def _constructor(declared: Declared) -> set[str]:
    made = next(object.constructor for object in declared.objects if object.name == "Ferry")
    assert made
    return {_kebab(argument.name) for argument in made.arguments}


def _functions(name: str, declared: Declared) -> dict[str, tuple[str, set[str]]]:
    """Of one of our objects, or one of Dagger's own: name to what it returns and the flags that it takes."""
    for object in declared.objects:
        if object.name == name:
            fields = {_kebab(it.name): (it.type.strip("[]!"), set[str]()) for it in object.fields}
            return fields | {
                _kebab(it.name): (it.returns.strip("[]!"), {_kebab(argument.name) for argument in it.arguments})
                for it in object.functions
            }
    core = schema().get_type(name)
    if not isinstance(core, GraphQLObjectType):
        return {}
    return {_kebab(key): (get_named_type(it.type).name, set(map(_kebab, it.args))) for key, it in core.fields.items()}


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"-\1", name).lower().replace("_", "-")


@pytest.fixture(scope="module")
def declared(one_engine: ConnectedEngine) -> Declared:
    return register(one_engine, module.Ferry)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_exist(page: Path, declared: Declared) -> None:
    assert {command: wrong for command in commands(page.read_text()) if (wrong := mistake(command, declared))} == {}


def test_the_readme_has_the_two_commands() -> None:
    told = commands((ROOT / "README.md").read_text())
    assert "make rehearse" in told
    assert any(command.startswith("dagger call ") for command in told)


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("ferry confg check", "ferry has no confg"),
        ("ferry config check --jsn", "ferry check has no --jsn"),
        ("ferry config check one two", "ferry check takes 1 arguments"),
        ("ferry publish --env preprod --offline", ""),
        ("ferry publish --env", "ferry publish --env needs a value"),
        ("ferry config check one | head", ""),
        ("make rehearsal", "no target rehearsal"),
        ("dagger develop", "dagger has no ['develop']"),
        ("dagger call biuld", "Ferry has no biuld"),
        ("dagger call --imge-mirror=x build", "Ferry knows no --imge-mirror=x"),
        ("dagger call plan --environment=preprod", "Plan knows no --environment=preprod"),
        ("dagger call plan --env=preprod report exprt", "File has no exprt"),
        ("dagger call plan --env=preprod report export --pth=x", "String knows no --pth=x"),
        ("dagger call build image --name=x terminal", ""),
        ("docker run ferry", "what is docker?"),
    ],
)
def test_a_command_that_does_not_exist_is_found(command: str, wrong: str, declared: Declared) -> None:
    assert mistake(command, declared) == wrong


def links(page: Path, text: str) -> Iterator[tuple[str, Path, str]]:
    for link in re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)", FENCE.sub("", text)):
        if not re.match(r"https?:", link):
            path, _, anchor = link.partition("#")
            yield link, (page.parent / path).resolve() if path else page, anchor


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path, text: str) -> list[str]:
    return [
        link
        for link, target, anchor in links(page, text)
        if not target.is_file() or (anchor and anchor not in anchors(text if target == page else target.read_text()))
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page, page.read_text()) == []


def test_a_link_that_leads_nowhere_is_found() -> None:
    text = "# One thing\n[a](#one-thing) [b](#two) [c](docs/none.md) [d](docs/index.md#none) [e](https://none)"
    assert broken_links(ROOT / "README.md", text) == ["#two", "docs/none.md", "docs/index.md#none"]


def test_every_page_is_on_the_map() -> None:
    index = ROOT / "docs/index.md"
    mapped = {target for _, target, _ in links(index, index.read_text())}
    assert [page for page in PAGES if page not in mapped | {index, ROOT / "docs/requirements.md"}] == []


def test_pages_that_the_code_names_exist() -> None:
    named = {
        name
        for path in (ROOT / "ci/src").rglob("*.py")
        for name in re.findall(r"docs/[\w/-]+\.(?:md|json)", path.read_text())
    }
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_parts_are_current(name: str) -> None:
    page = (generate.REFERENCE / name).read_text()
    assert "<!-- made by make docs: " in page
    assert generate.renewed(page) == page, "the code says something else by now: make docs"


def shown(name: str) -> list[Any]:
    """The JSON on a page."""
    text = (generate.REFERENCE / name).read_text()
    return [json.loads(fence["text"]) for fence in FENCE.finditer(text) if fence["language"] == "json"]


def test_the_error_that_is_shown_is_one() -> None:
    wrong = Mistake(file="ferry.toml", line=9, key="acount", found="an unknown key", allowed="account")
    real = failure.to_json(failure.facts(ConfigError("ferry.toml", (wrong,))))["error"]
    error = shown("record.md")[0]["error"]
    assert list(error) == list(real)
    assert list(error["mistakes"][0]) == list(real["mistakes"][0])


def test_the_answer_that_is_shown_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["config", "check", str(ROOT / "ferry.toml"), "--json"]) == 0
    assert {**json.loads(capsys.readouterr().out), "file": "ferry.toml"} == shown("record.md")[1]


def test_the_record_that_is_shown_is_one_and_shows_every_event(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(shown("record.md")[2]))
    kinds = {type(event).__name__.lower() for event in record.read(path)}
    told = re.findall(r"^\| `(\w+)` \|", (generate.REFERENCE / "record.md").read_text(), re.MULTILINE)
    assert kinds == set(told) == set(record._KINDS)
