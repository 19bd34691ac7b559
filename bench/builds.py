"""What a release costs: when nothing changed, when the application changed, and clean beside uv and gzip alone.

All of it in a folder of its own, against a box of its own, in turns with what it is compared to. Linux only: others
count memory in other units. It reports, and fails only where a build does. Run it with `make bench`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import anyio

import awsbox
from awsbox.faults.naming import named
from ferry.outside import builder
from ferry.outside.blobs import Store
from ferry.outside.builder.host import HostBuilder
from ferry.outside.builder.layer import layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from awsbox.calls import Answer, Call, Next

ROOT = Path(__file__).parents[1]
PUBLISHED = ("ferry.toml", "ferry.lock", "src", ".gitignore")
LOCK = "src/lambdas/sse_streaming/requirements.lock"
CHANGED = "src/lambdas/sse_streaming/app.py"
ROUNDS, CLEAN_ROUNDS, EMPTY_ROUNDS = 7, 5, 2
LARGE_MB = 400
MOST_REQUESTS, MOST_SECONDS, MOST_KB, MOST_RATIO, MOST_MB = 3, 1.0, 200, 1.3, 200
READS = ("Get", "Head", "List", "Describe", "BatchGet", "BatchCheck")

LARGE = """
project = "large"
region = "us-east-1"
[artifacts.large]
kind = "image"
repository = "{env}-large"
recipe = { base = "python:3.13-slim", lock = "large.lock", source = ["large"], command = ["true"], port = 8080 }
[infrastructure]
root = "."
[environments.preprod]
account = "111122223333"
deployer = "arn:aws:iam::111122223333:user/deployer"
state = { bucket = "large-state", key = "terraform.tfstate" }
variables = "preprod.tfvars"
"""


def verdict(what: str, value: float, limit: float, unit: str = "") -> None:
    print(f"{what}: {value:.2f}{unit}, budget {limit}{unit}: {'met' if value <= limit else 'NOT MET'}")


# The box, in a process of its own: it writes down each call.


async def serve(calls: Path) -> None:
    """Until stdin ends."""
    with calls.open("a", buffering=1) as out:

        async def heard(call: Call, way: Next) -> Answer:
            out.write(json.dumps([":".join(named(call).scopes[0]), len(call.body)]) + "\n")
            return await way(call)

        async with awsbox.Box.started(layers=[heard]) as box:
            root = box.root()
            keys = {"AWS_ACCESS_KEY_ID": root.key, "AWS_SECRET_ACCESS_KEY": root.secret}
            print(json.dumps({"AWS_ENDPOINT_URL": box.endpoint, **keys}), flush=True)
            await anyio.to_thread.run_sync(sys.stdin.read)


@dataclass(frozen=True, slots=True)
class Box:
    environment: Mapping[str, str]
    calls: Path

    def heard(self) -> list[tuple[str, int]]:
        """What was called since this was asked last, and how many bytes came with it."""
        said = [json.loads(line) for line in self.calls.read_text().splitlines()]
        os.truncate(self.calls, 0)
        return [(name, size) for name, size in said]


@contextmanager
def boxed(work: Path) -> Iterator[Box]:
    calls = work / "calls"
    calls.touch()
    command = [sys.executable, __file__, "serve", str(calls)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Box(json.loads(process.stdout.readline() if process.stdout else ""), calls)
        if process.stdin:
            process.stdin.close()


# Ferry, as a user calls it.


@dataclass(frozen=True, slots=True)
class Ran:
    seconds: float
    megabytes: float
    """Of the largest process of it."""


def ferry(*arguments: str, box: Box, **more: str) -> Ran:
    # As on a user's machine: compiled code is kept.
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [str(Path(sys.executable).with_name("ferry")), *arguments]
    with tempfile.TemporaryFile() as told:
        process = _started(command, {**own, **box.environment, **more}, told)
        begun = time.perf_counter()
        _, status, used = os.wait4(process.pid, 0)
        took = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            told.seek(0)
            sys.exit(told.read().decode())
    return Ran(took, used.ru_maxrss / 1024)


def _started(command: list[str], environment: Mapping[str, str], told: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=environment, stdout=told, stderr=told)


def publish(folder: Path, box: Box, **more: str) -> Ran:
    return ferry("publish", "--env", "preprod", "--offline", "--source", str(folder), box=box, **more)


def committed(folder: Path) -> None:
    git = ["git", "-C", str(folder), "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "bench"]):
        subprocess.run([*git, *words], check=True)


def published(folder: Path, box: Box) -> None:
    """The repository's own release, and then nothing of it changes, and then one file of one function."""
    folder.mkdir()
    for name in PUBLISHED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, folder / name)
    committed(folder)
    first, calls = publish(folder, box), box.heard()
    sent = sum(size for _, size in calls) / 1e6
    print(f"clean build and publish of everything: {first.seconds:.1f} s, {len(calls)} requests, {sent:.1f} MB sent")
    verdict("  memory of its largest process", first.megabytes, MOST_MB, " MB")
    unchanged(folder, box)
    changed(folder, box)


