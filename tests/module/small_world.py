"""What Ferry's functions find outside when tests call them: one image, a plan without changes, an AWS that says yes."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ferry.outside.builder.assemble import assemble
from tests.outside.canary.programs import GOOD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.fake_engine import Chain

PLANTED = "planted-in-the-tests"
SAID = {"env": "preprod", "name": "app"}
SAID_TO = {"package": SAID | {"name": "probe"}}
"""What a function by that name is told instead."""

FERRY_TOML = """
project = "small"
region = "us-east-1"

[artifacts.app]
kind = "image"
repository = "{env}-app"
recipe = { base = "python:3.13-slim", lock = "app.lock", source = ["app"], command = ["python", "-m", "app"] }

[artifacts.probe]
kind = "zip"
package = "{env}/{name}.zip"
lock = "probe.lock"
source = ["probe"]
handler = "probe.handler"

[canary]
artifact = "probe"
command = ["python", "-m", "probe"]

[infrastructure]
root = "terraform"

[environments.preprod]
account = "111122223333"
deployer = "arn:aws:iam::111122223333:user/deployer"
state = { bucket = "state", key = "terraform.tfstate" }
variables = "preprod.tfvars"
packages = "preprod-packages"
"""
PROBE = f"""
import sys
assert sys.argv[1:] == ["http://app", "--json"], sys.argv
print({json.dumps(GOOD)!r})
"""
PLAN = '{"format_version": "1.2", "resource_changes": []}'
OUTPUTS = json.dumps({"functions": {"value": {"probe": "preprod-probe"}}})
PRINTED = {"show": PLAN, "version": '{"terraform_version": "1.11.4"}', "output": OUTPUTS}
"""What terraform says, by its subcommand."""
CREDENTIALS = json.dumps({"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": PLANTED})


_base = assemble((), base=None, command=("python",), environment={}, workdir="/", port=8080)
BASE = {
    "/v2/library/python/manifests/3.13-slim": _base.manifest.data,
    f"/v2/library/python/blobs/{_base.config.digest}": _base.config.data,
}
"""The image that is built on, as its registry answers."""


class Aws(BaseHTTPRequestHandler):
    """A registry that has every blob and keeps manifests; else there are a token for it, and a canary."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    manifests: dict[str, bytes]
    checksums: dict[str, str]

    def do_POST(self) -> None:
        self._body()
        if self.path.endswith("/functions/preprod-probe/invocations"):
            self._answer(200, json.dumps(GOOD).encode())
            return
        token = base64.b64encode(f"AWS:{PLANTED}".encode()).decode()
        self._answer(200, json.dumps({"authorizationData": [{"authorizationToken": token}]}).encode())

    def do_HEAD(self) -> None:
        checksum = self.checksums.get(self.path)
        self._answer(200, headers={"x-amz-checksum-sha256": checksum} if checksum else {})

    def do_PUT(self) -> None:
        body = self._body()
        folder, _, tag = self.path.rpartition("/")
        if checksum := self.headers.get("x-amz-checksum-sha256"):
            self.checksums[self.path] = checksum
        for name in (tag, f"sha256:{hashlib.sha256(body).hexdigest()}"):
            self.manifests[f"{folder}/{name}"] = body
        self._answer(201)

    def do_GET(self) -> None:
        found = self.manifests.get(self.path) or BASE.get(self.path)
        self._answer(200 if found else 404, found or b"")

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] = MappingProxyType({})) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def aws() -> Iterator[str]:
    handler = type("FreshAws", (Aws,), {"manifests": {}, "checksums": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.block_on_close = False
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def answers(aws: str) -> dict[str, Any]:
    """A service that is no argument is the image that is tried out."""
    services = {"aws_endpoint": aws, "image_mirror": aws}
    return {
        "Container.withExec": lambda step: {"stdout": PRINTED.get(step.last.args["args"][1], "")},
        "Directory.export": _exported,
        "File.contents": FERRY_TOML,
        "GitRef.commit": "c0ffee" * 6 + "c0de",
        "Secret.plaintext": CREDENTIALS,
        "Service.endpoint": lambda service: services.get(service.first.args.get("name", ""), "http://app"),
    }


def _exported(export: Chain) -> str:
    """What the function itself put into its working directory; the source; or what was installed in a container."""
    target = Path(export.last.args["path"])
    written = export.args("workdir")
    if written:
        shutil.copytree(written[0]["path"], target, dirs_exist_ok=True)
    elif export.args("withDirectory"):
        (target / "app").mkdir(parents=True)
        (target / "probe").mkdir()
        (target / "probe/__main__.py").write_text(PROBE)
    else:
        (target / "installed").mkdir(parents=True)
    return str(target)
