import datetime as dt
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ferry.shape import Count, FromKey, Misfit, Misshapen, Number, Text, dotted, plain, read, schema, show

FUZZ = settings(max_examples=200, deadline=None)
Word = Annotated[str, Text(pattern=r"[a-z]+", says="a word")]


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """Turns."""

    inches: Annotated[float, Number(minimum=1, maximum=40), "From edge to edge."]
    spokes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    """Has wheels."""

    exactly_one_of = ("petrol", "battery")

    name: Annotated[Word, FromKey()]
    kind: Literal[Colour.RED]
    wheels: Annotated[tuple[Wheel, ...], Count(minimum=1)]
    petrol: int | None = None
    battery: bool | None = None

    @staticmethod
    def rules(given: Mapping[str, object]) -> Iterator[Misfit]:
        if given["petrol"] == 13:
            yield Misfit(path=("petrol",), found="13", allowed="luck")


@dataclass(frozen=True, slots=True, kw_only=True)
class Boat:
    """Has none."""

    name: Annotated[Word, FromKey()]
    kind: Literal[Colour.GREEN]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Garage:
    """Holds cars and boats."""

    owner: Annotated[Word, "Who pays."]
    colours: tuple[Colour, ...] = (Colour.RED,)
    tags: Mapping[Word, str] = field(default_factory=dict)
    inside: Mapping[Word, Car | Boat] = field(default_factory=dict)
    code: Annotated[Word | None, Text(pattern="[a-z]{4}", says="four letters", secret=True)] = None


INSIDE = {
    "mini": {"kind": "red", "wheels": [{"inches": 10}], "petrol": 4},
    "tub": {"kind": "green", "note": "old"},
}
GOOD = {"owner": "ada", "colours": ["green"], "tags": {"a": "b"}, "inside": INSIDE, "code": "abcd"}
SCALARS = (
    st.none() | st.booleans() | st.floats() | st.text(st.characters(), max_size=8) | st.dates() | st.binary(max_size=3)
)
NUMBERS = st.integers() | st.sampled_from([-(10**400), 2**53 + 1])
KEYS = st.text(st.characters(), max_size=5) | st.sampled_from(["owner", "inside", "kind", "wheels"]) | st.integers()
DATA = st.recursive(
    SCALARS | NUMBERS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
)
GARAGES = st.fixed_dictionaries(
    {"owner": st.just("ada") | DATA},
    optional={
        "colours": st.lists(st.sampled_from(["red", "green"]) | DATA),
        "tags": st.dictionaries(st.just("a"), st.text() | DATA) | DATA,
        "inside": st.dictionaries(st.sampled_from(["mini", "tub", "No"]), st.sampled_from([*INSIDE.values()]) | DATA),
        "code": st.just("abcd") | DATA,
    },
)


def misfits(data: object, kind: type = Garage) -> list[str]:
    with pytest.raises(Misshapen) as caught:
        read(kind, data)
    return [f"{dotted(m.path)}: {m.found} | {m.allowed} | {m.nearest}" for m in caught.value.misfits]


def test_data_becomes_a_value_and_data_again() -> None:
    garage = read(Garage, GOOD)

    mini = Car(name="mini", kind=Colour.RED, wheels=(Wheel(inches=10.0),), petrol=4)
    assert garage.inside == {"mini": mini, "tub": Boat(name="tub", kind=Colour.GREEN, note="old")}
    assert read(Garage, plain(garage)) == garage


def test_what_says_nothing_is_not_written() -> None:
    assert plain(read(Garage, {"owner": "ada", "code": None})) == {
        "owner": "ada",
        "colours": ["red"],
        "tags": {},
        "inside": {},
    }


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([], ": an empty list | a table with owner | "),
        ({}, "owner: nothing | a word (a required key) | "),
        ({"ownr": "ada"}, "ownr: an unknown key | owner, colours, tags, inside, code | owner"),
        ({"owner": "Ada"}, "owner: 'Ada' | a word | "),
        ({"owner": "ada\n"}, r"owner: 'ada\n' | a word | "),
        ({"owner": "\ud800"}, r"owner: '\ud800' | a word | "),
        ({"owner": "A" * 200}, f"owner: '{'A' * 77}'… (200 characters) | a word | "),
        ({"owner": True}, "owner: true | a word | "),
        ({"owner": dt.date(2030, 1, 1)}, "owner: a date | a word | "),
        ({"owner": "ada", "code": "Sesame"}, "code: text that is not shown here | four letters | "),
        ({"owner": "ada", "code": 5}, "code: 5 | four letters | "),
        ({"owner": "ada", "colours": "red"}, "colours: 'red' | a list, each item 'red' or 'green' | "),
        ({"owner": "ada", "colours": ["red", "gren"]}, "colours[1]: 'gren' | 'red' or 'green' | green"),
        ({"owner": "ada", "colours": [{}]}, "colours[0]: an empty table | 'red' or 'green' | "),
        ({"owner": "ada", "tags": {"a b": "c"}}, "tags.'a b': the name 'a b' | a word | "),
        ({"owner": "ada", "tags": {7: "c"}}, "tags.7: the name 7 | a word | "),
        ({"owner": "ada", "tags": []}, "tags: an empty list | a table that gives each name text in quotes | "),
        ({"owner": "ada", "inside": {"x": 1}}, "inside.x: 1 | a table with kind ('red' or 'green') | "),
        ({"owner": "ada", "inside": {"x": {}}}, "inside.x.kind: nothing | 'red' or 'green' | "),
        ({"owner": "ada", "inside": {"x": {"kind": []}}}, "inside.x.kind: an empty list | 'red' or 'green' | "),
    ],
)
def test_a_misfit_says_where_and_what(data: object, expected: str) -> None:
    assert misfits(data) == [expected]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (True, "true"),
        ("4", "'4'"),
        (None, "null"),
        (0, "0"),
        (41, "41"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        pytest.param(10**5000, "a number of more than 16 digits", id="huge"),
    ],
)
def test_a_number_is_a_number_within_its_bounds(value: object, found: str) -> None:
    assert misfits({"inches": value}, Wheel) == [f"inches: {found} | a number from 1 to 40 | "]


