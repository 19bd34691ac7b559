"""How long `ferry --help` takes beside a bare Python: the part of every call that is only start-up.

Run it with `make bench`.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time

ROUNDS = 15
LIMIT_SECONDS = 0.3


def seconds(command: list[str]) -> float:
    # As on a user's machine: compiled code is kept.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - started


def main() -> int:
    uv = os.environ.get("UV") or shutil.which("uv") or sys.exit("uv is not on PATH: start this with `make bench`")
    bare, ferry = [sys.executable, "-c", "pass"], [uv, "run", "--frozen", "--no-sync", "ferry", "--help"]
    seconds(ferry)
    # Side by side, so that whatever else the machine does falls on both.
    pairs = [(seconds(bare), seconds(ferry)) for _ in range(ROUNDS)]
    medians = [statistics.median(times) for times in zip(*pairs, strict=True)]
    over = medians[1] - medians[0]
    held = over <= LIMIT_SECONDS
    print(f"python -c pass {medians[0]:.3f} s, uv run ferry --help {medians[1]:.3f} s: {over:.3f} s over")
    print(f"limit {LIMIT_SECONDS} s over: {'held' if held else 'NOT HELD'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
