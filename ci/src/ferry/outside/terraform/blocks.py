"""What a module's files declare, as far as making up its outside needs it: resources, data sources, providers. Pure.

Not a parser of HCL: labels of blocks, and the few settings that are looked for. What is read here too much, terraform
warns of and ignores.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NOISE = re.compile(r'"(?:[^"\\\n]|\\.)*"|/\*.*?\*/|(?:#|//)[^\n]*', re.DOTALL)
OBJECT = re.compile(r'^\s*(?P<mode>resource|data)\s+"(?P<type>[\w-]+)"\s+"(?P<name>[\w-]+)"', re.MULTILINE)
PROVIDER = re.compile(r'^\s*provider\s+"(?P<name>[\w-]+)"\s*\{', re.MULTILINE)
ALIAS = re.compile(r'\balias\s*=\s*"(?P<alias>[\w-]+)"')
REQUIRED = re.compile(r"\brequired_providers\s*\{")
SOURCE = re.compile(r'(?P<name>[\w-]+)\s*=\s*\{[^}]*?\bsource\s*=\s*"(?P<source>[^"]+)"', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A module that the root calls, or the root. `key` is its place in the tree: a.b, and nothing for the root."""

    key: str
    folder: str
    files: Mapping[str, str] = field(repr=False)

    @property
    def address(self) -> str:
        return "".join(f"module.{part}." for part in self.key.split(".") if part)


@dataclass(frozen=True, slots=True)
class Block:
    """A resource, or a data source."""

    mode: str
    type: str
    name: str

    @property
    def address(self) -> str:
        return f"{'data.' if self.mode == 'data' else ''}{self.type}.{self.name}"


def folders(text: str) -> dict[str, str]:
    """Key to folder, of what `terraform init` writes down about modules; without any, it writes nothing."""
    said = json.loads(text)["Modules"] if text else []
    return {"": ".", **{str(one["Key"]): str(one["Dir"]) for one in said}}


def objects(module: Module) -> tuple[Block, ...]:
    found: dict[Block, None] = {}
    for name, text in module.files.items():
        if name.endswith(".json"):
            found |= dict.fromkeys(_of_json(text))
        else:
            found |= {Block(it["mode"], it["type"], it["name"]): None for it in OBJECT.finditer(_plain(text))}
    return tuple(found)


def providers(root: Module) -> dict[str, tuple[str, ...]]:
    """Each provider by the root's own name for it, and the aliases that it is configured with."""
    found: dict[str, dict[str, None]] = {}
    for name, text in root.files.items():
        for local, alias in _providers_of_json(text) if name.endswith(".json") else _providers(_plain(text)):
            found.setdefault(local, {})
            found[local] |= {alias: None} if alias else {}
    return {name: tuple(aliases) for name, aliases in found.items()}


def sources(root: Module) -> dict[str, str]:
    """Where the root's providers come from, by its own names for them."""
    found: dict[str, str] = {}
    for name, text in root.files.items():
        if name.endswith(".json"):
            for required in _tables(_tables(_json(text), "terraform"), "required_providers"):
                found |= {local: str(said.get("source", "")) for local, said in required.items() if _is_table(said)}
        else:
            plain = _plain(text)
            for start in REQUIRED.finditer(plain):
                found |= {it["name"]: it["source"] for it in SOURCE.finditer(_body(plain, start.end()))}
    return {name: _short(source) for name, source in found.items() if source}


def _short(source: str) -> str:
    """hashicorp/aws, of registry.terraform.io/hashicorp/aws too."""
    return "/".join(source.lower().split("/")[-2:])


def _plain(text: str) -> str:
    """Without comments. Texts stay: a `#` or a brace in one is none."""
    return NOISE.sub(lambda found: found[0] if found[0].startswith('"') else " ", text)


def _body(text: str, start: int) -> str:
    """What stands between a brace, which `start` is behind, and its end."""
    depth = 1
    for found in re.finditer(r'"(?:[^"\\\n]|\\.)*"|[{}]', text[start:]):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth == 0:
            return text[start : start + found.start()]
    return text[start:]


def _providers(text: str) -> Iterator[tuple[str, str]]:
    for found in PROVIDER.finditer(text):
        alias = ALIAS.search(_body(text, found.end()))
        yield found["name"], alias["alias"] if alias else ""


def _json(text: str) -> list[Any]:
    """One table in a list, as everything that terraform lets be written as one or as many."""
    try:
        return [json.loads(text)]
    except ValueError:
        return []  # terraform itself says what is wrong with it


def _is_table(said: object) -> bool:
    return isinstance(said, dict)


def _tables(all: list[Any], key: str) -> list[dict[str, Any]]:
    """What stands under the key in any of them."""
    found: list[dict[str, Any]] = []
    for table in all:
        said = table.get(key, []) if _is_table(table) else []
        found += [one for one in (said if isinstance(said, list) else [said]) if _is_table(one)]
    return found


def _of_json(text: str) -> Iterator[Block]:
    for mode in ("resource", "data"):
        for types in _tables(_json(text), mode):
            for type in types:
                for names in _tables([types], type):
                    yield from (Block(mode, type, name) for name in names)


def _providers_of_json(text: str) -> Iterator[tuple[str, str]]:
    for table in _tables(_json(text), "provider"):
        for name in table:
            for said in _tables([table], name):
                yield name, str(said.get("alias", ""))
