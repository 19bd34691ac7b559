"""HostBuilder with uv itself: a wheel that the test makes, a lock with its hash, no network."""

from __future__ import annotations

import base64
import hashlib
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ferry.errors import BuildFailed, ToolError
from ferry.outside.builder.assemble import layer
from ferry.outside.builder.host import HostBuilder

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]
LOCK, APP = "app.lock", ("app",)


def wheel(folder: Path, name: str) -> str:
    """A package of one module and one script; answers its line in a lock."""
    info = f"{name}-1.0.dist-info"
    content: Mapping[str, str] = {
        f"{name}.py": "def main(): print('hello')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
        record = "".join(f"{path},sha256={_hash(text)},{len(text)}\n" for path, text in content.items())
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    digest = hashlib.sha256((folder / f"{name}-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    return f"{name}==1.0 --hash=sha256:{digest}\n"


def _hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a lock of two packages, which uv finds beside it and nowhere else."""
    (tmp_path / "app.lock").write_text(wheel(tmp_path, "first") + wheel(tmp_path, "second"))
    for name, value in {"FIND_LINKS": tmp_path, "NO_INDEX": 1, "CACHE_DIR": tmp_path / "cache", "OFFLINE": 1}.items():
        monkeypatch.setenv(f"UV_{name}", str(value))
    monkeypatch.setenv("PATH", str(ROOT / ".tools/uv/bin"), prepend=":")
    return tmp_path


async def test_the_same_lock_is_the_same_layer_every_time(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = layer(await HostBuilder(source, source / "one").dependencies(LOCK), "/opt")
    # What our own Makefile says: compiled code differs from one time to the next.
    monkeypatch.setenv("UV_COMPILE_BYTECODE", "1")
    moved = shutil.move(source / "app.lock", source / "moved.lock")
    folder = await HostBuilder(source, source / "two/deeper").dependencies(Path(moved).name)
    assert layer(folder, "/opt").digest == one.digest
    assert sorted(path.name for path in folder.iterdir()) == [
        "first-1.0.dist-info",
        "first.py",
        "second-1.0.dist-info",
        "second.py",
    ]


@pytest.mark.req("B-11")
@pytest.mark.parametrize(
    ("lock", "says"),
    [
        ("first==1.0\n", "hash"),
        (f"first==1.0 --hash=sha256:{'0' * 64}\n", "ash"),
        (f"missing==1.0 --hash=sha256:{'0' * 64}\n", "missing"),
        ("first = 1.0", "first = 1.0"),
    ],
)
async def test_a_lock_that_cannot_be_installed_says_why(source: Path, lock: str, says: str) -> None:
    (source / "app.lock").write_text(lock)
    with pytest.raises(BuildFailed, match="could not be installed") as caught:
        await HostBuilder(source, source / "work").dependencies(LOCK)
    assert says in caught.value.why
    assert caught.value.where == "app.lock"


async def test_a_lock_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="lock file does not exist"):
        await HostBuilder(tmp_path, tmp_path / "work").dependencies(LOCK)


@pytest.mark.parametrize("named", ["", "/no/such/uv"])
async def test_a_machine_without_uv_is_told_so(source: Path, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("UV", named)
    with pytest.raises(ToolError, match="uv"):
        await HostBuilder(source, source / "work").dependencies(LOCK)


async def test_the_application_is_copied_to_a_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/main.py").touch()
    builder = HostBuilder(tmp_path, tmp_path / "work")
    one, two = await builder.application(APP), await builder.application(APP)
    assert one != two
    assert (one / "app/main.py").is_file()
