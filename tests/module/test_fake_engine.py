from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

import dagger
import pytest
from dagger import dag
from dagger.client import gen
from dagger.client.base import Type
from graphql import GraphQLObjectType, validate_schema

from tests.fake_engine import Argument, Function, call, exec_failure, execs, register, schema
from tests.fake_engine.schema import expected_type
from tests.module.sample_module import Sample

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fake_engine import ConnectedEngine


def object_type(name: str) -> GraphQLObjectType:
    found = schema().type_map[name]
    assert isinstance(found, GraphQLObjectType)
    return found


def spelled(name: str) -> str:
    """`asJSON` and `as_json` are the same word."""
    return name.replace("_", "").lower()


def methods(client: type) -> set[str]:
    names = {name for name, _ in inspect.getmembers(client, inspect.isfunction) if not name.startswith("_")}
    return {spelled(name) for name in names if name != "with_" and not name.endswith("_from_id")}


def image() -> dagger.Container:
    password = dag.set_secret("password", "hunter2")
    source = dag.directory().with_new_file("app.py", "print()")
    return source.docker_build(no_init=True).with_registry_auth("registry", "AWS", password)


# What is derived from the client.


def test_derived_schema_is_valid() -> None:
    assert validate_schema(schema()) == []


def test_derived_schema_has_every_type_of_the_client() -> None:
    types = {name for name in gen.__all__ if inspect.isclass(getattr(gen, name))}
    old = {"Client", *(f"{name}ID" for name in types)}

    assert len(types) > 100
    assert types - old <= set(schema().type_map)


def test_derived_objects_have_the_fields_of_the_client_and_no_other() -> None:
    clients = {name: getattr(gen, name) for name in gen.__all__ if name != "Client"}
    objects = {name: c for name, c in clients.items() if inspect.isclass(c) and issubclass(c, Type)}

    assert len(objects) > 60
    for name, client in objects.items():
        assert {spelled(field) for field in object_type(name).fields} == methods(client), name


def test_derived_arguments_have_type_default_and_kind_of_id() -> None:
    run = object_type("Container").fields["withExec"].args
    secret = object_type("Container").fields["withSecretVariable"].args["secret"]

    assert str(run["args"].type) == "[String!]!"
    assert (str(run["noInit"].type), run["noInit"].default_value) == ("Boolean", False)
    assert (str(run["expect"].type), run["expect"].default_value) == ("ReturnType", "SUCCESS")
    assert (str(secret.type), expected_type(secret)) == ("ID!", "Secret")


def test_derived_objects_have_their_interfaces() -> None:
    assert {i.name for i in object_type("Container").interfaces} == {"Node", "Syncer", "Exportable"}
    assert {i.name for i in object_type("Secret").interfaces} == {"Node"}


# What is written down.


def test_publish_is_recorded_as_a_chain(engine: ConnectedEngine) -> None:
    async def main() -> str:
        return await image().publish("registry/app:1")

    ref = engine.run(main)

    assert ref.startswith("registry/app:1@sha256:")
    assert str(engine.calls[-1]) == (
        "directory>withNewFile(path='app.py', contents='print()')>dockerBuild(noInit=True)>withRegistryAuth("
        "address='registry', username='AWS', secret=<setSecret(name='password', plaintext=***)>"
        ")>publish(address='registry/app:1')"
    )


def test_reloaded_object_keeps_its_history(engine: ConnectedEngine) -> None:
    async def main() -> str:
        done = await dag.container().from_("alpine").with_exec(["true"]).sync()
        return await done.with_exec(["date"]).stdout()

    engine.run(main)

    assert engine.queries[-1].split()[1] == "node("
    assert str(engine.calls[-1]) == (
        "container>from(address='alpine')>withExec(args=['true'])>withExec(args=['date'])>stdout"
    )
    assert len(execs(engine.calls)) == 2


def test_variables_are_resolved(engine: ConnectedEngine) -> None:
    engine.query("query ($image: String!) { container { from(address: $image) { stdout } } }", {"image": "alpine"})

    assert str(engine.calls[-1]) == "container>from(address='alpine')>stdout"


def test_object_in_an_argument_is_decoded(engine: ConnectedEngine) -> None:
    async def main() -> None:
        files = dag.directory().with_new_file("a", "b")
        await dag.container().with_directory("/src", source=files).sync()

    engine.run(main)

    source = engine.calls[-1].args("withDirectory")[0]["source"]
    assert str(source) == "directory>withNewFile(path='a', contents='b')"


def test_secret_in_an_argument_is_sent_as_an_id(engine: ConnectedEngine) -> None:
    async def main() -> str:
        return await image().publish("registry/app:1")

    engine.run(main)

    assert 'secret: "Secret:' in engine.queries[-1]
    assert [query for query in engine.queries if "hunter2" in query and "setSecret" not in query] == []
    assert engine.leaks() == []


def test_secret_in_a_step_is_a_leak(engine: ConnectedEngine) -> None:
    async def main(token: dagger.Secret) -> str:
        text = await token.plaintext()
        return await dag.container().with_exec(["curl", f"https://me:{text}@host"]).stdout()

    engine.run(main, engine.load(dagger.Secret, engine.secret("token", "hunter2")))

    assert engine.leaks() == ["withExec(args=['curl', 'https://me:hunter2@host'])"]


