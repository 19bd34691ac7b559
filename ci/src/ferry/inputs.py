"""What an artifact is made from, as names and hashes, and the key that is the hash of all of them.

Only names and contents count: no times, no owners, no order in which anything is listed. What the builders leave out
is no input. Whoever has two sets of inputs can say in words what makes their keys differ.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ferry.errors import BuildFailed
from ferry.outside.builder import LEFT_OUT, PLATFORM, PYTHON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ferry.config import ImageArtifact, Recipe, ZipArtifact

    type Ignore = Callable[[str, list[str]], set[str]]

FORMAT = "1"
# Raise it with every change after which the same inputs give other bytes: how files are placed, ordered, left out,
# compiled or compressed, what a manifest says, another uv or zlib-ng. Everything is then built once more.

STAND_IN = "none"
RUNS = "+x"
NOISE = shutil.ignore_patterns("__pycache__", "*.pyc", ".git")
"""What changes without anyone changing anything. A Dockerfile may copy all the rest."""


def of_image(
    recipe: Recipe, *, tree: Path, python: str, externals: Mapping[str, str | None], also: Sequence[str] = ()
) -> dict[str, str]:
    """`externals` are digests by name, None where something stands in; `also` is what else means a new build."""
    adapter = {_label("adapter", recipe.adapter): externals[recipe.adapter] or STAND_IN} if recipe.adapter else {}
    # The order of `source` and of variables is not among them: an image is the same in any.
    parts = {
        "command": list(recipe.command),
        "environment": dict(recipe.environment),
        "port": recipe.port,
        "workdir": recipe.workdir,
    }
    return {
        **_builder(python),
        _label("base", recipe.base): externals[recipe.base] or STAND_IN,
        **adapter,
        **{f"recipe {name}": _hash(part) for name, part in parts.items()},
        **_made_from(tree, recipe.lock, recipe.source, also),
    }


def of_package(artifact: ZipArtifact, *, tree: Path, python: str) -> dict[str, str]:
    """The handler is Terraform's to know: it is not in the zip."""
    return {**_builder(python), **_made_from(tree, artifact.lock, artifact.source, artifact.inputs)}


def of_dockerfile(artifact: ImageArtifact, *, tree: Path) -> dict[str, str]:
    """What the Dockerfile itself fetches cannot be seen from here: whoever wants it counted pins it in there."""
    dockerfile = str(artifact.dockerfile)
    return {
        "builder": FORMAT,
        "platform": PLATFORM,
        f"dockerfile {dockerfile}": _file(tree / dockerfile, dockerfile),
        **{f"file {name}": digest for name, digest in _matched(tree, artifact.inputs)},
    }


def of_dependencies(lock: bytes, python: str) -> dict[str, str]:
    """Wherever the lock lies: artifacts with the same one share what is installed from it."""
    return {**_builder(python), "lock": hashlib.sha256(lock).hexdigest()}


def key(inputs: Mapping[str, str]) -> str:
    return f"sha256:{_hash(dict(inputs))}"


def difference(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, ...]:
    """What changed, in sentences: what concerns everything first, single files last."""
    if not old:
        return ("nothing is known of what it was made from before",)
    changed: dict[str, list[str]] = {}
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            kind, _, rest = name.partition(" ")
            changed.setdefault(kind, []).append(rest)
    known = ("builder", "platform", "python", "base", "adapter", "lock", "recipe", "dockerfile", "file")
    kinds = [*(kind for kind in known if kind in changed), *(kind for kind in changed if kind not in known)]
    return tuple(sentence for kind in kinds for sentence in _told(kind, changed[kind], old, new))


def _builder(python: str) -> dict[str, str]:
    return {"builder": FORMAT, "platform": f"{PLATFORM} {PYTHON}", "python": python}


