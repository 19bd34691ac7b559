"""What a registry's refusal means to whoever runs Ferry: one text for each thing that they would do differently."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import httpx

from ferry.errors import FerryError, RegistryDenied, RegistryRefused, RegistryUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

EXPIRED = re.compile(r"token\s+(?:has|is)\s+expired|expired\s*token", re.IGNORECASE)
OFTEN = re.compile(r"too[\s_]*many[\s_]*requests", re.IGNORECASE)
QUOTA = re.compile(
    r"limit[\s_]*exceeded|maximum (?:allowed )?number of|exceed\w*\s[\w\s]*(?:quota|limit)", re.IGNORECASE
)
AGAIN = "run the same command again"
WHO = "check with `aws sts get-caller-identity` who you are"


class Failed(Exception):
    """A try that came to nothing, and may go better the next time. `told` is what to say when there is none."""

    def __init__(self, told: FerryError, wait: float = 0) -> None:
        super().__init__(told.what)
        self.told = told
        self.wait = wait


def code(response: httpx.Response) -> str:
    """The docker protocol's word for it, in capitals; empty where there is none."""
    return _said(response)[0]


def why(response: httpx.Response) -> str:
    return f"{response.status_code} {' '.join(part for part in _said(response) if part)}".strip()


def _said(response: httpx.Response) -> tuple[str, str]:
    try:
        first = response.json()["errors"][0]
        return str(first.get("code", "")).upper(), str(first.get("message", ""))[:500]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "", response.text[:500]


def expired(response: httpx.Response) -> bool:
    denied = response.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}
    return denied and bool(EXPIRED.search(response.text))


def passing(response: httpx.Response) -> bool:
    """It may be gone in a moment."""
    return response.is_server_error or _asked_too_often(response)


def _asked_too_often(response: httpx.Response) -> bool:
    return response.status_code == httpx.codes.TOO_MANY_REQUESTS or (
        response.is_client_error and bool(OFTEN.search(code(response)))
    )


def asked_to_wait(response: httpx.Response) -> float:
    """Seconds; 0 where the answer names none."""
    said = response.headers.get("retry-after", "")
    if said.isdecimal():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0


@dataclass(frozen=True, slots=True)
class Kind:
    """A refusal that is known. `{status}` in `what` is the answer's."""

    applies: Callable[[httpx.Response], bool]
    error: type[FerryError]
    what: str
    next: str


KINDS = (
    Kind(
        expired,
        RegistryDenied,
        "the login to the image registry has expired",
        "get new AWS credentials (or log in again), then run the same command: what was pushed stays",
    ),
    Kind(
        lambda answer: answer.status_code == httpx.codes.UNAUTHORIZED,
        RegistryDenied,
        "the image registry does not accept our login",
        f"{WHO}, and that the registry is that account's",
    ),
    Kind(
        _asked_too_often,
        RegistryUnavailable,
        "the image registry is asked too often",
        f"{AGAIN} in a while; a public registry allows more to those who log in, or use a mirror",
    ),
    Kind(
        lambda answer: answer.is_server_error,
        RegistryUnavailable,
        "the image registry answered {status}",
        f"{AGAIN} in a while",
    ),
    Kind(
        lambda answer: bool(QUOTA.search(why(answer))),
        RegistryRefused,
        "a quota of the image registry is used up",
        "delete images that nothing runs, or have the quota raised (AWS: Service Quotas), then run it again",
    ),
    Kind(
        lambda answer: answer.status_code == httpx.codes.FORBIDDEN,
        RegistryDenied,
        "the image registry does not allow us to do this",
        f"{WHO}, and that its policy allows this repository",
    ),
    Kind(
        lambda answer: code(answer) == "NAME_UNKNOWN",
        RegistryRefused,
        "the image registry has no such repository",
        "check its name and the region",
    ),
    Kind(lambda _: True, RegistryRefused, "the image registry answered {status}", "check the repository and the tag"),
)


def refusal(response: httpx.Response, where: str) -> FerryError:
    """The error for an answer that is none of the good ones. Its body has been read."""
    kind = next(kind for kind in KINDS if kind.applies(response))
    said, wait = why(response), asked_to_wait(response)
    if wait:
        said += f" (it asks us to wait for {wait:.0f} s)"
    return kind.error(kind.what.format(status=response.status_code), where=where, why=said, next=kind.next)


def unreachable(error: Exception, where: str) -> FerryError:
    why = str(error) or type(error).__name__
    if any(isinstance(cause, socket.gaierror) for cause in _causes(error)):
        return RegistryUnavailable(
            "the image registry's name is not known",
            where=where,
            why=why,
            next="check the registry's name, and that this machine can look names up (DNS, VPN), then run it again",
        )
    if isinstance(error, httpx.TimeoutException):
        return RegistryUnavailable(
            "the image registry does not answer",
            where=where,
            why=f"{type(error).__name__}: nothing came in time",
            next="check the network, a proxy and a firewall on the way, then run the same command again",
        )
    return RegistryUnavailable(
        "the image registry cannot be reached",
        where=where,
        why=why,
        next="check the network and the registry's name, then run the same command again",
    )


def _causes(error: BaseException) -> list[BaseException]:
    """An error that was raised again may be among its own."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    return causes


def no_token(grant: httpx.Response) -> FerryError:
    # The answer itself may hold a token: say what it is not.
    return RegistryUnavailable(
        "the registry's token server gives no token",
        where=grant.url.host,
        why=f"it answered {grant.status_code}, not JSON with a token",
        next=f"{AGAIN}; if it stays so, check the registry's name",
    )
