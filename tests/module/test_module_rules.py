"""Rules that Ferry's module keeps, read off what it declares and what it asks of the engine."""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from graphql import GraphQLObjectType

from tests.fake_engine import Argument, Declared, Function, Outcome, call, register, schema
from tests.module import small_world
from tests.module.sample_module import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fake_engine import ConnectedEngine

    Rule = Callable[[Declared], list[str]]

# Functions whose answer depends on their arguments alone. Whatever else there is changes or observes the world.
PURE = frozenset(
    {
        "Ferry.build",
        "Ferry.config",
        "Ferry.dockerfiles",
        "Ferry.infrastructure",
        "Ferry.lint",
        "Ferry.parity",
        "Ferry.schema",
        "Ferry.types",
        "Ferry.unit",
        "Plan.report",
        "Release.image",
        "Release.package",
    }
)

# Talk to a registry or a service, and run no program.
STEPLESS = frozenset({"Ferry.lock", "Release.prove", "Release.publish"})

# Programs whose steps the layer cache may answer: what they do depends on their history alone.
LAYERED = frozenset({"pip", "python", "uv"})

NEVER_SOURCE = (".git", ".venv", ".terraform", "*.tfstate*", ".env", "ci/sdk")


def states_a_cache_policy(module: Declared) -> list[str]:
    """Nothing said means seven days."""
    return [name for name, function in module.functions() if function.cache is None]


def is_never_cached_unless_pure(module: Declared, pure: frozenset[str] = PURE) -> list[str]:
    return [name for name, function in module.functions() if function.cache != "never" and name not in pure]


def is_documented(module: Declared) -> list[str]:
    named = [
        ("the module", module.doc),
        *((o.name, o.doc) for o in module.objects),
        *((f"{o.name}.{f.name}", f.doc) for o in module.objects for f in o.fields),
        *((name, function.doc) for name, function in module.functions()),
        *((name, argument.doc) for name, argument in module.arguments()),
        *((e.name, e.doc) for e in module.enums),
        *((f"{e.name}.{name}", doc) for e in module.enums for name, doc in e.members),
    ]
    return [name for name, doc in named if not doc.strip()]


def leaves_out_what_is_never_source(module: Declared) -> list[str]:
    """In .gitignore's syntax the last match wins, so only what stands after the last `!` is sure to be left out."""
    return [
        f"{name}: {pattern}"
        for name, argument in module.arguments()
        if argument.type.strip("!") == "Directory" and argument.default_path is not None
        for pattern in NEVER_SOURCE
        if pattern not in _left_out(argument)
    ]


def _left_out(argument: Argument) -> set[str]:
    last = max((i for i, pattern in enumerate(argument.ignore) if pattern.startswith("!")), default=-1)
    return {pattern.removeprefix("**/").strip("/") for pattern in argument.ignore[last + 1 :]}


def is_not_named_id(module: Declared) -> list[str]:
    """A real engine finds that only when the module is loaded: "reserved name"."""
    fields = [f"{o.name}.{f.name}" for o in module.objects for f in o.fields]
    return [name for name in [*fields, *(name for name, _ in module.functions())] if name.endswith(".id")]


def is_not_named_like_the_core(module: Declared) -> list[str]:
    """The main object's functions stand beside the core's at the root: `host` or `secret` would hide Dagger's own."""
    root = schema().query_type
    names = {f.name: f"{o.name}.{f.name}" for o in module.objects if o.constructor for f in o.functions}
    return [names[name] for name in names if root and name in root.fields]


def takes_no_default_secret(module: Declared) -> list[str]:
    return [
        name
        for name, argument in module.arguments()
        if _named(argument.type) == "Secret" and argument.default not in {None, "null", "[]"}
    ]


def has_one_default(module: Declared) -> list[str]:
    """A path of the caller's and a value: a real engine does not load the module."""
    return [name for name, a in module.arguments() if a.default_path is not None and a.default is not None]


def names_only_known_types(module: Declared) -> list[str]:
    """An enum without its decorator is accepted by the SDK, and not by the engine."""
    known = {*schema().type_map, *(o.name for o in module.objects), *(e.name for e in module.enums)}
    used = [
        *((name, argument.type) for name, argument in module.arguments()),
        *((name, function.returns) for name, function in module.functions()),
        *((f"{o.name}.{f.name}", f.type) for o in module.objects for f in o.fields),
    ]
    return [f"{name}: {_named(type)}" for name, type in used if _named(type) not in known]


def _named(type: str) -> str:
    return type.strip("[]!")


def repeated_steps(first: Outcome, second: Outcome) -> list[str]:
    """Steps that the layer cache would answer in a second call."""
    same = first.steps.keys() & second.steps.keys()
    return [name for name in same if second.steps[name].last.args["args"][0] not in LAYERED]


RULES: list[Rule] = [
    states_a_cache_policy,
    is_never_cached_unless_pure,
    is_documented,
    leaves_out_what_is_never_source,
    is_not_named_id,
    is_not_named_like_the_core,
    takes_no_default_secret,
    has_one_default,
    names_only_known_types,
]


# Ferry keeps them.


@pytest.fixture(scope="module")
def ferry() -> type:
    if importlib.util.find_spec("ferry.module") is None:
        pytest.skip("ferry/module.py is not written yet")
    main: type = importlib.import_module("ferry.module").Ferry
    return main


@pytest.fixture(scope="module")
def declared(one_engine: ConnectedEngine, ferry: type) -> Declared:
    return register(one_engine, ferry)


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with small_world.aws() as url:
        yield url


