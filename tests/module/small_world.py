"""What Ferry's functions find outside when tests call them: one image, a plan without changes, an AWS that says yes."""

from __future__ import annotations

import base64
import json
import shutil
import zipfile
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ferry.model import Release, to_json
from ferry.outside.blobs import digest_of
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
    "/v2/library/python/manifests/3.13-slim": _base.manifest,
    f"/v2/library/python/manifests/{_base.digest}": _base.manifest,
    f"/v2/library/python/blobs/{digest_of(_base.config)}": _base.config,
}
"""The image that is built on, as its registry answers."""
EARLIER = to_json(Release(commit="a" * 40, dirty=False, artifacts=()))
LATEST = "/preprod-packages/preprod/releases/latest.json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


class Aws(BaseHTTPRequestHandler):
    """A registry and an S3 that keep what they get. Else there are a token, and a canary."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    kept: dict[str, bytes]
    checksums: dict[str, str]

    def do_POST(self) -> None:
        said = self._body()
        if self.path.endswith("/functions/preprod-probe/invocations"):
            self._answer(200, json.dumps(GOOD).encode())
        elif self.path.endswith("/blobs/uploads/"):
            self._answer(202, headers={"location": f"{self.path}one"})
        elif self.headers.get("X-Amz-Target", "").endswith("DescribeImages"):
            self._described(json.loads(said))
        else:
            token = base64.b64encode(f"AWS:{PLANTED}".encode()).decode()
            self._answer(200, json.dumps({"authorizationData": [{"authorizationToken": token}]}).encode())

    def do_HEAD(self) -> None:
        path = self.path.partition("?")[0]
        if path in self.kept or path == "/preprod-packages":
            checksum = self.checksums.get(path)
            self._answer(200, headers={"x-amz-checksum-sha256": checksum} if checksum else {})
        elif path in BASE:
            self._answer(200, headers={"docker-content-digest": digest_of(BASE[path])})
        else:
            self._answer(404)

    def do_PUT(self) -> None:
        body, path = self._body(), self.path.partition("?")[0]
        if self._taken(path):
            self._answer(412)
            return
        self.kept[path] = body
        if checksum := self.headers.get("x-amz-checksum-sha256"):
            self.checksums[path] = checksum
        if "/manifests/" in path:
            self.kept[f"{path.rpartition('/')[0]}/{digest_of(body)}"] = body
        if "/blobs/" in path:
            self.kept[f"{path.partition('/uploads')[0]}/{digest_of(body)}"] = body
        self._answer(201, headers={"ETag": _etag(body)})

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if "list-type=2" in query:
            keys = "".join(
                f"<Contents><Key>{it.partition('/preprod-packages/')[2]}</Key></Contents>" for it in self.kept
            )
            self._answer(200, f"<ListBucketResult>{keys}<IsTruncated>false</IsTruncated></ListBucketResult>".encode())
            return
        found = self.kept.get(path) or BASE.get(path) or (EARLIER.encode() if path == LATEST else None)
        headers = {"content-type": MANIFEST_TYPE} if "/manifests/" in path else {}
        headers |= {"ETag": _etag(found or b""), "Last-Modified": formatdate(usegmt=True)}
        self._answer(404 if found is None else 200, found or b"", headers)

    def _taken(self, path: str) -> bool:
        """What is there is not what the writer saw, or not nothing: S3 then writes nothing."""
        there, seen = self.kept.get(path), self.headers.get("If-Match")
        if seen is not None:
            return there is None or _etag(there) != seen
        return self.headers.get("If-None-Match") == "*" and there is not None

    def _described(self, said: dict[str, Any]) -> None:
        digest = said["imageIds"][0]["imageDigest"]
        if not any(path.endswith(digest) for path in self.kept):
            self._answer(400, b'{"__type": "ImageNotFoundException"}')
            return
        detail = {"imageDigest": digest, "imageTags": ["latest"], "imageScanFindingsSummary": {}}
        self._answer(200, json.dumps({"imageDetails": [detail]}).encode())

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


def _etag(body: bytes) -> str:
    return f'"{digest_of(body)}"'


@contextmanager
def aws() -> Iterator[str]:
    handler = type("FreshAws", (Aws,), {"kept": {}, "checksums": {}})
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
        "Directory.entries": _entries,
        "Directory.export": _exported,
        "File.export": _plan,
        "File.contents": FERRY_TOML,
        "GitRef.commit": "c0ffee" * 6 + "c0de",
        "Secret.plaintext": CREDENTIALS,
        "Service.endpoint": lambda service: services.get(service.first.args.get("name", ""), "http://app"),
    }


def _plan(export: Chain) -> str:
    """What terraform saved: the state that it planned from is in it, and one plan has the same bytes at any time."""
    path = Path(export.last.args["path"])
    with zipfile.ZipFile(path, "w") as saved:
        # A bare name is written with the time of day.
        saved.writestr(zipfile.ZipInfo("tfstate-prev"), json.dumps({"serial": 1, "lineage": "one"}))
    return str(path)


def _entries(asked: Chain) -> list[str]:
    """Of what a function left in its working directory; the source holds no ferry.lock."""
    written = asked.args("workdir")
    return sorted(path.name for path in Path(written[0]["path"]).iterdir()) if written else []


def _exported(export: Chain) -> str:
    """What a container compiled: the application, which comes from here, or what was installed; or the source."""
    target = Path(export.last.args["path"])
    written = export.args("workdir")
    if export.args("withExec"):
        target.mkdir(exist_ok=True)
        name, text = ("probe.py", PROBE) if "workdir" in str(export) else ("installed.py", "")
        (target / name).write_text(text)
    elif written:
        shutil.copytree(written[0]["path"], target, dirs_exist_ok=True)
    else:
        for name in ("app", "probe"):
            (target / name).mkdir(parents=True)
            (target / name / "__init__.py").touch()
            (target / f"{name}.lock").touch()
    return str(target)
