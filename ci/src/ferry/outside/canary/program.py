"""The canary as a program on this machine: `COMMAND URL --json` in its unpacked zip."""

from __future__ import annotations

import sys
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ferry.errors import ProofFailed
from ferry.outside import processes
from ferry.outside.aws.access import without_aws
from ferry.outside.canary import verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ferry.outside.canary.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Program:
    """`folder` is the unpacked zip; `command` runs in it, `python` being the Python that runs Ferry."""

    folder: Path
    command: tuple[str, ...]

    async def judge(self, url: str) -> Verdict:
        program = sys.executable if self.command[0] == "python" else self.command[0]
        environment = without_aws() | {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        args = [program, *self.command[1:], url, "--json"]
        done = await processes.run(args, cwd=self.folder, env=environment, grace=5)
        said = verdict.read(done.out)
        # What it says counts only where its exit code says the same.
        if said and verdict.WORDS.index(said.word) == done.code:
            return said
        raise ProofFailed(
            "the canary did not give a verdict",
            where=" ".join(self.command),
            why=f"it exited with {done.code} and said: {(done.err.strip() or done.out.strip() or 'nothing')[-2000:]}",
            next="run it by hand: it has to print JSON with `verdict` and `checks`, and exit with 0, 1 or 2",
        )


@contextmanager
def unpacked(package: Path, command: tuple[str, ...]) -> Iterator[Program]:
    with tempfile.TemporaryDirectory(prefix="ferry-canary-") as folder:
        with zipfile.ZipFile(package) as archive:
            archive.extractall(folder)
        yield Program(Path(folder), command)
