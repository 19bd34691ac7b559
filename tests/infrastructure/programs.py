"""What the functions of these tests run: they do as their event says, with nothing but the rights of their roles."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import boto3

from tests.awsbox import functions

if TYPE_CHECKING:
    from ferry.outside.builder.assemble import Image

# Calls of AWS by name, and what came of each: "ok", or the error's code.
CALLS = """
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

def do(calls):
    return [one(*call) for call in calls]

def one(service, operation, arguments):
    limits = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    try:
        getattr(boto3.client(service, config=limits), operation)(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "ok"
"""
HANDLER = """
import json
from . import calls

def handle(event, context):
    said = json.loads(event["body"]) if "body" in event else event
    for line in said.get("print", []):
        print(json.dumps(line))
    if "raise" in said:
        raise RuntimeError(said["raise"])
    done = calls.do(said.get("calls", []))
    return {"statusCode": 200, "body": json.dumps({"name": context.function_name, "calls": done})}
"""
SERVER = """
import http.server, json, os, calls

class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self): self.answer(b"ready")
    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.answer(json.dumps({"calls": calls.do(said["calls"])}).encode())
    def answer(self, body):
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"""


def package(name: str, release: str) -> bytes:
    """A zip with the package `name`: the same bytes each time for a release."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        for file, text in (("__init__.py", f"# {release}\n"), ("handler.py", HANDLER), ("calls.py", CALLS)):
            written.writestr(zipfile.ZipInfo(f"{name}/{file}"), text)
    return archive.getvalue()


def checksum(package: bytes) -> str:
    return base64.b64encode(hashlib.sha256(package).digest()).decode()


def image(release: str) -> Image:
    # This machine's boto3: a layer of it would be most of the image.
    there = f"import sys\nsys.path.append({str(Path(boto3.__file__).parents[1])!r})\n"
    files = {"app/server.py": there + SERVER, "app/calls.py": CALLS, "app/release": release}
    return functions.image(files, command=("python", "server.py"))