def _label(kind: str, image: str) -> str:
    """Without a digest: that is the value, whoever has pinned it."""
    return f"{kind} {image.partition('@')[0]}"


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _made_from(tree: Path, lock: str, source: Sequence[str], also: Sequence[str]) -> dict[str, str]:
    """A file's mode says nothing of what is in a lock."""
    if not (tree / lock).is_file():
        raise BuildFailed("the lock file does not exist", where=lock, next="uv pip compile --generate-hashes")
    files = [*_application(tree, source), *_matched(tree, also)]
    locked = _file(tree / lock, lock).removesuffix(RUNS)
    return {f"lock {lock}": locked, **{f"file {name}": digest for name, digest in files}}


def _application(tree: Path, source: Sequence[str]) -> Iterator[tuple[str, str]]:
    for folder in source:
        if not (tree / folder).is_dir():
            raise BuildFailed("the application folder does not exist", where=folder, next="mend `source` in ferry.toml")
        yield from _below(tree, tree / folder, LEFT_OUT)


def _matched(tree: Path, patterns: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What `inputs` names: files, folders with all that is in them, or patterns."""
    for pattern in patterns:
        found = [tree / pattern] if (tree / pattern).exists() else sorted(tree.glob(pattern))
        if not found:
            raise BuildFailed("an input does not exist", where=pattern, next="mend `inputs` in ferry.toml")
        for path in found:
            inside = path.relative_to(tree)
            if path.is_dir():
                yield from _below(tree, path, NOISE)
            elif not NOISE("", list(inside.parts)):
                yield inside.as_posix(), _file(path, inside.as_posix())


def _below(tree: Path, folder: Path, left_out: Ignore) -> Iterator[tuple[str, str]]:
    """Folders are followed where links lead, as the builders do. An empty one is nothing: git has none."""
    with _readable(folder.relative_to(tree).as_posix()):
        entries = {entry.name: entry for entry in folder.iterdir()}
    for name in sorted(entries.keys() - left_out(str(folder), list(entries))):
        if entries[name].is_dir():
            yield from _below(tree, entries[name], left_out)
        else:
            inside = entries[name].relative_to(tree).as_posix()
            yield inside, _file(entries[name], inside)


def _file(path: Path, name: str) -> str:
    """The content, and whether it can be run: nothing else of a file reaches an artifact."""
    with _readable(name):
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise BuildFailed(
                "an input is no file", where=name, why="it is a pipe, a socket or a device", next="remove it"
            )
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    return digest + (RUNS if mode & stat.S_IXUSR else "")


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise BuildFailed("an input cannot be read", where=name, why=why, next="mend or remove it") from error


def _told(kind: str, names: list[str], old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    match kind:
        case "builder":
            yield "Ferry builds in another way now: everything is built once more"
        case "platform" | "python":
            yield f"{kind}: {old.get(kind, 'nothing')} → {new.get(kind, 'nothing')}"
        case "recipe":
            yield f"the recipe changed: {', '.join(names)}"
        case "base" | "adapter" | "lock":
            yield from _replaced(kind, names, old, new)
        case _:
            for name in names:
                full = f"{kind} {name}".strip()
                yield f"{name or kind} {_verb(old.get(full), new.get(full))}"


def _replaced(kind: str, names: list[str], old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    """There is one of each: one that went and one that came are the same thing by another name."""
    gone = [name for name in names if f"{kind} {name}" not in new]
    come = [name for name in names if f"{kind} {name}" not in old]
    if len(gone) == len(come) == 1:
        yield f"{kind}: {gone[0]} → {come[0]}"
        return
    for name in names:
        before, after = old.get(f"{kind} {name}"), new.get(f"{kind} {name}")
        if kind == "lock" or before is None or after is None:
            yield f"the {kind} {name}".strip() + f" {_verb(before, after)}"
        else:
            yield f"{kind} {name}: {_short(before)} → {_short(after)}"


def _verb(before: str | None, after: str | None) -> str:
    if before is None or after is None:
        return "added" if before is None else "removed"
    if before.removesuffix(RUNS) != after.removesuffix(RUNS):
        return "changed"
    return "can be run now" if after.endswith(RUNS) else "can no longer be run"


def _short(digest: str) -> str:
    return "a stand-in" if digest == STAND_IN else f"{digest[:19]}…"
