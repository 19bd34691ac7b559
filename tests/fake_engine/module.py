"""Start a module as the engine does: register it, and call its functions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagger.mod import default_module
from dagger.mod._exceptions import record_exception
from dagger.mod._module import Module

from tests.fake_engine.chain import execs
from tests.fake_engine.declared import Declared, declared

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.fake_engine.chain import Call, Chain
    from tests.fake_engine.session import ConnectedEngine

# How the SDK talks to the engine about a call; the rest is what the function asked for.
PROTOCOL = {"currentFunctionCall", "error"}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the engine was given back. `error` is the text that a user would see, `facts` what came with it.

    `steps` are the programs run in this call, by their whole history; not those in the past of objects handed to it.
    """

    value: Any
    error: str | None
    facts: Mapping[str, Any]
    calls: tuple[Chain, ...]
    steps: Mapping[str, Chain]


def isolated(main: type) -> Module:
    """`main` and the types declared beside it, as a module of their own: the SDK has one registry for a process."""
    package = main.__module__.rpartition(".")[0] or main.__module__
    shared, own = default_module(), Module(main.__name__)
    own._converter = shared._converter
    own.log_exceptions = shared.log_exceptions
    own._objects = {name: o for name, o in shared._objects.items() if _inside(package, o.cls)}
    own._enums = {name: cls for name, cls in shared._enums.items() if _inside(package, cls)}
    own._main = own._objects[main.__name__]
    return own


def register(engine: ConnectedEngine, main: type) -> Declared:
    """What `main` declares. An error that would come up when the engine loads the module is raised."""
    # With no parent, the SDK answers with the module's definition.
    outcome = _serve(engine, main, parent="", name="", state={}, inputs={})
    if outcome.error is not None:
        raise AssertionError(outcome.error)
    return declared(engine.chain(outcome.value))


def call(
    engine: ConnectedEngine,
    main: type,
    name: str,
    inputs: Mapping[str, Any] | None = None,
    *,
    on: str = "",
    state: Mapping[str, Any] | None = None,
) -> Outcome:
    """Call the function that the API knows as `name`, of `main` or of the object `on`; "" is the constructor.

    `inputs`, and the object's own `state`, are as on the wire: for an object its id, which `engine.given` makes.
    """
    parent = on or main.__name__
    return _serve(engine, main, parent=parent, name=name, state=dict(state or {}), inputs=dict(inputs or {}))


def _inside(package: str, cls: type) -> bool:
    return cls.__module__ == package or cls.__module__.startswith(f"{package}.")


def _serve(
    engine: ConnectedEngine, main: type, *, parent: str, name: str, state: dict[str, Any], inputs: dict[str, Any]
) -> Outcome:
    engine.answers |= {
        "FunctionCall.parentName": parent,
        "FunctionCall.name": name,
        "FunctionCall.parent": json.dumps(state),
        "FunctionCall.inputArgs": [{"name": key, "value": json.dumps(value)} for key, value in inputs.items()],
    }
    before = len(engine.calls)
    engine.run(_answer, isolated(main))
    return _outcome(engine.calls[before:], past=execs(_handed(engine, [state, inputs])))


def _handed(engine: ConnectedEngine, value: Any) -> Iterator[Chain]:
    """Each object among JSON values: there, it is its id."""
    match value:
        case str() if value in engine:
            yield engine.chain(value)
        case dict():
            yield from _handed(engine, list(value.values()))
        case list():
            yield from (chain for item in value for chain in _handed(engine, item))
        case _:
            pass


async def _answer(module: Module) -> None:
    """As `dagger.mod.cli.main`, which would also close the connection."""
    try:
        await module.serve()  # type: ignore[no-untyped-call]  # as in the SDK
    except Exception as error:  # noqa: BLE001  # the engine is told of every one
        await record_exception(error)


def _outcome(calls: list[Chain], past: Mapping[str, Chain]) -> Outcome:
    last = calls[-1].last
    error: tuple[Call, ...] = last.args["error"].calls if last.field == "returnError" else ()
    asked = tuple(call for call in calls if call.first.field not in PROTOCOL)
    return Outcome(
        value=json.loads(last.args["value"]) if last.field == "returnValue" else None,
        error=error[0].args["message"] if error else None,
        facts={fact.args["name"]: json.loads(fact.args["value"]) for fact in error[1:]},
        calls=asked,
        steps={name: step for name, step in execs(asked).items() if name not in past},
    )
