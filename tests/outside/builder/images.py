"""Small images, assembled as Ferry does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferry.outside.blobs import Store
from ferry.outside.builder.assemble import Base, Image, assemble
from ferry.outside.builder.layer import layer

if TYPE_CHECKING:
    from pathlib import Path


def image(*layers_of: Path, base: Base | None = None, environment: dict[str, str] | None = None) -> Image:
    """Its blobs lie beside the folders that its layers are made of."""
    return assemble(
        [layer(folder, "/var/task", Store(folder.parent / "store")) for folder in layers_of],
        base=base,
        command=("python", "-m", "app"),
        environment=environment or {},
        workdir="/var/task",
        port=8080,
    )


def base_of(made: Image) -> Base:
    """An image as what another one is built on."""
    return Base(made.digest, made.config, made.layers, "registry.example", "base")


def folder_of(place: Path, **files: str) -> Path:
    place.mkdir(parents=True)
    for name, text in files.items():
        (place / f"{name}.py").write_text(text)
    return place
