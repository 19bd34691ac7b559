"""Small images, assembled as Ferry does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferry.outside.builder.assemble import Image, assemble, layer

if TYPE_CHECKING:
    from pathlib import Path


def image(*layers_of: Path, base: Image | None = None, environment: dict[str, str] | None = None) -> Image:
    return assemble(
        [layer(folder, "/var/task") for folder in layers_of],
        base=base,
        command=("python", "-m", "app"),
        environment=environment or {},
        workdir="/var/task",
        port=8080,
    )


def folder_of(place: Path, **files: str) -> Path:
    place.mkdir(parents=True)
    for name, text in files.items():
        (place / f"{name}.py").write_text(text)
    return place
