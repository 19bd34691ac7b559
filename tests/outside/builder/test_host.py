"""HostBuilder with uv itself: wheels that the test makes, a lock with their hashes, no network."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ferry.errors import BuildFailed, ToolError
from ferry.outside import processes
from ferry.outside.blobs import Store
from ferry.outside.builder.assemble import assemble
from ferry.outside.builder.host import HostBuilder, _environment
from ferry.outside.builder.layer import layer
from ferry.outside.builder.package import dependencies_zip, package
from tests.outside.builder.wheels import wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ferry.outside.blobs import Blob

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]
LOCK, APP = "app.lock", ("app",)
PYC = f"{sys.implementation.cache_tag}.pyc"
NO_HASH = "0" * 64


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an application, and a lock of two packages, which uv finds beside it and nowhere else."""
    (tmp_path / LOCK).write_text(wheel(tmp_path, "first") + wheel(tmp_path, "second"))
    (tmp_path / "app").mkdir()
    (tmp_path / "app/main.py").write_text("import first\n")
    for name, value in {"FIND_LINKS": tmp_path, "CACHE_DIR": tmp_path / "cache", "OFFLINE": 1}.items():
        monkeypatch.setenv(f"UV_{name}", str(value))
    monkeypatch.setenv("PATH", str(ROOT / ".tools/uv/bin"), prepend=":")
    return tmp_path


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


async def built(source: Path, work: Path) -> tuple[str, list[Blob], Blob]:
    """An image's digest, its layers, and a package, all made in a folder of their own."""
    builder, store = HostBuilder(source, work), Store(work / "store")
    dependencies, application = await builder.dependencies(LOCK), await builder.application(APP)
    layers = layer(dependencies, "/opt/dependencies", store), layer(application, "/var/task", store)
    image = assemble(layers, base=None, command=("x",), environment={}, workdir="/var/task", port=1)
    zipped = package(dependencies_zip(dependencies, store), application, store)
    return image.digest, [it.blob for it in layers], zipped


