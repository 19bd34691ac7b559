""".terraform.lock.hcl: one block for each provider."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ferry.gate.locks.reading import Lock, Package, Unreadable, compared

if TYPE_CHECKING:
    from ferry.gate.locks.reading import Change

BLOCK = re.compile(r'\s*provider\s+"(?P<address>[^"]+)"\s*\{(?P<body>[^}]*)\}')
BODY = re.compile(
    r'\s*version\s*=\s*"(?P<version>[^"]+)"'
    r'(?:\s*constraints\s*=\s*"(?P<constraints>[^"]*)")?'
    r'(?:\s*hashes\s*=\s*\[(?P<hashes>(?:\s*"(?:h1|zh):[^"]+"\s*,?)*\s*)\])?\s*'
)


def change(before: str, after: str) -> Change:
    return compared(lock(before), lock(after))


def lock(text: str) -> Lock:
    """What a provider is called says where it comes from."""
    code = re.sub(r"^\s*(#|//).*$", "", text, flags=re.MULTILINE)
    if BLOCK.sub("", code).strip():
        raise Unreadable("it holds more than providers")
    packages: dict[str, tuple[Package, ...]] = {}
    for block in BLOCK.finditer(code):
        body = BODY.fullmatch(block["body"])
        if body is None:
            raise Unreadable(f"the block of {block['address']} is not as terraform writes it")
        package = Package(
            version=body["version"],
            hashes=frozenset(re.findall(r'"([^"]+)"', body["hashes"] or "")),
            needed_by=frozenset(),
        )
        packages[block["address"]] = (*packages.get(block["address"], ()), package)
    return Lock(packages=packages)