def unchanged(folder: Path, box: Box) -> None:
    ferry("--version", box=box)
    publish(folder, box)
    box.heard()
    # Side by side, so that whatever else the machine does falls on both.
    pairs = [(ferry("--version", box=box).seconds, publish(folder, box).seconds) for _ in range(ROUNDS)]
    calls = [name for name, _ in box.heard()]
    writes = [name for name in calls if not name.partition(":")[2].startswith(READS)]
    start, whole = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"nothing changed: ferry --version {start:.2f} s, ferry publish {whole:.2f} s")
    verdict("  publish over the start of the CLI", whole - start, MOST_SECONDS, " s")
    verdict(f"  requests ({', '.join(dict.fromkeys(calls))})", len(calls) / ROUNDS, MOST_REQUESTS)
    verdict("  writes", len(writes) / ROUNDS, 0)


def changed(folder: Path, box: Box) -> None:
    """On a machine that has built nothing yet: its dependencies are in the environment's cache repository."""
    with (folder / CHANGED).open("a") as file:
        file.write("# changed\n")
    committed(folder)
    shutil.rmtree(folder / ".ferry")
    noted = folder.parent / "uv-calls"
    noted.touch()
    spy = folder.parent / "uv"
    spy.write_text(f'#!/bin/sh\necho "$*" >> {noted}\nexec {uv()} "$@"\n')
    spy.chmod(0o755)
    ran = publish(folder, box, UV=str(spy))
    calls, asked = box.heard(), noted.read_text().splitlines()
    sent = sum(size for _, size in calls) / 1e3
    told = ", ".join(f"{name} {count}" for name, count in Counter(name for name, _ in calls).most_common(4))
    print(f"application changed, nothing on this machine: {ran.seconds:.1f} s, {len(calls)} requests (most: {told})")
    verdict("  sent", sent, MOST_KB, " KB")
    verdict("  wheels installed, calls of uv", sum(line.startswith("pip ") for line in asked), 0)
    verdict("  memory of its largest process", ran.megabytes, MOST_MB, " MB")


def large(folder: Path, box: Box) -> None:
    """Bytes that do not get smaller when they are compressed."""
    (folder / "large").mkdir(parents=True)
    (folder / "ferry.toml").write_text(LARGE)
    shutil.copy(ROOT / LOCK, folder / "large.lock")
    for number in range(4):
        with (folder / "large" / f"{number}.bin").open("wb") as file:
            for _ in range(LARGE_MB // 4):
                file.write(os.urandom(1_000_000))
    ran = publish(folder, box)
    sent = sum(size for _, size in box.heard()) / 1e6
    print(f"an application layer of {LARGE_MB} MB, built and published: {ran.seconds:.1f} s, {sent:.0f} MB sent")
    verdict("  memory of its largest process", ran.megabytes, MOST_MB, " MB")


# A clean build of what one image depends on, beside the tools that do the least of it.


def uv() -> str:
    return os.environ.get("UV") or shutil.which("uv") or sys.exit("uv is not on PATH: start this with `make bench`")


def ours(work: Path) -> None:
    folder = asyncio.run(HostBuilder(ROOT, work).dependencies(LOCK))
    layer(folder, builder.DEPENDENCIES, Store(work / "store"))


def theirs(work: Path, *words: str) -> None:
    said = builder.install(str(work / "all"), str(ROOT / LOCK))
    own = {name: value for name, value in os.environ.items() if name != "UV_COMPILE_BYTECODE"}
    # With uv's own choice of how files get out of its cache.
    subprocess.run([uv(), *said[: said.index("--link-mode")], *words], check=True, env=own)
    with (work / "layer.tgz").open("wb") as out:
        tar = subprocess.Popen(["tar", "-C", str(work / "all"), "-c", "."], stdout=subprocess.PIPE)
        subprocess.run(["gzip", "-1"], stdin=tar.stdout, stdout=out, check=True)
        tar.wait()


COMPILED = ("--compile-bytecode", "--python", sys.executable)
WAYS: dict[str, Callable[[Path], None]] = {
    "ours": ours,
    "uv + gzip -1": theirs,
    "uv --compile-bytecode + gzip -1": lambda work: theirs(work, *COMPILED),
}


def clean(*, empty: bool) -> None:
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(EMPTY_ROUNDS if empty else CLEAN_ROUNDS):
        for name, build in WAYS.items():
            with tempfile.TemporaryDirectory(prefix="bench-") as work:
                if empty:
                    os.environ["UV_CACHE_DIR"] = f"{work}/cache"
                begun = time.perf_counter()
                build(Path(work))
                times[name].append(time.perf_counter() - begun)
    os.environ.pop("UV_CACHE_DIR", None)
    medians = {name: statistics.median(took) for name, took in times.items()}
    told = ", ".join(f"{name} {took:.2f} s" for name, took in medians.items())
    print(f"clean, {'with an empty cache of uv' if empty else 'wheels in the cache of uv'}: {told}")
    for name in list(WAYS)[1:]:
        # Round by round: they were side by side.
        ratio = statistics.median(own / other for own, other in zip(times["ours"], times[name], strict=True))
        verdict(f"  ours to {name}", ratio, MOST_RATIO, " x")


def main() -> int:
    os.environ["UV"] = uv()
    with tempfile.TemporaryDirectory(prefix="bench-") as work, boxed(Path(work)) as box:
        published(Path(work) / "release", box)
        large(Path(work) / "large", box)
    clean(empty=False)
    clean(empty=True)
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        anyio.run(serve, Path(sys.argv[2]))
        sys.exit()
    sys.exit(main())
