"""`awsbox.running`: an image's own command, from its own layers, and nothing of it left afterwards."""

from __future__ import annotations

import io
import json
import os
import tarfile
import tempfile
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import awsbox
from tests.living import alive, until_gone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

SERVER = """
import http.server, json, os, sys
import greeting  # in the other layer

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        said = {"text": greeting.TEXT, "environment": dict(os.environ), "here": os.getcwd(), "pid": os.getpid()}
        self.wfile.write(json.dumps(said).encode())

    def log_message(self, *_): pass

print("x" * 200_000)  # more than a pipe holds
http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


def layer(**files: str) -> bytes:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return tar.getvalue()


LAYERS = (layer(**{"opt/libs/greeting.py": "TEXT = 'hello'"}), layer(**{"task/serve.py": SERVER}))


@asynccontextmanager
async def running(said: bytes, layers: tuple[bytes, ...], environment: dict[str, str]) -> AsyncIterator[str]:
    """From files, as an image's layers are."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / str(number) for number in range(len(layers))]
        for path, data in zip(paths, layers, strict=True):
            path.write_bytes(data)
        async with awsbox.running(said, paths, environment) as url:
            yield url


def config(*command: str, **other: Any) -> bytes:
    env = ["PYTHONPATH=/task:/opt/libs", "FROM_IMAGE=a=b"]
    return json.dumps({"config": {"Cmd": command, "Env": env, "WorkingDir": "/task", **other}}).encode()


async def asked(url: str) -> dict[str, Any]:
    async with httpx.AsyncClient(trust_env=False) as http:
        return dict((await http.get(url)).json())


def gone(folder: str) -> bool:
    return not Path(folder).exists()


async def test_the_command_serves_from_its_layers_and_leaves_nothing() -> None:
    async with running(config("python", "-m", "serve"), LAYERS, {"ENVIRONMENT": "preprod"}) as url:
        said = await asked(url)
        assert said["text"] == "hello"
        assert said["here"].endswith("/task")
    assert not alive(said["pid"])
    assert gone(said["here"])


async def test_the_environment_is_the_images_and_the_functions_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")
    async with running(config("python", "-m", "serve"), LAYERS, {"ENVIRONMENT": "preprod"}) as url:
        said = (await asked(url))["environment"]
    assert (said["FROM_IMAGE"], said["ENVIRONMENT"]) == ("a=b", "preprod")
    assert "AWS_SECRET_ACCESS_KEY" not in said


async def test_an_error_in_the_block_ends_the_command_too() -> None:
    said: dict[str, Any] = {}
    with suppress(ZeroDivisionError):
        async with running(config("python", "-m", "serve"), LAYERS, {}) as url:
            said = await asked(url)
            raise ZeroDivisionError
    assert not alive(said["pid"])
    assert gone(said["here"])


async def test_what_the_command_starts_ends_with_it() -> None:
    both = layer(**{"task/both.py": "import subprocess; child = subprocess.Popen(['sleep', '60']).pid\nimport serve"})
    naming = SERVER.replace("os.getpid()", "__import__('both').child")
    layers = (LAYERS[0], layer(**{"task/serve.py": naming}), both)
    async with running(config("python", "-c", "import both"), layers, {}) as url:
        child = (await asked(url))["pid"]
        assert alive(child)
    await until_gone(child)


async def failed(said: bytes, layers: tuple[bytes, ...] = LAYERS) -> str:
    with pytest.raises(awsbox.BoxFailed) as caught:
        async with running(said, layers, {}):
            pass
    return str(caught.value)


async def test_a_command_that_ends_at_once_fails_with_what_it_said() -> None:
    said = await failed(config("python", "-c", "import sys; print('no database'); sys.exit(3)"))
    assert said == "the image's command ended with 3\nno database\n"


async def test_what_the_image_lacks_is_not_found_on_this_machine() -> None:
    assert "No module named 'httpx'" in await failed(config("python", "-c", "import httpx"))


async def test_an_image_without_a_command_is_refused() -> None:
    assert "says nothing of what it runs" in await failed(config())


@pytest.mark.parametrize("command", [("no-such-program",), ("./serve.py",)])
async def test_a_command_that_does_not_start_is_named(command: tuple[str, ...]) -> None:
    assert "does not start" in await failed(config(*command))


async def test_a_working_folder_that_no_layer_has_is_named() -> None:
    assert "does not start" in await failed(config("python", WorkingDir="/nowhere"))


async def test_settings_may_be_left_out() -> None:
    said = json.dumps({"config": {"Entrypoint": ["python", "-c"], "Cmd": ["print(7)"], "Env": None}}).encode()
    assert await failed(said) == "the image's command ended with 0\n7\n"


@pytest.mark.parametrize(
    "damaged",
    [b"", b"not gzip", LAYERS[1][: len(LAYERS[1]) // 2], b"\x1f\x8b" + os.urandom(40), layer(**{"../../outside": "x"})],
    ids=["empty", "text", "cut", "noise", "leads outside"],
)
async def test_a_damaged_layer_is_named(damaged: bytes) -> None:
    assert "cannot be unpacked" in await failed(config("python"), (damaged,))


async def test_a_layer_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(awsbox.BoxFailed, match=r"cannot be unpacked: .*gone"):
        async with awsbox.running(config("python"), [tmp_path / "gone"], {}):
            pass
