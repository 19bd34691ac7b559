"""Where the box steps in for the emulator: a function of one of its modules, replaced for as long as a block lasts."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def replaced(module: Any, **instead: Any) -> Iterator[None]:
    """The emulator looks its functions up in the module at each call. AttributeError: this one has no such name."""
    before = {name: getattr(module, name) for name in instead}
    vars(module).update(instead)
    try:
        yield
    finally:
        vars(module).update(before)