@pytest.fixture
def world(engine: ConnectedEngine, aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions write to their working directory, and to folders of their own in the temporary one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    engine.secrets.add(small_world.PLANTED)
    engine.answers |= small_world.answers(aws)


@pytest.mark.req("S-01")
def test_ferry_registers(declared: Declared) -> None:
    assert "Ferry" in {o.name for o in declared.objects}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_ferry(declared: Declared, rule: Rule) -> None:
    assert rule(declared) == []


@pytest.mark.slow
@pytest.mark.usefixtures("world")
def test_ferry_shows_no_secret_and_runs_each_step_anew(
    engine: ConnectedEngine, ferry: type, declared: Declared, subtests: pytest.Subtests
) -> None:
    states: dict[str, Any] = {}
    for name, function in declared.functions():
        with subtests.test(name):
            first = tried(engine, ferry, declared, name, states)
            assert engine.leaks() == []
            assert first.error is None, "small_world must answer what it asks for"
            if function.cache == "never":
                assert bool(first.steps) == (name not in STEPLESS)
                assert repeated_steps(first, tried(engine, ferry, declared, name, states)) == []


def tried(
    engine: ConnectedEngine, main: type, module: Declared, name: str, states: dict[str, Any] | None = None
) -> Outcome:
    """Call it as the engine does: on an object that another function, or the constructor, gave."""
    states = {} if states is None else states
    owner, member = name.split(".")
    if owner not in states:
        states[owner] = _made(engine, main, module, owner, states)
    engine.calls.clear()
    return call(engine, main, member, given(engine, module[name]), on=owner, state=states[owner])


def _made(engine: ConnectedEngine, main: type, module: Declared, owner: str, states: dict[str, Any]) -> Any:
    constructor = next(o.constructor for o in module.objects if o.name == owner)
    if constructor:
        return call(engine, main, "", given(engine, constructor)).value
    maker = next(name for name, function in module.functions() if function.returns == f"{owner}!")
    return tried(engine, main, module, maker, states).value


def given(engine: ConnectedEngine, function: Function) -> dict[str, str]:
    """An object for each argument that is one, and what the caller must say."""
    objects = {a.name: engine.given(_named(a.type), a.name) for a in function.arguments if _is_object(a.type)}
    said = small_world.SAID_TO.get(function.name, small_world.SAID)
    return objects | {a.name: said[a.name] for a in function.arguments if a.required and a.name not in objects}


def _is_object(type: str) -> bool:
    return isinstance(schema().get_type(type.strip("!")), GraphQLObjectType)


# Each rule finds what breaks it.

BROKEN = '''
import enum
from typing import Annotated

import dagger
from dagger import DefaultPath, Doc, Ignore, field, function, object_type


class Undecorated(enum.Enum):
    ONE = 1


@object_type
class Broken:
    """Has a doc."""

    token: Annotated[dagger.Secret, Doc("Has a default.")] = "env:TOKEN"
    id: Annotated[str, Doc("Reserved.")] = field(default="")

    @function
    def silent(self) -> Annotated[str, Doc("No policy.")]:
        """Has a doc."""

    @function(cache="1h")
    def deploy(
        self,
        good: Annotated[
            dagger.Directory,
            DefaultPath("/"),
            Ignore(["!x", "**/.git", ".venv/", ".terraform", "*.tfstate*", "**/.env", "/ci/sdk"]),
            Doc("Leaves out all."),
        ],
        some: Annotated[
            dagger.Directory,
            DefaultPath("/"),
            Ignore([".env", "!src", ".git", ".venv", ".terraform", "*.tfstate*"]),
            Doc("Takes .env back."),
        ],
    ) -> str:
        pass

    @function(cache="never")
    def pick(
        self, one: Undecorated, both: Annotated[dagger.GitRef | None, DefaultPath("."), Doc("Has two.")] = None
    ) -> str:
        """Has a doc."""

    @function(cache="never")
    def secret(self) -> str:
        """Hides the core's."""
'''


@pytest.fixture(scope="module")
def broken(one_engine: ConnectedEngine, tmp_path_factory: pytest.TempPathFactory) -> Declared:
    folder = tmp_path_factory.mktemp("broken")
    (folder / "broken.py").write_text(BROKEN)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        return register(one_engine, importlib.import_module("broken").Broken)


FOUND: dict[Rule, list[str]] = {
    states_a_cache_policy: ["Broken.silent"],
    is_never_cached_unless_pure: ["Broken.deploy", "Broken.silent"],
    is_documented: ["the module", "Broken.deploy", "Broken.pick(one)"],
    leaves_out_what_is_never_source: ["Broken.deploy(some): .env", "Broken.deploy(some): ci/sdk"],
    is_not_named_id: ["Broken.id"],
    is_not_named_like_the_core: ["Broken.secret"],
    takes_no_default_secret: ["Broken(token)"],
    has_one_default: ["Broken.pick(both)"],
    names_only_known_types: ["Broken.pick(one): Undecorated"],
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_finds(broken: Declared, rule: Rule) -> None:
    assert rule(broken) == FOUND[rule]


def test_function_is_tried_with_what_it_needs(engine: ConnectedEngine) -> None:
    outcome = tried(engine, Sample, register(engine, Sample), "Sample.publish")

    assert outcome.error is None
    assert "withRegistryAuth(address='registry', username='AWS', secret=<givenSecret(name='password')>)" in str(
        outcome.calls[-1]
    )


def test_step_that_the_cache_would_answer_is_found(engine: ConnectedEngine) -> None:
    first, second = call(engine, Sample, "plan"), call(engine, Sample, "plan")

    assert repeated_steps(first, second) == ["container>from(address='terraform')>withExec(args=['plan'])"]


def test_step_with_a_value_of_its_call_is_new(engine: ConnectedEngine) -> None:
    assert repeated_steps(call(engine, Sample, "apply"), call(engine, Sample, "apply")) == []
