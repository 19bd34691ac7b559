"""Plain data (what TOML and JSON hold) to frozen dataclasses and back, and the JSON Schema of the same types.

A dataclass says everything once, in its annotations:

    account: Annotated[Account, "The AWS account it lives in."]          # a plain string documents the field
    Account = Annotated[str, Text(pattern=r"[0-9]{12}", says="12 digits")]  # a note narrows the type

Notes are part of the type, so they hold inside lists and as keys of mappings too. Reading collects every misfit before
it gives up, and gives up with `Misshapen` alone, whatever the data. Rules between fields: `exactly_one_of` names keys
that exclude each other; `rules(given)` sees the table as written (defaults filled in) and yields misfits of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from datetime import date
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from inspect import cleandoc
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, Union, cast, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

type Path = tuple[str | int, ...]

_EXACT = 2**53  # beyond this a JSON number is not the same number in every reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A note: text that matches `pattern` from end to end. A `secret` is never shown when it does not."""

    pattern: str = r"[\s\S]*"
    says: str = "text in quotes"
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A note: a number between two bounds, both allowed."""

    minimum: int = -_EXACT
    maximum: int = _EXACT


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A note: how many items a list or a mapping holds at least."""

    minimum: int = 0


@dataclass(frozen=True, slots=True)
class FromKey:
    """A note: this field is the key that its table stands under, and is never written inside the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """One place where the data is not what the type wants. `path` may name a key that is not there."""

    path: Path
    found: str
    allowed: str
    nearest: str = ""

    def below(self, *path: str | int) -> Misfit:
        return replace(self, path=(*path, *self.path))


class Misshapen(Exception):
    """The data does not fit the type, here and here and here."""

    def __init__(self, misfits: tuple[Misfit, ...]) -> None:
        super().__init__(f"{len(misfits)} misfits")
        self.misfits = misfits


def read[T](kind: type[T], data: object) -> T:
    """`data` as a `kind`; raises `Misshapen` with every misfit, and nothing else."""
    bad: list[Misfit] = []
    hint: Any = kind
    value = _shape(hint).read(data, (), bad)
    if bad:
        raise Misshapen(tuple(bad))
    return cast("T", value)


def key_field(kind: Any) -> str:
    """The field that is not in the data but is the key that the data stands under; empty for none."""
    return _table(kind).from_key


def plain(value: Any) -> Any:
    """The data that `read` turns into `value` again. Fields that say nothing (None, "") by default are left out."""
    match value:
        case StrEnum():
            return value.value
        case date():
            return value.isoformat()
        case Mapping():
            return {key: plain(item) for key, item in value.items()}
        case tuple():
            return [plain(item) for item in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            written = ((field, getattr(value, field.name)) for field in _table(type(value)).fields)
            return {field.name: plain(item) for field, item in written if not (field.silent and item in (None, ""))}
        case _:
            return value


def schema(kind: type) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `read` accepts, but for the rules between fields."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_shape(kind).schema()}


def show(value: object) -> str:
    """A found value in a few words, safe to print: no control characters, no lone surrogates, never long."""
    match value:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            return repr(value) if len(value) <= 80 else f"{value[:77]!r}… ({len(value)} characters)"
        case int() | float():
            return "a number of more than 16 digits" if isinstance(value, int) and abs(value) > _EXACT else repr(value)
        case Mapping():
            return "a table" if value else "an empty table"
        case list() | tuple():
            return "a list" if value else "an empty list"
        case _:
            return f"a {type(value).__name__}"


def dotted(path: Path) -> str:
    """The path as TOML writes it: `environments.prod.account`, `artifacts.'my page'.inputs[2]`."""
    bare = re.compile(r"[A-Za-z0-9_-]{1,80}")
    parts = (
        f"[{part}]" if isinstance(part, int) else f".{part}" if bare.fullmatch(part) else f".{show(part)}"
        for part in path
    )
    return "".join(parts).removeprefix(".")


def nearest(word: object, choices: Collection[str]) -> str:
    matches = get_close_matches(word, choices, n=1) if isinstance(word, str) else []
    return matches[0] if matches else ""


def one_of(choices: Collection[str]) -> str:
    return " or ".join(repr(str(choice)) for choice in choices)


class _Shape(Protocol):
    """What one type allows: said in words, read from data, said as JSON Schema."""

    @property
    def allowed(self) -> str: ...

    def read(self, data: object, path: Path, bad: list[Misfit]) -> Any: ...

    def schema(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class _TextShape:
    note: Text

    @property
    def allowed(self) -> str:
        return self.note.says

    def read(self, data: object, path: Path, bad: list[Misfit]) -> Any:
        if not isinstance(data, str) or not re.fullmatch(self.note.pattern, data):
            found = "text that is not shown here" if self.note.secret and isinstance(data, str) else show(data)
            bad.append(Misfit(path=path, found=found, allowed=self.allowed))
        return data

    def schema(self) -> dict[str, Any]:
        pattern = {} if self.note == Text() else {"pattern": f"^(?:{self.note.pattern})$"}
        return {"type": "string", **pattern}


@dataclass(frozen=True, slots=True)
class _NumberShape:
    kind: type[int | float]
    note: Number

    @property
    def allowed(self) -> str:
        return f"a {'whole ' if self.kind is int else ''}number from {self.note.minimum} to {self.note.maximum}"

    def read(self, data: object, path: Path, bad: list[Misfit]) -> Any:
        fits = isinstance(data, (int, self.kind)) and not isinstance(data, bool)
        # comparing first keeps integers too big for a float, and NaN, away from the conversion
        if not fits or not self.note.minimum <= cast("float", data) <= self.note.maximum:
            return _refuse(data, self.allowed, path, bad)
        return self.kind(cast("float", data))

    def schema(self) -> dict[str, Any]:
        kind = "integer" if self.kind is int else "number"
        return {"type": kind, "minimum": self.note.minimum, "maximum": self.note.maximum}


@dataclass(frozen=True, slots=True)
class _FlagShape:
    allowed: str = "true or false"

    def read(self, data: object, path: Path, bad: list[Misfit]) -> Any:
        if not isinstance(data, bool):
            _refuse(data, self.allowed, path, bad)
        return data

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class _DateShape:
    """TOML has dates of its own; JSON writes them as text."""

    allowed: str = "a date, such as 2026-12-31"

    def read(self, data: object, path: Path, bad: list[Misfit]) -> Any:
        if type(data) is date:  # a time of day on it would be ignored without a word
            return data
        try:
            return date.fromisoformat(data) if isinstance(data, str) else _refuse(data, self.allowed, path, bad)
        except ValueError:
            return _refuse(data, self.allowed, path, bad)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date"}


@dataclass(frozen=True, slots=True)
class _ChoiceShape:
    choices: dict[str, StrEnum]

    @property
    def allowed(self) -> str:
        return one_of(self.choices)

    def read(self, data: object, path: Path, bad: list[Misfit]) -> Any:
        if isinstance(data, str) and data in self.choices:
            return self.choices[data]
        return _refuse(data, self.allowed, path, bad, nearest(data, self.choices))

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.choices)}


@dataclass(frozen=True, slots=True)
class _ListShape:
    item: _Shape
    note: Count

    @property
    def allowed(self) -> str:
        least = f" of at least {self.note.minimum}" if self.note.minimum else ""
        return f"a list{least}, each item {self.item.allowed}"

    def read(self, data: object, path: Path, bad: list[Misfit]) -> Any:
        if not isinstance(data, (list, tuple)) or len(data) < self.note.minimum:
            return _refuse(data, self.allowed, path, bad)
        return tuple(self.item.read(item, (*path, index), bad) for index, item in enumerate(data))

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema(), "minItems": self.note.minimum}


@dataclass(frozen=True, slots=True)
class _MappingShape:
    key: _TextShape
    item: _Shape
    note: Count

    @property
    def allowed(self) -> str:
        least = f" at least {self.note.minimum}" if self.note.minimum else " each"
        return f"a table that gives{least} name {self.item.allowed}"

    def read(self, data: object, path: Path, bad: list[Misfit]) -> Any:
        if not isinstance(data, Mapping) or len(data) < self.note.minimum:
            return _refuse(data, self.allowed, path, bad)
        return {self._key(key, path, bad): self.item.read(item, (*path, _part(key)), bad) for key, item in data.items()}

    def _key(self, key: object, path: Path, bad: list[Misfit]) -> Any:
        if not isinstance(key, str) or not re.fullmatch(self.key.note.pattern, key):
            bad.append(Misfit(path=(*path, _part(key)), found=f"the name {show(key)}", allowed=self.key.allowed))
        return key

    def schema(self) -> dict[str, Any]:
        values = {"propertyNames": self.key.schema(), "additionalProperties": self.item.schema()}
        return {"type": "object", "minProperties": self.note.minimum, **values}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """One key that a table may hold."""

    name: str
    shape: _Shape
    doc: str
    default: Any
    optional: bool

    @property
    def required(self) -> bool:
        return self.default is MISSING

    @property
    def silent(self) -> bool:
        return self.default is None or self.default == ""

    def schema(self) -> dict[str, Any]:
        default = {} if self.required or self.silent else {"default": plain(self.default)}
        return {**self.shape.schema(), **({"description": self.doc} if self.doc else {}), **default}


@dataclass(frozen=True, slots=True, kw_only=True)
class _TableShape:
    kind: type[Any]
    fields: tuple[_Key, ...]
    from_key: str

    @property
    def allowed(self) -> str:
        required = [field.name for field in self.fields if field.required]
        return f"a table with {', '.join(required)}" if required else "a table"

    def read(self, data: object, path: Path, bad: list[Misfit]) -> Any:
        if not isinstance(data, Mapping):
            return _refuse(data, self.allowed, path, bad)
        optional = {field.name for field in self.fields if field.optional}
        given = {_part(key): item for key, item in data.items() if item is not None or key not in optional}
        before = len(bad)
        bad.extend(misfit.below(*path) for misfit in self._misfits(given))
        values = {f.name: f.shape.read(given[f.name], (*path, f.name), bad) for f in self.fields if f.name in given}
        if len(bad) > before:
            return None
        return self.kind(**values, **({self.from_key: str(path[-1]) if path else ""} if self.from_key else {}))

    def _misfits(self, given: Mapping[str, object]) -> Iterator[Misfit]:
        """What is wrong with the table as a whole, not with one of its values."""
        names = [field.name for field in self.fields]
        unknown = {
            key: nearest(key, [name for name in names if name not in given]) for key in given if key not in names
        }
        for key, guess in unknown.items():
            yield Misfit(path=(key,), found="an unknown key", allowed=", ".join(names), nearest=guess)
        # a mistyped key is one mistake, not one key too many and another too few
        yield from self._missing({*given, *unknown.values()})
        defaults = {field.name: field.default for field in self.fields if not field.required}
        yield from getattr(self.kind, "rules", _no_rules)({**defaults, **given})

    def _missing(self, present: Collection[str]) -> Iterator[Misfit]:
        for field in self.fields:
            if field.required and field.name not in present:
                yield Misfit(path=(field.name,), found="nothing", allowed=f"{field.shape.allowed} (a required key)")
        chosen = [key for key in self._exclusive if key in present]
        if self._exclusive and len(chosen) != 1:
            allowed = f"exactly one of {', '.join(self._exclusive)}"
            yield Misfit(path=(), found=" and ".join(chosen) or "none of them", allowed=allowed)

    @property
    def _exclusive(self) -> tuple[str, ...]:
        return getattr(self.kind, "exactly_one_of", ())

    def schema(self) -> dict[str, Any]:
        choice = {"oneOf": [{"required": [key]} for key in self._exclusive]} if self._exclusive else {}
        return {
            "type": "object",
            "description": cleandoc(self.kind.__doc__ or ""),
            "properties": {field.name: field.schema() for field in self.fields},
            "required": [field.name for field in self.fields if field.required],
            "additionalProperties": False,
            **choice,
        }


@dataclass(frozen=True, slots=True)
class _VariantShape:
    """One of several tables; the key `tag` says which."""

    tag: str
    tables: dict[str, _TableShape]

    @property
    def allowed(self) -> str:
        return f"a table with {self.tag} ({one_of(self.tables)})"

    def read(self, data: object, path: Path, bad: list[Misfit]) -> Any:
        if not isinstance(data, Mapping):
            return _refuse(data, self.allowed, path, bad)
        tag = data.get(self.tag)
        if isinstance(tag, str) and tag in self.tables:
            return self.tables[tag].read(data, path, bad)
        guess = nearest(tag, self.tables)
        found = show(tag) if self.tag in data else "nothing"
        bad.append(Misfit(path=(*path, self.tag), found=found, allowed=one_of(self.tables), nearest=guess))
        return self.tables[guess].read({**data, self.tag: guess}, path, bad) if guess else None

    def schema(self) -> dict[str, Any]:
        return {"oneOf": [table.schema() for table in self.tables.values()]}


def _refuse(data: object, allowed: str, path: Path, bad: list[Misfit], nearest: str = "") -> None:
    bad.append(Misfit(path=path, found=show(data), allowed=allowed, nearest=nearest))


def _no_rules(_: Mapping[str, object]) -> tuple[Misfit, ...]:
    return ()


def _part(key: object) -> str:
    return key if isinstance(key, str) else show(key)


def _bare(hint: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """The type without `Annotated` and `| None`, the notes that were on it, and whether None was."""
    if get_origin(hint) is Annotated:
        inner, notes, optional = _bare(hint.__origin__)
        return inner, (*notes, *hint.__metadata__), optional
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else ()
    if NoneType in parts:
        inner, notes, _ = _bare(Union[tuple(part for part in parts if part is not NoneType)])  # noqa: UP007 - built at run time
        return inner, notes, True
    return hint, (), False


def _note[N](kind: type[N], notes: tuple[Any, ...], default: N) -> N:
    return next((note for note in reversed(notes) if isinstance(note, kind)), default)


@cache
def _shape(hint: Any) -> _Shape:
    bare, notes, _ = _bare(hint)
    parts = get_args(bare)
    match get_origin(bare) or bare:
        case base if base is tuple:
            return _ListShape(_shape(parts[0]), _note(Count, notes, Count()))
        case base if base is Mapping:
            return _MappingShape(cast("_TextShape", _shape(parts[0])), _shape(parts[1]), _note(Count, notes, Count()))
        case base if base is Literal:
            return _ChoiceShape({choice.value: choice for choice in parts})
        case base if base in (Union, UnionType):
            return _variants(parts)
        case base if is_dataclass(base):
            return _table(cast("Any", base))
        case base:
            return _scalar(base, notes)


def _scalar(base: Any, notes: tuple[Any, ...]) -> _Shape:
    if base is str:
        return _TextShape(_note(Text, notes, Text()))
    if base is bool:
        return _FlagShape()
    if base is date:
        return _DateShape()
    if base in (int, float):
        return _NumberShape(base, _note(Number, notes, Number()))
    if isinstance(base, type) and issubclass(base, StrEnum):
        return _ChoiceShape({choice.value: choice for choice in base})
    raise TypeError(f"{base!r} is not a type that shape can read")


@cache
def _table(kind: Any) -> _TableShape:
    hints = get_type_hints(kind, include_extras=True)
    named = [(field, *_bare(hints[field.name])) for field in fields(kind)]
    keys = tuple(
        _Key(
            name=field.name,
            shape=_shape(hints[field.name]),
            doc=_note(str, notes, ""),
            default=_default(field),
            optional=optional,
        )
        for field, _, notes, optional in named
        if FromKey() not in notes
    )
    return _TableShape(kind=kind, fields=keys, from_key=next((f.name for f, _, n, _ in named if FromKey() in n), ""))


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _variants(kinds: tuple[Any, ...]) -> _VariantShape:
    tables = [_table(kind) for kind in kinds]
    tags = [(f.name, f.shape) for table in tables for f in table.fields if isinstance(f.shape, _ChoiceShape)]
    tag = next(name for name, shape in tags if len(shape.choices) == 1)
    shapes = [next(f.shape for f in table.fields if f.name == tag) for table in tables]
    return _VariantShape(
        tag, {value: t for t, s in zip(tables, shapes, strict=True) for value in cast("_ChoiceShape", s).choices}
    )
