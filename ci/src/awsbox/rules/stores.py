"""The emulator's own modules and stores: what the rules know of the account, they read from there."""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from awsbox.calls import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from awsbox.calls import Call


def service(name: str) -> Any:
    """Imported at the first call: the emulator reads its settings when it is imported."""
    return import_module(f"ministack.services.{name}")


def own(module: str, name: str) -> Any:
    """One of the stores of a service, or another name that it keeps to itself: its only public face is HTTP."""
    return getattr(service(module), f"_{name}")


def core(name: str) -> Any:
    return import_module(f"ministack.core.{name}")


def account() -> str:
    """The account that the call at hand is for."""
    return str(core("responses").get_account_id())


def region() -> str:
    return str(core("responses").get_region())


def key_of(call: Call) -> str:
    """The access key that signed the call."""
    return str(core("router").extract_access_key_id(call.headers, parse_qs(call.query)))


def said(data: Mapping[str, Any]) -> Answer:
    """What a service of the JSON protocol answers."""
    return Answer(200, (("content-type", "application/x-amz-json-1.1"),), json.dumps(data).encode())


def told(answer: Answer) -> Any:
    """What the emulator answered, read; nothing where it did not answer with JSON."""
    if not isinstance(answer.body, bytes):
        return {}
    try:
        return json.loads(answer.body)
    except ValueError:
        return {}
