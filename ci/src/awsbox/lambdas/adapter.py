"""The AWS Lambda Web Adapter's own binary: where one may be, and how to make one.

`python -m awsbox.lambdas.adapter` builds it once into the user's cache, with cargo.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = "0.9.1"
CRATE = "lambda_web_adapter"
NAME = "lambda-adapter"
IN_IMAGE = "opt/extensions/lambda-adapter"
VARIABLE = "AWSBOX_LAMBDA_ADAPTER"
ELF = b"\x7fELF"


def in_image(root: Path) -> Path | None:
    """The image's own one, if this machine can run it."""
    return _good(root / IN_IMAGE)


def elsewhere(environment: Mapping[str, str] = os.environ) -> Path | None:
    """One that the user names or has on PATH, or that was built before."""
    places = [environment.get(VARIABLE), shutil.which(NAME, path=environment.get("PATH")), cached(environment)]
    return next((found for place in places if place and (found := _good(Path(place)))), None)


def _good(place: Path) -> Path | None:
    return place if place.is_file() and runs(place) else None


def cached(environment: Mapping[str, str] = os.environ) -> Path:
    home = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME", "/nonexistent")) / ".cache")
    return Path(home) / "awsbox" / f"{NAME}-{VERSION}"


def runs(binary: Path) -> bool:
    """An image may be for another processor or system: the head of a program says, and this interpreter is one, too."""
    return os.access(binary, os.X_OK) and _kind(binary) == _kind(Path(sys.executable))


def _kind(program: Path) -> bytes:
    """System and processor; whether it is position independent does not matter."""
    with program.open("rb") as file:
        head = file.read(20)
    return head[:6] + head[18:20] if head.startswith(ELF) else head[:8]


def build(cargo: str) -> Path:
    target = cached()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="awsbox-adapter-", dir=target.parent) as folder:
        subprocess.run([cargo, "install", CRATE, "--version", VERSION, "--locked", "--root", folder], check=True)
        (Path(folder) / "bin" / NAME).replace(target)
    return target


def main() -> int:
    cargo = shutil.which("cargo")
    if found := elsewhere():
        sys.stdout.write(f"{found}\n")
        return 0
    if not cargo:
        sys.stderr.write(f"error: cargo is not on PATH\n  next: install Rust, or name a binary in {VARIABLE}\n")
        return 1
    sys.stdout.write(f"{build(cargo)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
