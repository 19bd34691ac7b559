"""What the deployed canary asks on its schedule, from its environment variables; and what an event asks instead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import httpx

from canary.question import MOST_STREAMS, Limits, Load, Question, Unusable, base, positional

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXTS = ("environment", "digest", "dashboard_digest")
LIMITS = {"max_first_event": "first_event", "max_gap": "gap", "listen": "listen", "max_answer": "answer"}
LOAD = ("streams", "seconds", "max_errors")
ASKED = {"urls", *TEXTS, *LIMITS, *LOAD}
"""What an event may name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    environment: str
    """Of the canary itself, for its metrics."""
    api_key_secret: str
    """Empty only in dev, where data is open."""
    question: Question

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        said = {name: value.strip() for name, value in environment.items()}
        named = said.get("ENVIRONMENT") or "dev"
        secret = said.get("API_KEY_SECRET", "")
        if not secret and named != "dev":
            raise Unusable("API_KEY_SECRET is not set: the canary needs the key to ask for data")
        return cls(
            environment=named,
            api_key_secret=secret,
            question=Question(
                stream=said.get("STREAM_URL", ""),
                dashboard=said.get("DASHBOARD_URL", ""),
                environment=said.get("EXPECT_ENVIRONMENT") or named,
                digest=said.get("EXPECT_DIGEST", ""),
                dashboard_digest=said.get("EXPECT_DASHBOARD_DIGEST", ""),
                limits=Limits(listen=_seconds(said.get("LISTEN_SECONDS") or "20")),
            ),
        )


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Unusable(f"LISTEN_SECONDS is {text!r}: it must be a number") from None


def asks(event: object) -> bool:
    """Whether somebody asks a question of their own; what the scheduler sends names nothing of ours."""
    return not isinstance(event, dict) or (bool(event) and "detail-type" not in event)


def asked(event: object, usual: Question) -> Question:
    """The usual question, with what the event names in the place of it."""
    if not isinstance(event, dict) or (unknown := sorted(map(str, set(event) - ASKED))):
        named = f"{', '.join(unknown)} is not known" if isinstance(event, dict) else "it is no JSON object"
        raise Unusable(f"{named}: an event may name {', '.join(sorted(ASKED))}")
    stream, dashboard = _urls(event["urls"]) if "urls" in event else (usual.stream, usual.dashboard)
    # Digests are of what was usually asked: another target has to be given its own.
    texts = {} if "urls" not in event else {"digest": "", "dashboard_digest": ""}
    texts |= {name: _text(name, event[name]) for name in TEXTS if name in event}
    limits = {field: _number(name, event[name]) for name, field in LIMITS.items() if name in event}
    load = {name: _number(name, event[name]) for name in LOAD if name in event}
    return replace(
        usual, stream=stream, dashboard=dashboard, limits=replace(usual.limits, **limits), load=_load(load), **texts
    )  # fmt: skip


def _urls(given: object) -> tuple[str, str]:
    if not isinstance(given, list) or not all(isinstance(url, str) for url in given):
        raise Unusable("urls must be a list of texts: the stream service's, and the dashboard's")
    return positional(given)


def _load(given: Mapping[str, float]) -> Load | None:
    if not given:
        return None
    streams = given.get("streams", 0)
    if not 1 <= streams <= MOST_STREAMS or streams != int(streams):
        raise Unusable(f"streams is {str(streams)[:40]}: it must be a whole number from 1 to {MOST_STREAMS}")
    bounds = {name: value for name, value in given.items() if name != "streams"}
    return Load(streams=int(streams), **bounds)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise Unusable(f"{name} must be text")
    return value


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unusable(f"{name} must be a number")
    return value


def same_places(question: Question, usual: Question) -> bool:
    """Whether it is asked where it usually is. The key goes nowhere else: an event could send it to anybody."""
    known = {_origin(url) for url in (usual.stream, usual.dashboard) if url}
    return {_origin(url) for url in (question.stream, question.dashboard) if url} <= known


def _origin(url: str) -> tuple[str, str, int | None]:
    read = httpx.URL(base(url))
    return read.scheme, read.host, read.port
