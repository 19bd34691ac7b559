"""The page and its files, as they are sent: read once, with the settings put in and a hash of all as their version."""

from __future__ import annotations

import html
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dashboard.settings import Settings

_FOLDER = Path(__file__).parent / "page"
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    body: bytes
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    page: str
    files: Mapping[str, File]
    version: str
    """Files are asked for under it, so that browsers can keep them for ever."""


def site(settings: Settings) -> Site:
    files = {
        path.name: File(body=path.read_bytes(), kind=_KINDS[path.suffix])
        for path in sorted(_FOLDER.iterdir())
        if path.suffix in _KINDS
    }
    version = sha256(b"".join(file.body for file in files.values())).hexdigest()[:16]
    return Site(page=_page(settings, version), files=files, version=version)


def _page(settings: Settings, version: str) -> str:
    parts = {name: Template((_FOLDER / f"{name}.html").read_text("utf-8")) for name in ("index", "topic")}
    topics = [html.escape(topic) for topic in settings.topics]
    return parts["index"].substitute(
        environment=html.escape(settings.environment),
        stream=html.escape(settings.stream_url),
        key="needed" if settings.api_key_secret else "",
        version=version,
        cards="".join(parts["topic"].substitute(topic=topic) for topic in topics),
        topics="".join(f'<option value="{topic}">{topic}</option>' for topic in topics),
    )