def test_a_whole_number_has_no_fraction_and_is_the_same_in_every_reader() -> None:
    allowed = f"a whole number from {-(2**53)} to {2**53}"

    assert misfits({"inches": 1, "spokes": 4.0}, Wheel) == [f"spokes: 4.0 | {allowed} | "]
    assert misfits({"inches": 1, "spokes": 2**53 + 1}, Wheel) == [
        f"spokes: a number of more than 16 digits | {allowed} | "
    ]


def test_every_misfit_is_found_at_once_even_under_a_mistyped_kind() -> None:
    car = {"kind": "rad", "wheels": [{"inches": 0}, {"spokes": 1}], "petrol": 13}

    assert misfits({"inside": {"a": car}, "x": 1}) == [
        "x: an unknown key | owner, colours, tags, inside, code | ",
        "owner: nothing | a word (a required key) | ",
        "inside.a.kind: 'rad' | 'red' or 'green' | red",
        "inside.a.petrol: 13 | luck | ",
        "inside.a.wheels[0].inches: 0 | a number from 1 to 40 | ",
        "inside.a.wheels[1].inches: nothing | a number from 1 to 40 (a required key) | ",
    ]


@pytest.mark.parametrize(
    ("keys", "found"), [({}, "none of them"), ({"petrol": 4, "battery": True}, "petrol and battery")]
)
def test_keys_that_exclude_each_other(keys: dict[str, object], found: str) -> None:
    car = {"kind": "red", "wheels": [{"inches": 10}], **keys}

    assert misfits(car, Car) == [f": {found} | exactly one of petrol, battery | "]


@FUZZ
@given(DATA | GARAGES)
def test_any_data_is_a_value_or_misfits(data: Any) -> None:
    try:
        value = read(Garage, data)
    except Misshapen as error:
        lines = [f"{dotted(m.path)} {m.found} {m.allowed} {m.nearest}" for m in error.misfits]
        assert all(line.isprintable() and line.encode() and len(line) < 400 for line in lines)
    else:
        assert read(Garage, plain(value)) == value


@FUZZ
@given(GARAGES)
def test_what_is_read_the_schema_accepts(data: Any) -> None:
    try:
        value = read(Garage, data)
    except Misshapen:
        return
    Draft202012Validator(schema(Garage)).validate(plain(value))


def test_the_schema_says_what_the_types_say() -> None:
    found = schema(Garage)

    Draft202012Validator.check_schema(found)
    assert found["required"] == ["owner"]
    assert found["properties"]["owner"] == {"type": "string", "pattern": "^(?:[a-z]+)$", "description": "Who pays."}
    assert found["properties"]["colours"]["default"] == ["red"]
    assert [kind["description"] for kind in found["properties"]["inside"]["additionalProperties"]["oneOf"]] == [
        "Has wheels.",
        "Has none.",
    ]


@pytest.mark.parametrize(
    "data", [{}, {"kind": "red", "wheels": []}, {"kind": "red", "wheels": [{"inches": 41}], "petrol": 1}]
)
def test_the_schema_refuses_what_is_misshapen(data: object) -> None:
    validator = Draft202012Validator(schema(Car))

    assert not validator.is_valid(data)
    assert misfits(data, Car)


def test_a_shown_value_is_short_and_safe_to_print() -> None:
    assert show("\x1b[31m\ud800") == r"'\x1b[31m\ud800'"
    assert show({"a": [1]}) == "a table"


def test_a_type_that_cannot_be_read_is_a_mistake_of_the_programmer() -> None:
    @dataclass
    class Odd:
        """Odd."""

        what: bytes

    with pytest.raises(TypeError, match="bytes"):
        read(Odd, {})
