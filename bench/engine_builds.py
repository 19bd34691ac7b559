"""One image by `dagger call build` and by `docker_build` of its generated Dockerfile: anew, changed, and unchanged.

In turns, in a copy of the repository whose ferry.toml names this image alone. What both have before they begin: base
images, uv, and wheels in uv's cache. Without an engine there is nothing to measure, and it says so.
Run it with `make bench`. Where external images cannot be reached, FERRY_TEST_IMAGE_MIRROR names a registry that has
them (tcp://127.0.0.1:5000).
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = "src/lambdas/sse_streaming"
LOCK, CHANGED = f"{FOLDER}/requirements.lock", f"{FOLDER}/app.py"
MIRROR = os.environ.get("FERRY_TEST_IMAGE_MIRROR", "")
ROUNDS, ANSWER_SECONDS, CALL_SECONDS = 2, 30, 300
QUIET = {"DAGGER_PROGRESS": "plain", "DAGGER_NO_NAG": "1", "NO_COLOR": "1", "DO_NOT_TRACK": "1"}
OURS = ("call", *([f"--image-mirror={MIRROR}"] if MIRROR else []), "build", "manifest")
THEIRS = ("core", "host", "directory", "--path=.", "docker-build", f"--dockerfile={FOLDER}/Dockerfile", "sync")
CHANGES = {
    "dependencies and application anew": (LOCK, CHANGED),
    "application changed": (CHANGED,),
    "nothing changed": (),
}
WAYS = {"dagger call build": OURS, "docker_build": THEIRS}


def engine() -> str:
    """Empty, or why there is none."""
    if shutil.which("dagger") is None:
        return "dagger is not on PATH"
    try:
        subprocess.run(["dagger", "core", "version"], capture_output=True, timeout=ANSWER_SECONDS, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return "no engine answers"
    return ""


def copied(clone: Path) -> None:
    """What git knows or would take, as it is now."""
    listed = ["git", "ls-files", "-co", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(lambda name: (ROOT / name).is_file(), files.splitlines()):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, clone / name)
    config = (clone / "ferry.toml").read_text()
    head, _, rest = config.partition("[artifacts.ingestion]")
    _, infrastructure, tail = rest.partition("[infrastructure]")
    (clone / "ferry.toml").write_text(head + infrastructure + tail)
    subprocess.run(["git", "init", "--quiet"], cwd=clone, check=True)


def seconds(clone: Path, words: tuple[str, ...]) -> float:
    begun = time.perf_counter()
    done = subprocess.run(
        ["dagger", *words], cwd=clone, env=os.environ | QUIET, capture_output=True, text=True, timeout=CALL_SECONDS,
        check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"dagger {' '.join(words)}\n{done.stderr[-4000:]}")
    return time.perf_counter() - begun


def change(clone: Path, files: tuple[str, ...]) -> None:
    """A comment that nobody has built yet."""
    for name in files:
        with (clone / name).open("a") as file:
            file.write(f"# {uuid.uuid4()}\n")


def main() -> int:
    if why := engine():
        print(f"builds with an engine: not measured, {why}")
        return 0
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        clone = Path(folder)
        copied(clone)
        for words in WAYS.values():
            seconds(clone, words)
        start = statistics.median(seconds(clone, ("core", "version")) for _ in range(ROUNDS))
        print(f"with an engine: a call that does nothing {start:.1f} s, of all that follows a part")
        for what, files in CHANGES.items():
            times: dict[str, list[float]] = {name: [] for name in WAYS}
            for _ in range(ROUNDS):
                change(clone, files)
                for name, words in WAYS.items():
                    times[name].append(seconds(clone, words))
            ours, theirs = (statistics.median(took) for took in times.values())
            print(f"  {what}: {ours:.1f} s, docker_build {theirs:.1f} s: {ours / theirs:.2f} x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
