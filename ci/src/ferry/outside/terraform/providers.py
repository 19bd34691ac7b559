"""Which providers a root is locked to, and whether a mirror holds these very packages for a platform."""

from __future__ import annotations

import base64
import re
import zipfile
from dataclasses import dataclass
from hashlib import file_digest, sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BLOCK = re.compile(r'^provider "(?P<address>[^"]+)" \{\n(?P<body>.*?)^\}', re.MULTILINE | re.DOTALL)
VERSION = re.compile(r'^\s*version\s*=\s*"([^"]+)"', re.MULTILINE)
HASH = re.compile(r'"((?:h1|zh):[^"]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """One provider of a lock file: registry.terraform.io/hashicorp/aws, and the hashes of packages that may be it."""

    address: str
    version: str
    hashes: frozenset[str]

    @property
    def name(self) -> str:
        return f"{self.address.partition('/')[2]} {self.version}"


def locked(text: str) -> tuple[Locked, ...]:
    """Of the text of `.terraform.lock.hcl`."""
    return tuple(
        Locked(address=it["address"], version=found[1], hashes=frozenset(HASH.findall(it["body"])))
        for it in BLOCK.finditer(text)
        if (found := VERSION.search(it["body"]))
    )


def package(mirror: Path, one: Locked, platform: str) -> Path | None:
    """Where a mirror has it: unpacked, or as the zip that a registry hands out."""
    home = mirror / one.address
    folder = home / one.version / platform
    packed = home / f"terraform-provider-{home.name}_{one.version}_{platform}.zip"
    return next((place for place in (folder, packed) if place.exists()), None)


def fits(one: Locked, package: Path) -> bool:
    """Whether terraform takes this package for what the lock file names."""
    if package.is_dir():
        files = {path.relative_to(package).as_posix(): _hash(path) for path in package.rglob("*") if path.is_file()}
        return _h1(files) in one.hashes
    if f"zh:{_hash(package)}" in one.hashes:
        return True
    with zipfile.ZipFile(package) as packed:
        names = [name for name in packed.namelist() if not name.endswith("/")]
        return _h1({name: sha256(packed.read(name)).hexdigest() for name in names}) in one.hashes


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _h1(files: Mapping[str, str]) -> str:
    """As Go hashes a module: the hashes of all files with their names, in order."""
    lines = "".join(f"{files[name]}  {name}\n" for name in sorted(files))
    return f"h1:{base64.b64encode(sha256(lines.encode()).digest()).decode()}"
