"""A model's files: brought from S3 once, checked by hash before each first use, never used when they do not fit."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sentiment.errors import SettingsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from types_boto3_s3 import S3Client

    from analysis.settings import ModelFiles

PIECE = 1 << 20


def bring(client: S3Client, files: ModelFiles, folder: Path) -> dict[str, Path]:
    """Each file's place on disk. What an earlier process left there is used when its hash fits."""
    return {name: _brought(client, files, name, folder) for name in files.sha256s}


def _brought(client: S3Client, files: ModelFiles, name: str, folder: Path) -> Path:
    """A place for each hash: processes that want different files never meet."""
    expected = files.sha256s[name]
    place = folder / expected / name
    try:
        if not (place.is_file() and _sha256(place) == expected):
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _download(client, files, name, place)
    except OSError as error:
        raise SettingsError(
            f"{place} cannot be written or read: {error}: give the function more ephemeral storage"
        ) from error
    return place


def _download(client: S3Client, files: ModelFiles, name: str, place: Path) -> None:
    """The file is at its place only when it is whole and right."""
    expected = files.sha256s[name]
    handle, partial = tempfile.mkstemp(dir=place.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            found = _copy(client, files, name, file.write)
        if found != expected:
            raise SettingsError(
                f"{files.uri(name)} is not the file that was chosen: expected sha256 {expected}, found {found}; "
                f"it is not used. Upload the right file, or deploy with the hash of this one in MODEL_SHA256S"
            )
        Path(partial).replace(place)
    finally:
        Path(partial).unlink(missing_ok=True)


def _copy(client: S3Client, files: ModelFiles, name: str, write: Callable[[bytes], object]) -> str:
    """What was read is written, and its hash returned."""
    sha256 = hashlib.sha256()
    try:
        body = client.get_object(Bucket=files.bucket, Key=files.key(name))["Body"]
        for piece in body.iter_chunks(PIECE):
            sha256.update(piece)
            write(piece)
    except (ClientError, BotoCoreError) as error:
        raise Unavailable(
            f"{files.uri(name)} cannot be read: {error}; see that the file is there and that the function may read it"
        ) from error
    return sha256.hexdigest()


def _sha256(place: Path) -> str:
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
