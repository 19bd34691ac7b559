"""Whose a thing in AWS is, as its tags say. Pure: what is found by tags and what is judged by them must agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT_TAGS = frozenset({"project"})
ENVIRONMENT_TAGS = frozenset({"environment", "env", "stage"})
"""In any case: `Environment` and `environment` are two tags to AWS, and one thing to say."""


def marks(tags: Mapping[str, str]) -> dict[str, str]:
    """Those of the tags that say whose it is."""
    return {name: value for name, value in tags.items() if name.lower() in PROJECT_TAGS | ENVIRONMENT_TAGS}


def names_environment(tags: Mapping[str, str]) -> bool:
    return any(name.lower() in ENVIRONMENT_TAGS for name in tags)


def another(tags: Mapping[str, str], planned: Mapping[str, str], environment: str) -> dict[str, str]:
    """The tags that say that it is another project's or environment's; empty where none does.

    `planned` are the tags that it would get: what they do not say of the environment, its name does.
    """
    ours = {_kind(name): value.lower() for name, value in marks(planned).items()}
    if environment:
        ours.setdefault("environment", environment.lower())
    return {
        name: value for name, value in marks(tags).items() if _kind(name) in ours and value.lower() != ours[_kind(name)]
    }


def _kind(name: str) -> str:
    return "project" if name.lower() in PROJECT_TAGS else "environment"
