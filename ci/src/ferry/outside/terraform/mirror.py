"""Provider mirrors on this machine: closed networks have them, and terraform alone looks only into some places."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ferry.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

VARIABLE = "FERRY_PROVIDER_MIRROR"
MARK = "registry.terraform.io"


def find(environment: Mapping[str, str] = os.environ, opt: Path = Path("/opt")) -> Path | None:
    """The first folder that holds providers: one named by FERRY_PROVIDER_MIRROR, terraform's own, or one in /opt."""
    if named := environment.get(VARIABLE):
        if not (Path(named) / MARK).is_dir():
            raise ToolError(
                f"{VARIABLE} names a folder that holds no providers",
                where=named,
                why=f"expected a folder {MARK} in it, as `terraform providers mirror` makes",
                next=f"unset {VARIABLE}, or: terraform providers mirror {named}",
            )
        return Path(named).absolute()  # terraform runs in a folder of its own
    return next((place for place in _places(environment, opt) if (place / MARK).is_dir()), None)


def _places(environment: Mapping[str, str], opt: Path) -> Iterator[Path]:
    home = Path(environment.get("HOME", "/nonexistent"))
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local/share")
    yield home / ".terraform.d/plugins"
    yield data / "terraform/plugins"
    for shared in (environment.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":"):
        yield Path(shared) / "terraform/plugins"
    if opt.is_dir():
        yield from sorted(child for child in opt.iterdir() if child.is_dir())


def providers(mirror: Path) -> tuple[str, ...]:
    """What the mirror holds, as terraform addresses it."""
    return named(path.relative_to(mirror).as_posix() for path in mirror.glob(f"{MARK}/*/*"))


def named(folders: Iterable[str]) -> tuple[str, ...]:
    """registry.terraform.io/hashicorp/aws, of the folder of that name."""
    return tuple(sorted(folder.strip("/") for folder in folders))


def cli_config(mirror: Path | str | None, held: tuple[str, ...] = ()) -> str:
    """A terraform CLI configuration of our own. A provider that the mirror does not hold comes from the registry."""
    if mirror is None:
        return "disable_checkpoint = true\n"
    names = ", ".join(f'"{name}"' for name in held)
    return (
        "disable_checkpoint = true\n"
        "provider_installation {\n"
        f"  filesystem_mirror {{\n    path    = {json.dumps(str(mirror))}\n    include = [{names}]\n  }}\n"
        f"  direct {{\n    exclude = [{names}]\n  }}\n"
        "}\n"
    )
