"""Small functions for the box: an image of a program, a role, the function, and its address."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import time
from itertools import count
from typing import TYPE_CHECKING, Any

from tests.awsbox import pictures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ferry.outside.builder.assemble import Image
    from tests.awsbox.people import Account

_NUMBERS = count(1)

# A program with nothing but the standard library. What it is asked to do is in the path, what it is in its variables.
SERVER = '''
import http.server, json, os, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_POST(self): self.do_GET()
    def do_GET(self):
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if path == "/":
            return self.whole(200, b"ready")
        print("asked for", path, flush=True)
        getattr(self, "say_" + path.strip("/").replace("-", "_"))(query, body)
    def whole(self, status, body, *headers, kind="text/plain"):
        self.send_response(status)
        for name, value in (("content-type", kind), ("content-length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
    def say_environment(self, query, body):
        self.whole(200, json.dumps(dict(os.environ)).encode(), kind="application/json")
    def say_request(self, query, body):
        said = {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body.decode()}
        self.whole(201, json.dumps(said).encode(), ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-own", "yes"))
    def say_events(self, query, body):
        self.whole(200, body, kind="application/json")
    def say_who(self, query, body):
        self.whole(200, f"{os.getpid()} {os.environ['AWS_LAMBDA_FUNCTION_VERSION']}".encode())
    def say_sleep(self, query, body):
        time.sleep(float(query)); self.whole(200, b"slept")
    def say_exit(self, query, body):
        print("going", flush=True); os._exit(int(query))
    def say_big(self, query, body):
        self.whole(200, b"x" * int(query))
    def say_stream(self, query, body):
        """Chunks, each when its file has come: the reader decides when it may go on."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream"); self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for name in query.split(","):
            while not os.path.exists(name) and name.startswith("/"): time.sleep(0.005)
            if name == "exit": os._exit(3)
            data = f"data: {name}\\n\\n".encode()
            self.wfile.write(b"%x\\r\\n%s\\r\\n" % (len(data), data)); self.wfile.flush()
        self.wfile.write(b"0\\r\\n\\r\\n")
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
'''


def archive(files: Mapping[str, Any]) -> bytes:
    """A layer. `name -> target` is a symbolic link, a name that ends with / a folder."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in files.items():
            text = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name.partition(" -> ")[0].rstrip("/"))
            entry.mode = 0o755
            if " -> " in name:
                entry.type, entry.linkname = tarfile.SYMTYPE, name.partition(" -> ")[2]
            elif name.endswith("/"):
                entry.type = tarfile.DIRTYPE
            entry.size = len(text) if entry.isfile() else 0
            tar.addfile(entry, io.BytesIO(text))
    return gzip.compress(data.getvalue(), 1, mtime=0)


def image(*layers: Mapping[str, Any], command: tuple[str, ...], **environment: str) -> Image:
    said = {"Env": [f"{name}={value}" for name, value in environment.items()], "Cmd": command, "WorkingDir": "/app"}
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": said}).encode()
    return pictures.made(config, *(pictures.STORE.keep(archive(files)) for files in layers))


def server(**environment: str) -> Image:
    return image({"app/server.py": SERVER}, command=("python", "server.py"), **environment)


def deployed(account: Account, picture: Image, *, name: str = "", role: str = "", **settings: Any) -> str:
    """The name of a new function that runs the image."""
    name = name or f"function-{next(_NUMBERS)}"
    root = account.root
    root.client("ecr").create_repository(repositoryName=name)
    pictures.push(root, name, picture, "current")
    function = root.client("lambda")
    function.create_function(
        FunctionName=name,
        Role=role or account.role(name=f"{name}-role"),
        PackageType="Image",
        Code={"ImageUri": f"{account.box.account}.dkr.ecr.us-east-1.amazonaws.com/{name}@{picture.digest}"},
        **{"Timeout": 20} | settings,
    )
    while function.get_function(FunctionName=name)["Configuration"]["State"] == "Pending":
        time.sleep(0.05)
    return name


def address(account: Account, name: str, *, qualifier: str = "", auth: str = "NONE", mode: str = "BUFFERED") -> str:
    """Of a function URL that everybody may call, on the box's own port."""
    client, which = account.root.client("lambda"), {"Qualifier": qualifier} if qualifier else {}
    said = client.create_function_url_config(FunctionName=name, AuthType=auth, InvokeMode=mode, **which)
    if auth == "NONE":
        for action, more in (
            ("lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
            ("lambda:InvokeFunction", {"InvokedViaFunctionUrl": True}),
        ):
            sid = action.rpartition(":")[2]
            asked = {"FunctionName": name, "StatementId": sid, "Action": action, "Principal": "*"} | which | more
            client.add_permission(**asked)
    return str(said["FunctionUrl"]).rstrip("/")
