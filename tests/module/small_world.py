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
from typing import TYPE_CHECKING, Any

from ferry.outside.builder.assemble import assemble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fake_engine import Chain

PLANTED = "planted-in-the-tests"
SAID = {"env": "preprod", "name": "app"}

FERRY_TOML = """
project = "small"
region = "us-east-1"

[artifacts.app]
kind = "image"
repository = "{env}-app"
recipe = { base = "python:3.13-slim", lock = "app.lock", source = ["app"], command = ["python", "-m", "app"] }

[infrastructure]
root = "terraform"

[environments.preprod]
account = "111122223333"
deployer = "arn:aws:iam::111122223333:user/deployer"
state = { bucket = "state", key = "terraform.tfstate" }
variables = "preprod.tfvars"
"""
PLAN = '{"format_version": "1.2", "resource_changes": []}'
PRINTED = {"show": PLAN, "version": '{"terraform_version": "1.11.4"}'}
"""What terraform says, by its subcommand."""
CREDENTIALS = json.dumps({"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": PLANTED})


_base = assemble((), base=None, command=("python",), environment={}, workdir="/", port=8080)
BASE = {
    "/v2/library/python/manifests/3.13-slim": _base.manifest.data,
    f"/v2/library/python/blobs/{_base.config.digest}": _base.config.data,
}
"""The image that is built on, as its registry answers."""


class Aws(BaseHTTPRequestHandler):
    """A registry that has every blob and keeps manifests; all that AWS ever answers is a token for it."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    manifests: dict[str, bytes]

    def do_POST(self) -> None:
        self._body()
        token = base64.b64encode(f"AWS:{PLANTED}".encode()).decode()
        self._answer(200, json.dumps({"authorizationData": [{"authorizationToken": token}]}).encode())

    def do_HEAD(self) -> None:
        self._answer(200)

    def do_PUT(self) -> None:
        body = self._body()
        folder, _, tag = self.path.rpartition("/")
        for name in (tag, f"sha256:{hashlib.sha256(body).hexdigest()}"):
            self.manifests[f"{folder}/{name}"] = body
        self._answer(201)

    def do_GET(self) -> None:
        found = self.manifests.get(self.path) or BASE.get(self.path)
        self._answer(200 if found else 404, found or b"")

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def aws() -> Iterator[str]:
    handler = type("FreshAws", (Aws,), {"manifests": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.block_on_close = False
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def answers(aws: str, app: str) -> dict[str, Any]:
    """A service that is no argument is the app itself, which runs."""
    services = {"aws_endpoint": aws, "image_mirror": aws}
    return {
        "Container.withExec": lambda step: {"stdout": PRINTED.get(step.last.args["args"][1], "")},
        "Directory.export": _exported,
        "File.contents": FERRY_TOML,
        "GitRef.commit": "c0ffee" * 6 + "c0de",
        "Secret.plaintext": CREDENTIALS,
        "Service.endpoint": lambda service: services.get(service.first.args.get("name", ""), app),
    }


def _exported(export: Chain) -> str:
    """What the function itself put into its working directory; any other directory holds the folder `app`."""
    target = Path(export.last.args["path"])
    written = export.args("workdir")
    if written:
        shutil.copytree(written[0]["path"], target, dirs_exist_ok=True)
    else:
        (target / "app").mkdir(parents=True)
    return str(target)
