"""What was asked of the engine, as data: `container>from(address='alpine')>withExec(args=['true'])>stdout`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True)
class Call:
    """One field and the arguments it was given; an argument that was an object's id is that object's `Chain`."""

    field: str
    args: Mapping[str, Any]

    def __str__(self) -> str:
        # As in the engine: the text of a secret is no part of what a step is known by.
        shown = {name: "***" if name == "plaintext" else repr(value) for name, value in self.args.items()}
        given = ", ".join(f"{name}={value}" for name, value in shown.items())
        return f"{self.field}({given})" if given else self.field


@dataclass(frozen=True)
class Chain:
    """The calls from the root of the API to one object or value."""

    calls: tuple[Call, ...] = ()

    def __str__(self) -> str:
        return ">".join(str(call) for call in self.calls)

    def __repr__(self) -> str:
        return f"<{self}>"

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls)

    @property
    def first(self) -> Call:
        return self.calls[0]

    @property
    def last(self) -> Call:
        return self.calls[-1]

    def then(self, call: Call) -> Chain:
        return Chain((*self.calls, call))

    def args(self, field: str) -> list[Mapping[str, Any]]:
        """The arguments of each call of `field`."""
        return [call.args for call in self.calls if call.field == field]

    def up_to(self, field: str) -> Iterator[Chain]:
        """This chain up to and with each call of `field`."""
        return (Chain(self.calls[: i + 1]) for i, call in enumerate(self.calls) if call.field == field)

    def walk(self) -> Iterator[Chain]:
        """This chain, and those of all objects in its arguments."""
        yield self
        for call in self.calls:
            for value in call.args.values():
                for item in value if isinstance(value, list) else [value]:
                    if isinstance(item, Chain):
                        yield from item.walk()


def execs(chains: Iterable[Chain]) -> dict[str, Chain]:
    """Each step that runs a program, by its whole history: the engine runs two that read the same only once."""
    return {str(step): step for chain in chains for part in chain.walk() for step in part.up_to("withExec")}
