"""Compile every module below a folder, to the same bytes on every machine: `python bytecode.py FOLDER`.

Lambda's file system is read-only: what is not compiled here is compiled again at each cold start.
It runs by itself, under the interpreter whose bytecode is wanted, here or in a container: only the standard library.

Four things make `python -m compileall` write other bytes elsewhere, and each is settled:
the time of a source (its hash is written instead, and never compared: what lies in an image does not change),
its path (written as it is below the folder; an import puts the real one in),
which objects happen to be shared (from version 3 on `marshal` marks those with more than one reference),
and the order of sets (fixed by PYTHONHASHSEED).
"""

from __future__ import annotations

import json
import marshal
import os
import sys
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

# No site-packages, no start-up files of this installation, no warnings about other people's code.
OPTIONS = ("-S", "-s", "-P", "-W", "ignore")
HASHED_AND_NEVER_COMPARED = (1).to_bytes(4, "little")
WITHOUT_REFERENCES = 2


def settle() -> None:
    """Start again where the caller's PYTHON… variables, or an installation's own start-up files, have a say."""
    wanted = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    wanted["PYTHONHASHSEED"] = "0"
    if not sys.flags.no_site or dict(os.environ) != wanted:
        os.execve(sys.executable, [sys.executable, *OPTIONS, *sys.argv], wanted)  # noqa: S606 - no shell is wanted


def modules(folder: Path) -> list[Path]:
    """The largest first, so that dealing them out is fair."""
    found = [
        place / name
        for place, _, names in folder.walk(on_error=_stop)
        for name in names
        if name.endswith(".py") and (place / name).is_file()
    ]
    return sorted(found, key=lambda path: (-path.stat().st_size, path))


def _stop(error: OSError) -> None:
    raise error


def bytecode(source: bytes, name: str) -> bytes | None:
    """None for what is no module: a template, or a test of how Python 2 is refused."""
    try:
        code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None
    return MAGIC_NUMBER + HASHED_AND_NEVER_COMPARED + source_hash(source) + marshal.dumps(code, WITHOUT_REFERENCES)


def compile_each(folder: Path, paths: list[Path]) -> list[str]:
    """Those that do not compile."""
    skipped = []
    for path in paths:
        name = str(path.relative_to(folder))
        made = bytecode(path.read_bytes(), name)
        if made is None:
            skipped.append(name)
            continue
        cache = path.parent / "__pycache__"
        cache.mkdir(exist_ok=True)
        (cache / f"{path.stem}.{sys.implementation.cache_tag}.pyc").write_bytes(made)
    return skipped


def side_by_side(folder: Path, paths: list[Path]) -> list[str] | None:
    """A process for each processor, each with its share; None when one of them could not end its own."""
    count = os.process_cpu_count() or 1
    workers = [_started(folder, share) for turn in range(count) if (share := paths[turn::count])]
    skipped, failed = [], False
    for pid, pipe in workers:
        with os.fdopen(pipe) as answer:
            said = answer.read()
        failed |= os.waitpid(pid, 0)[1] != 0
        skipped += json.loads(said or "[]")
    return None if failed else sorted(skipped)


def _started(folder: Path, share: list[Path]) -> tuple[int, int]:
    answer, pipe = os.pipe()
    pid = os.fork()
    if pid:
        os.close(pipe)
        return pid, answer
    code = 1
    try:
        with os.fdopen(pipe, "w") as out:
            json.dump(compile_each(folder, share), out)
        code = 0
    except OSError as error:
        sys.stderr.write(f"{error}\n")
    finally:
        os._exit(code)  # nothing of the parent's is a child's to end


def main() -> int:
    # To Path an empty word is the folder that we are in.
    if len(sys.argv) != 2 or not sys.argv[1] or not Path(sys.argv[1]).is_dir():
        sys.stderr.write("usage: python bytecode.py FOLDER\n")
        return 2
    settle()
    folder = Path(sys.argv[1])
    try:
        paths = modules(folder)
        skipped = side_by_side(folder, paths)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if skipped is None:
        return 1
    sys.stdout.write(json.dumps({"compiled": len(paths) - len(skipped), "skipped": skipped}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
