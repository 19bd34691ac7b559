"""A Dagger engine that does nothing: it checks each query, writes down what was asked, and answers with stubs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLObjectType,
    get_named_type,
    graphql_sync,
    is_leaf_type,
    is_non_null_type,
)

from tests.fake_engine.chain import Call, Chain
from tests.fake_engine.schema import expected_type, schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from graphql import GraphQLResolveInfo

DEFAULTS: dict[str, Any] = {
    "Container.platform": "linux/amd64",
    "Container.publish": lambda chain: f"{chain.last.args['address']}@sha256:{_digest(str(chain))}",
    "Directory.export": lambda chain: chain.last.args["path"],
    "File.export": lambda chain: chain.last.args["path"],
    "Query.defaultPlatform": "linux/amd64",
    "Secret.plaintext": lambda chain: chain.args("setSecret")[0]["plaintext"],
}
SCALARS: dict[str, Any] = {"Int": 0, "Float": 0.0, "Boolean": False, "JSON": "null"}


@dataclass(frozen=True)
class Node:
    """An object that a client may hold. `values` answer its fields before anything else does."""

    type: str
    chain: Chain = field(default_factory=Chain)
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.type}:{_digest(str(self.chain))}"


def exec_failure(exit_code: int, *, stdout: str = "", stderr: str = "", cmd: tuple[str, ...] = ()) -> GraphQLError:
    """As an answer, this arrives at the caller as `dagger.ExecError`."""
    facts = {"_type": "EXEC_ERROR", "cmd": list(cmd), "exitCode": exit_code, "stdout": stdout, "stderr": stderr}
    return GraphQLError(f"exit code: {exit_code}", extensions=facts)


class FakeEngine:
    """One for the session; `reset` between tests.

    `answers` maps `Type.field` to a value, to an exception to raise, or to a function of the `Chain` that ends in it.
    For a field that is an object the value is a dict that answers that object's own fields; for a list, a list of them.
    `calls` has the chain of each value that was asked for, in order; `refused` each query that no engine would take.
    """

    def __init__(self) -> None:
        self.schema = schema()
        # Both outlive a test: the SDK keeps type definitions, with the ids it found for them, as long as the process.
        self._nodes: dict[str, Node] = {}
        self._introspection: dict[str, dict[str, Any]] = {}
        self.reset()

    def reset(self) -> None:
        self.answers: dict[str, Any] = {}
        self.calls: list[Chain] = []
        self.queries: list[str] = []
        self.refused: list[str] = []
        self.secrets: set[str] = set()

    def query(self, text: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """What one POST of this query is answered with."""
        if text in self._introspection:
            return self._introspection[text]
        result = graphql_sync(
            self.schema,
            text,
            Node("Query"),
            variable_values=variables,
            field_resolver=self._resolve,
            type_resolver=lambda node, *_: node.type,
        )
        if "__schema" in text:
            self._introspection[text] = dict(result.formatted)
            return self._introspection[text]
        self.queries.append(text)
        if any(error.path is None for error in result.errors or ()):
            messages = "\n".join(error.message for error in result.errors or ())
            return {"errors": [{"message": str(self._refusal(f"{messages}\nin: {text}"))}]}
        return dict(result.formatted)

    def given(self, type: str, name: str = "given", /, **values: Any) -> str:
        """The id of an object that came from outside, as a function's arguments do; `values` answer its fields."""
        return self._keep(Node(type, Chain((Call(f"given{type}", {"name": name}),)), values))

    def secret(self, name: str, plaintext: str) -> str:
        """The id of a secret that came from outside. No query may show its text: see `leaks`."""
        self.secrets.add(plaintext)
        return self.given("Secret", name, name=name, plaintext=plaintext)

    def __contains__(self, id: str) -> bool:
        return id in self._nodes

    def chain(self, id: str) -> Chain:
        return self._nodes[id].chain

    def asked(self, ending: str) -> list[Chain]:
        """The chains that ended in this field."""
        return [chain for chain in self.calls if chain.last.field == ending]

    def leaks(self) -> list[str]:
        """Each call whose arguments hold the text of a secret. Only `setSecret(plaintext:)` may."""
        steps = {str(call): call for root in self.calls for chain in root.walk() for call in chain}
        return [name for name, step in steps.items() if any(s in shown for s in self.secrets for shown in _shown(step))]

    def _resolve(self, source: Node, info: GraphQLResolveInfo, /, **args: Any) -> Any:
        if info.field_name == "node":
            return self._load(args["id"])
        if info.field_name == "setSecret":
            self.secrets.add(args["plaintext"])
        chain = source.chain.then(self._call(info, args))
        result = get_named_type(info.return_type)
        if not is_leaf_type(result):
            return self._objects(source, chain, info, result.name)
        self.calls.append(chain)
        # `id`, and `sync`, `start` and the like, give back the object itself.
        return self._answer(source, chain, info, self._keep(source) if result.name == "ID" else _stub(info))

    def _call(self, info: GraphQLResolveInfo, args: dict[str, Any]) -> Call:
        """Only what was said: arguments that the schema filled in are left out."""
        said = [a.name.value for node in info.field_nodes for a in node.arguments if a.name.value in args]
        takes = info.parent_type.fields[info.field_name].args
        return Call(info.field_name, {name: self._decode(args[name], expected_type(takes[name])) for name in said})

    def _decode(self, value: Any, type: str | None) -> Any:
        if type is None or value is None:
            return value
        if isinstance(value, list):
            return [self._decode(item, type) for item in value]
        node = self._load(value)
        if type not in self._kinds(node.type):
            raise self._refusal(f"expected the id of a {type}, got that of a {node.type}: {node.chain}")
        return node.chain

    def _kinds(self, type: str) -> Iterator[str]:
        yield type
        if isinstance(found := self.schema.get_type(type), GraphQLObjectType):
            yield from (interface.name for interface in found.interfaces)

    def _objects(self, source: Node, chain: Chain, info: GraphQLResolveInfo, type: str) -> Node | list[Node]:
        if not _is_list(info):
            return Node(type, chain, self._answer(source, chain, info, {}))
        elements = self._answer(source, chain, info, [])
        return [Node(type, chain.then(Call(f"[{i}]", {})), values) for i, values in enumerate(elements)]

    def _answer(self, source: Node, chain: Chain, info: GraphQLResolveInfo, stub: Any) -> Any:
        key = f"{info.parent_type.name}.{info.field_name}"
        given = source.values.get(info.field_name, self.answers.get(key, DEFAULTS.get(key, stub)))
        answer = given(chain) if callable(given) else given
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _keep(self, node: Node) -> str:
        self._nodes[node.id] = node
        return node.id

    def _load(self, id: str) -> Node:
        if id not in self._nodes:
            raise self._refusal(f"no object has the id {id!r}")
        return self._nodes[id]

    def _refusal(self, message: str) -> GraphQLError:
        self.refused.append(message)
        return GraphQLError(message)


def _stub(info: GraphQLResolveInfo) -> Any:
    if not is_non_null_type(info.return_type):
        return None
    if _is_list(info):
        return []
    named = get_named_type(info.return_type)
    if isinstance(named, GraphQLEnumType):
        return next(iter(named.values))
    return SCALARS.get(named.name, f"<{info.parent_type.name}.{info.field_name}>")


def _is_list(info: GraphQLResolveInfo) -> bool:
    return str(info.return_type).startswith("[")


def _shown(call: Call) -> Iterator[str]:
    for name, value in call.args.items():
        if (call.field, name) != ("setSecret", "plaintext") and not isinstance(value, Chain):
            yield str(value)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
