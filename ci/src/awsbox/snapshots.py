"""The whole state of a box, kept and put back: what the emulator's services hold, and what the box's own parts do.

The emulator's state is module globals. Its scoped stores, and the plain containers with lower-case names beside them,
are copied in one go, so that what two stores share is shared in the copy too. Bodies are bytes, and never copied.
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from awsbox import emulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

SERVICES = f"{emulator.PACKAGE}.services."
PLAIN = (dict, list, set, deque)
# What belongs to running processes and threads, not to the account: it stays as it is.
LIVING = frozenset({"_inflight", "_esm_inflight", "_warm_pool", "_provided_code_dirs", "_docker_extract_dirs"})

type Place = tuple[str, str]
"""Module and name."""


@runtime_checkable
class Stateful(Protocol):
    """A part of the box that remembers something of the account. `save` need not copy."""

    def save(self) -> Any: ...
    def load(self, saved: Any) -> None: ...


@dataclass(frozen=True)
class Snapshot:
    """Good for as long as its box runs, and as often as wanted."""

    stores: Mapping[Place, Any]
    parts: Sequence[Any]
    modules: frozenset[str]


def take(parts: Sequence[Stateful]) -> Snapshot:
    state = {place: _content(store) for place, store in _stores()}, [part.save() for part in parts]
    stores, saved = copy.deepcopy(state)
    return Snapshot(stores, saved, frozenset(module.__name__ for module in _services()))


def put_back(snapshot: Snapshot, parts: Sequence[Stateful]) -> None:
    emulator.drop_workers()
    # A service that was first called after the snapshot was taken was empty then.
    for module in _services():
        if module.__name__ not in snapshot.modules and hasattr(module, "reset"):
            module.reset()
    stores, saved = copy.deepcopy((snapshot.stores, snapshot.parts))
    for place, store in _stores():
        if place in stores:
            _refill(_content(store), stores[place])
    for part, state in zip(parts, saved, strict=True):
        part.load(state)


def _services() -> Iterator[ModuleType]:
    return (module for module in emulator.modules() if module.__name__.startswith(SERVICES))


def _stores() -> Iterator[tuple[Place, Any]]:
    from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict  # noqa: PLC0415

    scoped = (AccountScopedDict, AccountRegionScopedDict)
    for module in _services():
        for name, value in sorted(vars(module).items()):
            own = name.startswith("_") and not name.startswith("__") and name.islower() and name not in LIVING
            if isinstance(value, scoped) or (own and isinstance(value, PLAIN)):
                yield (module.__name__, name), value


def _content(store: Any) -> Any:
    return store if isinstance(store, PLAIN) else store._data  # noqa: SLF001 - every account's and region's entries


def _refill(content: Any, saved: Any) -> None:
    """In place: the emulator's functions hold the container itself."""
    content.clear()
    if isinstance(content, list | deque):
        content.extend(saved)
    else:
        content.update(saved)