def indexed(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    for name in ("UV_OFFLINE", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{port}/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")


@contextmanager
def index(status: int) -> Iterator[int]:
    """A server that gives the same answer to everything; its port."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


async def test_what_is_installed_is_tidy_and_compiled(source: Path) -> None:
    folder = await HostBuilder(source, source / "work").dependencies(LOCK)
    assert files(folder) == {
        name
        for it in ("first", "second")
        for name in (
            f"{it}.py",
            f"__pycache__/{it}.{PYC}",
            *(f"{it}-1.0.dist-info/{part}" for part in ("METADATA", "WHEEL", "entry_points.txt")),
        )
    }


async def test_the_application_is_copied_to_a_folder_of_its_own_and_compiled(source: Path) -> None:
    builder = HostBuilder(source, source / "work")
    one, two = await builder.application(APP), await builder.application(APP)
    assert one != two
    assert files(one) == files(two) == {"app/main.py", f"app/__pycache__/main.{PYC}"}
    assert files(source / "app") == {"main.py"}


@pytest.mark.slow  # builds with uv
async def test_built_elsewhere_and_at_another_time_it_is_the_same(
    source: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await built(source, source / "one")
    moved = tmp_path_factory.mktemp("elsewhere") / "deeper/still"
    before = os.umask(0o077)
    try:
        # What our own Makefile says among it: uv's way to compile gives other bytes each time.
        for name, value in {
            "UV_COMPILE_BYTECODE": "1",
            "PYTHONHASHSEED": "77",
            "UV_NO_INSTALLER_METADATA": "1",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("UV_CACHE_DIR", str(moved / "cache"))
        (moved / "app/__pycache__").mkdir(parents=True)
        (moved / "app/__pycache__/main.pyc").touch()
        for name in (LOCK, "app/main.py"):
            (moved / name).write_text((source / name).read_text())
            os.utime(moved / name, (1, 1))
        two = await built(moved, moved / "two")
    finally:
        os.umask(before)
    assert one[0] == two[0]
    assert [it.digest for it in (*one[1], one[2])] == [it.digest for it in (*two[1], two[2])]


@pytest.mark.req("B-08")
@pytest.mark.parametrize("changed", ["app/main.py", LOCK])
async def test_what_changes_is_the_layer_that_the_change_is_in(source: Path, changed: str) -> None:
    _, (dependencies, application), _ = await built(source, source / "one")
    text = "import second\n" if changed.endswith(".py") else wheel(source, "third")
    (source / changed).write_text(text)
    _, (dependencies_then, application_then), _ = await built(source, source / "two")
    same = dependencies.digest == dependencies_then.digest, application.digest == application_then.digest
    assert same == ((True, False) if changed.endswith(".py") else (False, True))


@pytest.mark.slow  # builds with uv
@pytest.mark.req("B-11")
@pytest.mark.parametrize(
    ("lock", "what", "why"),
    [
        ("first==1.0\n", "without a version or a hash", "hash"),
        ("first\n", "without a version or a hash", "first"),
        (f"first==1.0 --hash=sha256:{NO_HASH}\n", "not the one that was locked", NO_HASH),
        (f"missing==1.0 --hash=sha256:{NO_HASH}\n", "the lock is out of date", "missing"),
        (f"first==2.0 --hash=sha256:{NO_HASH}\n", "the lock is out of date", "first==2.0"),
        ("first = 1.0", "the lock cannot be read", "first = 1.0"),
        (f"windows==1.0 --hash=sha256:{NO_HASH}\n", "no wheel for Lambda's platform", "windows"),
        (f"unbuilt==1.0 --hash=sha256:{NO_HASH}\n", "no wheel for Lambda's platform", "unbuilt"),
    ],
)
async def test_a_lock_that_cannot_be_installed_says_why(
    source: Path, monkeypatch: pytest.MonkeyPatch, lock: str, what: str, why: str
) -> None:
    wheel(source, "windows", tag="cp313-cp313-win_amd64")
    (source / "unbuilt-1.0.tar.gz").touch()
    (source / LOCK).write_text(lock)
    with index(404) as port:
        indexed(monkeypatch, port)
        with pytest.raises(BuildFailed, match="could not be installed") as caught:
            await HostBuilder(source, source / "work").dependencies(LOCK)
    assert what in caught.value.what
    assert why in caught.value.why
    assert (caught.value.where, bool(caught.value.next)) == (LOCK, True)


async def reason(source: Path) -> BuildFailed:
    (source / LOCK).write_text(f"absent==1.0 --hash=sha256:{NO_HASH}\n")
    with pytest.raises(BuildFailed, match="could not be installed") as caught:
        await HostBuilder(source, source / "work").dependencies(LOCK)
    return caught.value


@pytest.mark.req("B-11")
async def test_where_uv_may_not_use_the_network_it_is_said(source: Path) -> None:
    assert "may not use the network" in (await reason(source)).what


@pytest.mark.req("B-11")
async def test_an_index_that_is_not_there_is_told(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        indexed(monkeypatch, free.getsockname()[1])
    error = await reason(source)
    assert "the package index cannot be reached" in error.what
    assert "Connection refused" in error.why


@pytest.mark.slow  # builds with uv
@pytest.mark.req("B-11")
async def test_an_index_that_takes_the_call_and_says_nothing_is_told(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        indexed(monkeypatch, silent.getsockname()[1])
        monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
        assert "the package index cannot be reached" in (await reason(source)).what


@pytest.mark.slow  # builds with uv
@pytest.mark.req("B-11")
@pytest.mark.parametrize(
    ("status", "what"), [(500, "cannot be reached"), (401, "does not let us in"), (403, "does not let us in")]
)
async def test_an_index_that_does_not_serve_us_is_told(
    source: Path, monkeypatch: pytest.MonkeyPatch, status: int, what: str
) -> None:
    with index(status) as port:
        indexed(monkeypatch, port)
        assert what in (await reason(source)).what


def test_uv_waits_for_an_index_as_long_as_we_can_unless_somebody_says_otherwise() -> None:
    ours = _environment({"UV_COMPILE_BYTECODE": "1", "HOME": "/home"})
    assert "UV_COMPILE_BYTECODE" not in ours
    assert ours["HOME"] == "/home"
    assert (int(ours["UV_HTTP_RETRIES"]) + 1) * int(ours["UV_HTTP_TIMEOUT"]) < 25
    assert _environment({"UV_HTTP_TIMEOUT": "300"})["UV_HTTP_TIMEOUT"] == "300"


async def test_what_cannot_be_compiled_is_told(source: Path) -> None:
    """A name for which the system has room, until what Python puts behind it is added."""
    (source / "app" / f"{'n' * 245}.py").touch()
    with pytest.raises(BuildFailed, match="bytecode could not be made") as caught:
        await HostBuilder(source, source / "work").application(APP)
    assert (caught.value.where, "File name too long" in caught.value.why) == ("app", True)


async def test_a_lock_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="lock file does not exist"):
        await HostBuilder(tmp_path, tmp_path / "work").dependencies(LOCK)


async def test_a_place_where_nothing_can_be_built_is_named(source: Path) -> None:
    with pytest.raises(BuildFailed, match="no place to build in") as caught:
        await HostBuilder(source, source / LOCK).application(APP)
    assert (caught.value.where, caught.value.why) == (str(source / LOCK), "File exists")


@pytest.mark.parametrize("named", ["", "/no/such/uv"])
async def test_a_machine_without_uv_is_told_so(source: Path, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("UV", named)
    with pytest.raises(ToolError, match="uv"):
        await HostBuilder(source, source / "work").dependencies(LOCK)


@pytest.mark.slow  # builds with uv
@pytest.mark.parametrize("wanted", ["", platform.python_version(), "3.13.99"])
async def test_this_python_compiles_where_no_other_is_wanted_or_found(source: Path, wanted: str) -> None:
    builder = HostBuilder(source, source / "work", wanted)
    assert await builder.compiler() == platform.python_version()
    assert f"app/__pycache__/main.{PYC}" in files(await builder.application(APP))


def another_python() -> tuple[str, str] | None:
    """Where one of another version is, and which."""
    folders = os.environ["PATH"].split(os.pathsep)
    for path in sorted({f"{folder}/python3.{minor}" for folder in folders for minor in range(9, 20)}):
        if not path.endswith(f"3.{sys.version_info.minor}") and Path(path).is_file():
            words = [path, "-c", "import platform; print(platform.python_version())"]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return str(Path(path).parent), done.stdout.strip()
    return None


async def test_another_python_compiles_where_this_machine_has_it(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if (found := another_python()) is None:
        pytest.skip("this machine has no other Python")
    folder, version = found
    monkeypatch.setenv("PATH", f"{ROOT / '.tools/uv/bin'}:{folder}")
    assert await HostBuilder(source, source / "work", version).compiler() == version


async def test_a_tree_is_the_repository_itself(source: Path) -> None:
    builder = HostBuilder(source, source / "work")
    assert await builder.tree(["app", LOCK, "*.whl"]) == source
    with pytest.raises(BuildFailed, match="not in the repository"):
        await builder.tree(["gone"])


@pytest.mark.slow
@pytest.mark.req("B-08")
@pytest.mark.parametrize("name", ["sse_streaming", "analysis"])
async def test_real_dependencies_are_the_same_bytes_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """All that a web framework and a model's runtime bring: other processors, order, times and umask."""
    monkeypatch.setenv("PATH", str(ROOT / ".tools/uv/bin"), prepend=":")
    store, lock = Store(tmp_path / "store"), f"src/lambdas/{name}/requirements.lock"
    one = await HostBuilder(ROOT, tmp_path / "one").dependencies(lock)
    made = layer(one, "/opt/dependencies", store), dependencies_zip(one, store)
    before, here = os.umask(0o077), os.sched_getaffinity(0)
    monkeypatch.setenv("PYTHONHASHSEED", "77")
    os.sched_setaffinity(0, {max(here)})
    try:
        two = await HostBuilder(ROOT, tmp_path / "two/deeper").dependencies(lock)
    finally:
        os.umask(before)
        os.sched_setaffinity(0, here)
    for number, path in enumerate(two.rglob("*")):
        os.utime(path, (number, number))
    assert (layer(two, "/opt/dependencies", store), dependencies_zip(two, store)) == made
    assert len([*two.rglob("*.pyc")]) == len([*two.rglob("*.py")])


@pytest.mark.slow
async def test_real_dependencies_are_imported_as_they_were_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(ROOT / ".tools/uv/bin"), prepend=":")
    folder = await HostBuilder(ROOT, tmp_path).dependencies("src/lambdas/sse_streaming/requirements.lock")
    words = [
        sys.executable,
        "-S",
        "-v",
        "-c",
        "import fastapi, uvicorn; print(fastapi.FastAPI.__init__.__code__.co_filename)",
    ]
    done = await processes.run(words, env={"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.out.strip() == str(folder / "fastapi/applications.py")
    compiled = {line.split()[-1].strip("'") for line in done.err.splitlines() if line.startswith("# code object from ")}
    assert f"{folder}/fastapi/__pycache__/applications.{PYC}" in compiled
    assert {it for it in compiled if it.startswith(str(folder)) and it.endswith(".py")} == set()


async def test_a_dockerfile_needs_an_engine(source: Path) -> None:
    with pytest.raises(BuildFailed, match="needs a Dagger engine") as caught:
        await HostBuilder(source, source / "work").dockerfile("app/Dockerfile", ["app"])
    assert (caught.value.where, caught.value.next) == ("app/Dockerfile", "dagger call build")
