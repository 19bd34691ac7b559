"""What each zip weighs, and what its cold start costs: the import of its handler beside a bare Python's start.

Each is built as a release builds it, unpacked, compiled, and imported by a Python that sees nothing else. For the
dashboard, which needs nothing but itself in dev, the first and the second request are told too.
Run it with `make bench`. It reports, and fails only where a zip does not import or Lambda would not take it.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from ferry.config import ZipArtifact, load
from ferry.outside.blobs import Blob, Store
from ferry.outside.builder.host import HostBuilder
from ferry.outside.builder.package import dependencies_zip, package

ROOT = Path(__file__).parent.parent
ROUNDS = 5
ALONE = "import sys; sys.path.insert(0, sys.argv[1])"
"""With -I and -S there is the standard library, and then the unpacked zip."""
REQUESTS = """
import time
from dashboard.handler import handle
event = {"version": "2.0", "rawPath": "/api/items", "rawQueryString": "", "headers": {"host": "x"},
         "requestContext": {"http": {"method": "GET", "sourceIp": "127.0.0.1"}}, "isBase64Encoded": False}
class Context:
    function_name, memory_limit_in_mb, invoked_function_arn, aws_request_id = "x", 512, "arn", "1"
    def get_remaining_time_in_millis(self): return 30_000
for which in ("first", "second"):
    started = time.perf_counter()
    assert handle(event, Context())["statusCode"] == 200
    print(f"REQUEST {which} request {1000 * (time.perf_counter() - started):.1f} ms")
"""


def run(folder: Path, code: str) -> tuple[float, str]:
    started = time.perf_counter()
    # Paths come before -I is done with them, so the zip's folder is an argument.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"{ALONE}\n{code}", str(folder)],
        check=True, capture_output=True, text=True, env={"POWERTOOLS_TRACE_DISABLED": "true"},
    )  # fmt: skip
    return time.perf_counter() - started, done.stdout


async def built(artifact: ZipArtifact, work: Path) -> Blob:
    builder, store = HostBuilder(ROOT, work / "build"), Store(work / "store")
    dependencies = dependencies_zip(await builder.dependencies(artifact.lock), store)
    return package(dependencies, await builder.application(artifact.source), store)


def report(artifact: ZipArtifact, work: Path, bare: float) -> None:
    zipped = asyncio.run(built(artifact, work))
    folder = work / artifact.name
    with zipfile.ZipFile(str(zipped.path)) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
        archive.extractall(folder)
    module = artifact.handler.rpartition(".")[0]
    code = f"import {module}" + (REQUESTS if artifact.name == "dashboard" else "")
    runs = [run(folder, f"import {module}")[0] for _ in range(ROUNDS)]
    told = [line.removeprefix("REQUEST ") for line in run(folder, code)[1].splitlines() if line.startswith("REQUEST")]
    cold = statistics.median(runs) - bare
    sizes = f"{zipped.size / 1e6:5.1f} MB zipped, {unpacked / 1e6:6.1f} MB unpacked"
    print(f"{artifact.name:10} {sizes}, import {cold:.3f} s over a bare Python", *told, sep=", ")


def main() -> int:
    zips = [artifact for artifact in load(ROOT / "ferry.toml").artifacts.values() if isinstance(artifact, ZipArtifact)]
    with tempfile.TemporaryDirectory() as work:
        bare = statistics.median(run(Path(work), "pass")[0] for _ in range(ROUNDS))
        for artifact in zips:
            report(artifact, Path(work), bare)
    return 0


if __name__ == "__main__":
    sys.exit(main())
