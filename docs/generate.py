"""The parts of docs/reference that the code already says. `make docs` writes them anew; a test says when that is due.

A page is written by hand, but for what stands between `<!-- made by make docs: name -->` and `<!-- end -->`.
"""  # noqa: INP001 - a script

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ferry import cli, config, errors

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCE = Path(__file__).parent / "reference"
PAGES = ("cli.md", "configuration.md", "exit-codes.md")
MADE = re.compile(r"(?P<start><!-- made by make docs: (?P<name>\w+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
ANY_NAME = "<name>"


def failures() -> list[type[errors.FerryError]]:
    """Every class of failure, in the order of the exit codes."""
    return sorted(errors.FerryError.__subclasses__(), key=lambda failure: failure.exit_code)


def renewed(page: str) -> str:
    """A page with its generated parts as they must be now."""
    made = {"codes": _codes, "commands": _commands, "keys": _keys}
    return MADE.sub(lambda part: f"{part['start']}\n{made[part['name']]()}\n{part['end']}", page)


def _codes() -> str:
    named = [(failure.exit_code, failure.__name__) for failure in failures()]
    rows = [f"| {code} | [{name}](#{name.lower()}) | {cli.MEANINGS[name]} |" for code, name in named]
    return "\n".join(["| code | class | meaning |", "|---|---|---|", "| 0 | | done |", *rows, ""])


def _commands() -> str:
    root = typer.main.get_command(cli.app)
    return "\n".join(f"## `{name}`\n\n```text\n{help}\n```\n" for name, help in _helps(root, "ferry", None))


def _helps(command: Any, name: str, parent: Any) -> Iterator[tuple[str, str]]:
    context = command.make_context(name, [], parent=parent, resilient_parsing=True, terminal_width=80)
    yield context.command_path, command.get_help(context).rstrip()
    for below in getattr(command, "commands", {}).values():
        yield from _helps(below, below.name, context)


def _keys() -> str:
    return "\n".join(_tables("", config.config_schema()))


def _tables(path: str, table: dict[str, Any]) -> Iterator[str]:
    """One heading and one table of keys for each table of ferry.toml, the outermost first."""
    properties, required = table["properties"], set(table.get("required", ()))
    kinds = properties.get("kind", {}).get("enum", ())
    heading = " with ".join([f"`[{path}]`", *(f'`kind = "{kind}"`' for kind in kinds)]) if path else "At the top"
    yield f"## {heading}\n\n{table['description']}\n"
    yield "| key | what it is | |\n|---|---|---|"
    yield from (f"| `{key}` | {_said(value)} | {_default(key, value, required)} |" for key, value in properties.items())
    yield ""
    for key, value in properties.items():
        for name, inner in _inner(key, value):
            yield from _tables(f"{path}.{name}".strip("."), inner)


def _inner(key: str, value: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The tables below a key: one, or one for each name that a user gives."""
    if "properties" in value:
        yield key, value
    elif isinstance(named := value.get("additionalProperties"), dict):
        kinds = [kind for kind in named.get("oneOf", [named]) if "properties" in kind]
        yield from ((f"{key}.{ANY_NAME}", kind) for kind in kinds)


def _said(value: dict[str, Any]) -> str:
    choices = " One of: " + ", ".join(f"`{choice}`" for choice in value["enum"]) + "." if "enum" in value else ""
    return f"{value.get('description', '')}{choices}".replace("|", "\\|")


def _default(key: str, value: dict[str, Any], required: set[str]) -> str:
    """A table's own defaults stand where its keys are explained."""
    if key in required:
        return "required"
    match value.get("default"):
        case None | [] | dict():
            return "optional"
        case list(items):
            return "default: " + ", ".join(f"`{item}`" for item in items)
        case default:
            return f"default `{default if isinstance(default, str) else json.dumps(default)}`"


def main() -> None:
    for name in PAGES:
        page = REFERENCE / name
        before = page.read_text(encoding="utf-8")
        if (after := renewed(before)) != before:
            page.write_text(after, encoding="utf-8")
            sys.stdout.write(f"wrote {page}\n")


if __name__ == "__main__":
    main()
