"""What a module told the engine about itself when it was registered: the chain of its definition, read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.fake_engine.chain import Chain

BUILTIN = {"STRING": "String", "INTEGER": "Int", "FLOAT": "Float", "BOOLEAN": "Boolean", "VOID": "Void"}


@dataclass(frozen=True, kw_only=True)
class Argument:
    """`type` is in GraphQL's notation (`[Secret!]!`), `default` is JSON; what was not said is None or empty."""

    name: str
    type: str
    doc: str = ""
    default: str | None = None
    default_path: str | None = None
    default_address: str | None = None
    ignore: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        return self.type.endswith("!") and (self.default, self.default_path, self.default_address) == (None, None, None)


@dataclass(frozen=True, kw_only=True)
class Function:
    """`cache` is `never`, `session`, a time to live such as `10s`, or None: nothing said, which is seven days."""

    name: str
    returns: str
    doc: str = ""
    cache: str | None = None
    check: bool = False
    generate: bool = False
    up: bool = False
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Field:
    name: str
    type: str
    doc: str = ""


@dataclass(frozen=True, kw_only=True)
class Object:
    """`constructor` is there for the main object only: Dagger makes the others."""

    name: str
    doc: str = ""
    fields: tuple[Field, ...] = ()
    functions: tuple[Function, ...] = ()
    constructor: Function | None = None


@dataclass(frozen=True, kw_only=True)
class Enum:
    name: str
    doc: str = ""
    members: tuple[tuple[str, str], ...] = ()
    """Name and documentation of each."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    doc: str = ""
    objects: tuple[Object, ...] = ()
    enums: tuple[Enum, ...] = ()

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Each function that can be called, as `Object.function`."""
        return ((f"{o.name}.{f.name}", f) for o in self.objects for f in o.functions)

    def arguments(self) -> Iterator[tuple[str, Argument]]:
        """Each argument, as `Object.function(argument)`; the constructor's as `Object(argument)`."""
        for o in self.objects:
            for name, function in [(o.name, o.constructor), *((f"{o.name}.{f.name}", f) for f in o.functions)]:
                yield from ((f"{name}({a.name})", a) for a in (function.arguments if function else ()))

    def __getitem__(self, name: str) -> Function:
        """The function known as `Object.function`."""
        return dict(self.functions())[name]


def declared(module: Chain) -> Declared:
    return Declared(
        doc=_said(module, "withDescription").get("description") or "",
        objects=tuple(_object(args["object"]) for args in module.args("withObject")),
        enums=tuple(_enum(args["enum"]) for args in module.args("withEnum")),
    )


def _object(definition: Chain) -> Object:
    named = _said(definition, "withObject")
    constructor = _said(definition, "withConstructor")
    return Object(
        name=named["name"],
        doc=named.get("description") or "",
        fields=tuple(_field(args) for args in definition.args("withField")),
        functions=tuple(_function(args["function"]) for args in definition.args("withFunction")),
        constructor=_function(constructor["function"]) if constructor else None,
    )


def _enum(definition: Chain) -> Enum:
    named = _said(definition, "withEnum")
    members = tuple((args["name"], args.get("description") or "") for args in definition.args("withEnumMember"))
    return Enum(name=named["name"], doc=named.get("description") or "", members=members)


def _field(args: Mapping[str, Any]) -> Field:
    return Field(name=args["name"], type=_type(args["typeDef"]), doc=args.get("description") or "")


def _function(definition: Chain) -> Function:
    made = _said(definition, "function")
    return Function(
        name=made["name"],
        returns=_type(made["returnType"]),
        doc=_said(definition, "withDescription").get("description") or "",
        cache=_cache(_said(definition, "withCachePolicy")),
        check=bool(definition.args("withCheck")),
        generate=bool(definition.args("withGenerator")),
        up=bool(definition.args("withUp")),
        arguments=tuple(_argument(args) for args in definition.args("withArg")),
    )


def _argument(args: Mapping[str, Any]) -> Argument:
    return Argument(
        name=args["name"],
        type=_type(args["typeDef"]),
        doc=args.get("description") or "",
        default=args.get("defaultValue"),
        default_path=args.get("defaultPath"),
        default_address=args.get("defaultAddress"),
        ignore=tuple(args.get("ignore", ())),
    )


def _cache(said: Mapping[str, Any]) -> str | None:
    names = {"Never": "never", "PerSession": "session", "Default": said.get("timeToLive", "default")}
    return names[said["policy"]] if said else None


def _type(definition: Chain) -> str:
    end = "" if _said(definition, "withOptional").get("optional") else "!"
    if kind := _said(definition, "withKind"):
        return BUILTIN[kind["kind"].removesuffix("_KIND")] + end
    if items := _said(definition, "withListOf"):
        return f"[{_type(items['elementType'])}]{end}"
    return next(str(call.args["name"]) for call in definition if "name" in call.args) + end


def _said(chain: Chain, field: str) -> Mapping[str, Any]:
    """The arguments of the one call of `field`, if there was any."""
    return next(iter(chain.args(field)), {})