# What is refused.


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ container { withExce(args: []) { id } } }", "Did you mean 'withExec'"),
        ("{ container { withExec(args: 1) { id } } }", "String cannot represent a non string value: 1"),
        ("{ container { withExec(args: [], expect: MAYBE) { id } } }", "'MAYBE' does not exist in 'ReturnType' enum"),
        ("{ container { withExec { id } } }", "argument 'args' of type '[String!]!' is required"),
        ("{ container { withExec(args: [], shell: true) { id } } }", "Unknown argument 'shell'"),
        ('{ container { withRootfs(directory: "Directory:1") { id } } }', "no object has the id 'Directory:1'"),
        ("{ container { ", "Syntax Error"),
    ],
)
def test_wrong_query_is_refused(engine: ConnectedEngine, query: str, message: str) -> None:
    answer = engine.query(query)

    assert message in answer["errors"][0]["message"]
    assert message in engine.refused.pop()


def test_refusal_shows_the_query(engine: ConnectedEngine) -> None:
    engine.query("{ containr { id } }")

    assert engine.refused.pop().endswith("in: { containr { id } }")


def test_wrong_kind_of_id_is_refused(engine: ConnectedEngine) -> None:
    file = engine.given("File", "notes")

    engine.query(f'{{ container {{ withRootfs(directory: "{file}") {{ id }} }} }}')

    assert engine.refused.pop() == "expected the id of a Directory, got that of a File: givenFile(name='notes')"


# What is answered.


def test_answers_can_be_set(engine: ConnectedEngine) -> None:
    engine.answers["Container.stdout"] = "1.14.9"
    engine.answers["Container.exitCode"] = lambda chain: len(chain.last.args) + 2
    engine.answers["Container.envVariables"] = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]

    async def main() -> list[Any]:
        step = dag.container().with_exec(["terraform", "version"])
        names = [await variable.name() for variable in await step.env_variables()]
        return [await step.stdout(), await step.exit_code(), await step.stderr(), names]

    assert engine.run(main) == ["1.14.9", 2, "<Container.stderr>", ["A", "B"]]


def test_steps_can_be_answered_one_by_one(engine: ConnectedEngine) -> None:
    engine.answers["Container.withExec"] = lambda step: {"stdout": f"{step.last.args['args'][0]}!"}

    async def main() -> list[str]:
        first = await dag.container().with_exec(["plan"]).sync()
        return [await first.stdout(), await first.with_exec(["apply"]).stdout()]

    assert engine.run(main) == ["plan!", "apply!"]


def test_failed_step_arrives_as_exec_error(engine: ConnectedEngine) -> None:
    engine.answers["Container.withExec"] = exec_failure(3, stderr="no such table", cmd=("terraform", "apply"))

    async def main() -> None:
        await dag.container().with_exec(["terraform", "apply"]).sync()

    with pytest.raises(dagger.ExecError) as caught:
        engine.run(main)

    assert (caught.value.exit_code, caught.value.stderr) == (3, "no such table")


# A module, registered and called.


def test_declaration_is_read_back(engine: ConnectedEngine) -> None:
    sample = register(engine, Sample)

    publish = sample["Sample.publish"]
    assert (publish.doc, publish.cache, publish.returns) == ("Build and publish.", "never", "SampleImage!")
    source, password, address = publish.arguments
    assert (source.type, source.default_path, source.ignore) == ("Directory!", ".", (".git", ".venv"))
    assert (password.type, password.doc, password.required) == ("Secret!", "For the registry.", True)
    assert json.loads(address.default or "") == "registry/app:1"
    assert [(c.name, c.members) for c in sample.enums] == [("Colour", (("RED", "Like a rose."),))]
    assert [f.name for o in sample.objects for f in o.fields] == ["ref"]
    assert dict(sample.arguments())["Sample(token)"] == Argument(
        name="token", type="Secret", doc="For AWS.", default="null"
    )


def test_policies_and_flags_are_read_back(engine: ConnectedEngine) -> None:
    functions: dict[str, Function] = {f.name: f for _, f in register(engine, Sample).functions()}

    assert {name: f.cache for name, f in functions.items() if f.cache} == {
        "apply": "session",
        "plan": "1h",
        "publish": "never",
    }
    assert functions["silent"].cache is None
    assert [name for name, f in functions.items() if f.check] == ["lint"]
    assert [name for name, f in functions.items() if f.generate] == ["tidy"]


def test_function_is_called_as_the_engine_calls_it(engine: ConnectedEngine) -> None:
    inputs = {"source": engine.given("Directory", "source"), "password": engine.secret("password", "hunter2")}

    outcome = call(engine, Sample, "publish", inputs)

    assert outcome.error is None
    assert outcome.value["ref"].startswith("registry/app:1@sha256:")
    assert [step.field for step in outcome.calls[-1]][1:] == ["dockerBuild", "withRegistryAuth", "publish"]
    assert engine.leaks() == []


def test_constructor_is_called(engine: ConnectedEngine) -> None:
    assert call(engine, Sample, "", {"region": "us-east-1"}).value == {"region": "us-east-1", "token": None}


def test_failure_is_what_the_engine_is_told(engine: ConnectedEngine) -> None:
    outcome = call(engine, Sample, "fail", state={"region": "mars"})

    assert (outcome.value, outcome.error) == (None, "FunctionError: no such region: mars")
    assert outcome.facts["exception.type"] == "FunctionError"


def test_failed_step_keeps_its_exit_code(engine: ConnectedEngine) -> None:
    engine.answers["Container.stdout"] = exec_failure(3)

    assert call(engine, Sample, "apply").facts["exitCode"] == 3


def test_type_that_dagger_does_not_take_is_refused(
    engine: ConnectedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "with_dict.py").write_text(
        "import dagger\n"
        "@dagger.object_type\n"
        "class WithDict:\n"
        "    @dagger.function\n"
        "    def tags(self) -> dict[str, str]: ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from with_dict import WithDict  # type: ignore[import-not-found]  # noqa: PLC0415

    with pytest.raises(AssertionError, match="unsupported return type for function 'tags'"):
        register(engine, WithDict)
    assert "WithDict" not in {o.name for o in register(engine, Sample).objects}
