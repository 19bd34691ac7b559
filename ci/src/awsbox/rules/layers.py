"""Layers through the ECR API: the emulator takes their parts and forgets them."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from awsbox.rules import shelves, stores
from awsbox.rules.inquiry import Asked, Refused, answering, asking, nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from awsbox.behind import Rules

PART_BYTES = 20 * 1024 * 1024


def _begun(asked: Asked) -> Mapping[str, Any]:
    id = str(uuid4())
    _uploads(asked)[id] = bytearray()
    return {"uploadId": id, "partSize": PART_BYTES}


def _uploads(asked: Asked) -> dict[str, bytearray]:
    found: dict[str, bytearray] = stores.own("ecr", "uploads").setdefault(asked.name, {})
    return found


def _upload(asked: Asked) -> bytearray:
    id = asked.arguments.get("uploadId", "")
    if id not in _uploads(asked):
        raise Refused("UploadNotFoundException", f"Upload with id '{id}' could not be found {asked.where}")
    return _uploads(asked)[id]


def _added(asked: Asked) -> Mapping[str, Any]:
    upload, first = _upload(asked), asked.arguments.get("partFirstByte", 0)
    try:
        part = base64.b64decode(asked.arguments.get("layerPartBlob", ""), validate=True)
    except binascii.Error:
        raise Refused("InvalidParameterException", "layerPartBlob is not base64") from None
    if first != len(upload):
        id = asked.arguments["uploadId"]
        why = f"Invalid layer part upload for upload with id '{id}' {asked.where}"
        raise Refused("InvalidLayerPartException", why)
    upload += part
    return asked.about | {"uploadId": asked.arguments["uploadId"], "lastByteReceived": len(upload) - 1}


def _completed(asked: Asked) -> Mapping[str, Any]:
    upload, id = _upload(asked), asked.arguments["uploadId"]
    digest = f"sha256:{hashlib.sha256(upload).hexdigest()}"
    if not upload:
        raise Refused("EmptyUploadException", f"The upload with id '{id}' has no parts {asked.where}")
    if digest not in asked.arguments.get("layerDigests", []):
        raise Refused("InvalidLayerException", f"The layer digest calculation performed by Amazon ECR: {digest}")
    if digest in shelves.blobs(asked.name):
        raise Refused("LayerAlreadyExistsException", f"The layer with digest '{digest}' already exists {asked.where}")
    shelves.blobs(asked.name)[digest] = bytes(upload)
    del _uploads(asked)[id]
    return asked.about | {"uploadId": id, "layerDigest": digest}


def _available(asked: Asked) -> Mapping[str, Any]:
    held, layers = shelves.blobs(asked.name), []
    for digest in asked.arguments.get("layerDigests", []):
        there = digest in held
        size = {"layerSize": len(held[digest])} if there else {}
        layers.append({"layerDigest": digest, "layerAvailability": "AVAILABLE" if there else "UNAVAILABLE"} | size)
    return {"layers": layers, "failures": []}


def _may_download(asked: Asked) -> None:
    digest = asked.arguments.get("layerDigest", "")
    if digest not in shelves.blobs(asked.name):
        raise Refused("LayersNotFoundException", f"The layer with digest '{digest}' does not exist {asked.where}")


ANSWERS: dict[str, Callable[[Asked], Mapping[str, Any]]] = {
    "BatchCheckLayerAvailability": _available,
    "CompleteLayerUpload": _completed,
    "InitiateLayerUpload": _begun,
    "UploadLayerPart": _added,
}
RULES: Rules = {("ecr", operation): answering(answer) for operation, answer in ANSWERS.items()} | {
    ("ecr", "GetDownloadUrlForLayer"): asking(_may_download, nothing)
}
