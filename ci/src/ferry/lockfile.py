"""`ferry.lock`: what the names in ferry.toml stand for, so that the same commit is built from the same images.

load(folder)          what the file pins; nothing where there is no file
parse(text)           the same from text
render(lock)          the text that people review
stale(lock, config)   where lock and configuration have come apart
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from ferry import shape
from ferry.config import Config, ExternalImage, ImageArtifact, Recipe, _mistake, _not_toml, _unreadable
from ferry.errors import ConfigError
from ferry.model import Digest
from ferry.outside.builder import PYTHON
from ferry.shape import Misfit, Misshapen, Text, show
from ferry.toml_lines import key_lines

FILE = "ferry.lock"
VERSION = 1
HEAD = "# Written by `ferry lock`: what the names in ferry.toml stand for. Reviewed like any lock file, not edited."

FullVersion = Annotated[
    str, Text(pattern=r"3\.[0-9]{1,3}\.[0-9]{1,3}", says="a full version of Python, such as '3.13.5'")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """`python` compiles the bytecode, which is in every artifact; `images` are digests by the names in ferry.toml."""

    python: Annotated[FullVersion, "The exact CPython that compiles bytecode."] = ""
    images: Annotated[Mapping[ExternalImage, Digest], "External images."] = field(default_factory=dict)


def load(folder: Path) -> Lock:
    path = folder / FILE
    try:
        return parse(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        return Lock()
    except OSError as error:
        raise _told(_unreadable(FILE, f"a file that cannot be read: {error.strerror}")) from None
    except UnicodeDecodeError:
        raise _told(_unreadable(FILE, "bytes that are not UTF-8")) from None


def parse(text: str, file: str = FILE) -> Lock:
    try:
        data, lines = tomllib.loads(text), key_lines(text)
    except (ValueError, RecursionError) as error:
        raise _told(_not_toml(file, text, error)) from None
    version = data.pop("version", None)
    if type(version) is not int or version != VERSION:
        raise _foreign(file, version, lines)
    try:
        return shape.read(Lock, data)
    except Misshapen as error:
        mistakes = [_mistake(file, lines, misfit) for misfit in error.misfits]
        raise _told(ConfigError(file, tuple(sorted(mistakes, key=lambda mistake: mistake.line)))) from None


def render(lock: Lock) -> str:
    """The same text for the same pins, whatever order they were found in."""
    python = [f"python = {json.dumps(lock.python)}"] if lock.python else []
    pins = [f"{json.dumps(name)} = {json.dumps(digest)}" for name, digest in sorted(lock.images.items())]
    return "\n".join([HEAD, f"version = {VERSION}", *python, "", "[images]", *pins, ""])


def named(config: Config) -> tuple[str, ...]:
    """Every external image that ferry.toml names, once."""
    return tuple(dict.fromkeys([*bases(config), *(it.adapter for it in _recipes(config) if it.adapter)]))


def bases(config: Config) -> tuple[str, ...]:
    return tuple(dict.fromkeys(recipe.base for recipe in _recipes(config)))


def is_exact(name: str) -> bool:
    """It names its digest itself: there is nothing to pin."""
    return "@" in name


def stale(lock: Lock, config: Config) -> tuple[str, ...]:
    """What is wrong with the lock, each in a few words; nothing when it fits the configuration."""
    wanted = [name for name in named(config) if not is_exact(name)]
    missing = [f"no pin of {name}" for name in wanted if name not in lock.images]
    left_over = [f"a pin of {name}, which ferry.toml does not name" for name in lock.images if name not in wanted]
    return (*_wrong_python(lock.python), *missing, *sorted(left_over))


def _wrong_python(version: str) -> list[str]:
    if not version:
        return ["no version of Python"]
    fits = re.match(r"3\.[0-9]+", version)
    return [] if fits and fits[0] == PYTHON else [f"Python {version}, where Ferry builds for {PYTHON}"]


def _recipes(config: Config) -> list[Recipe]:
    images = [artifact for artifact in config.artifacts.values() if isinstance(artifact, ImageArtifact)]
    return [image.recipe for image in images if image.recipe]


def _foreign(file: str, version: object, lines: Mapping[shape.Path, int]) -> ConfigError:
    """Another Ferry's: what it means by its keys is not guessed at."""
    found = "nothing" if version is None else f"version {show(version)}"
    misfit = Misfit(path=("version",), found=found, allowed=f"{VERSION}, the version that this Ferry reads")
    error = ConfigError(file, (_mistake(file, lines, misfit),))
    error.next = "use the Ferry that wrote it, or write it anew: ferry lock"
    return error


def _told(error: ConfigError) -> ConfigError:
    """Nobody has to mend a lock by hand."""
    error.next = "write it anew: ferry lock"
    return error
