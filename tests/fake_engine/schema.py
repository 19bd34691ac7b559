"""Dagger's GraphQL schema, read out of the installed client at test time.

`dagger/client/gen.py` is generated from the schema, and still says all of it that a client can use: a class for each
type, a method for each field, and in its body the GraphQL names (`_select("publish", …)`, `Arg("noInit", no_init, …)`).
What it does not say, and is not known here: directives, which fields are deprecated, and which objects may be null.
"""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dagger.client import gen
from graphql import build_schema, print_ast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from graphql import GraphQLArgument, GraphQLSchema

PREAMBLE = "directive @expectedType(name: String!) on ARGUMENT_DEFINITION\n"
# `Type` is the client's base class: the argument of `node` takes the id of anything.
BUILTINS = {"str": "String", "int": "Int", "float": "Float", "bool": "Boolean", "Type": "ID"}
# Left in the client for old programs: since 0.21 the engine has one `ID` scalar, and `node` to load with.
LOADER = re.compile("load[A-Z].*FromID")

Fields = list[tuple[str, str, str]]  # name, arguments, result
Method = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def schema() -> GraphQLSchema:
    return build_schema(PREAMBLE + sdl(Path(gen.__file__).read_text("utf-8")))


def sdl(source: str) -> str:
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    objects = {_name(c): c for c in classes if _base(c) in {"Type", "Root"}}
    protocols = {c.name for c in classes if _base(c) == "Protocol"}
    fields = {name: list(_fields(c, set(objects))) for name, c in objects.items()}
    parts = [
        _composite(name, own, {p: fields[p] for p in protocols if p != name}, is_interface=name in protocols)
        for name, own in fields.items()
    ]
    for c in classes:
        match _base(c):
            case "Scalar" if c.name.removesuffix("ID") not in objects:
                parts.append(f"scalar {c.name}")
            case "Enum":
                parts.append(_block("enum", c.name, _enum_values(c)))
            case "Input":
                parts.append(_block("input", c.name, _input_fields(c)))
            case _:
                pass
    return "\n".join(parts)


def expected_type(argument: GraphQLArgument) -> str | None:
    """The type whose id this argument takes: `Secret` for `withSecretVariable(secret:)`."""
    directives = argument.ast_node.directives if argument.ast_node else ()
    return next((print_ast(directive.arguments[0].value).strip('"') for directive in directives), None)


def _composite(name: str, own: Fields, interfaces: dict[str, Fields], *, is_interface: bool) -> str:
    """An object has an interface when it has its fields: the client's Protocols work no other way."""
    results = {(field, result) for field, _, result in own}
    has = sorted(i for i, fields in interfaces.items() if {(field, result) for field, _, result in fields} <= results)
    implements = f" implements {' & '.join(has)}" if has else ""
    lines = [f"{field}{f'({arguments})' if arguments else ''}: {result}" for field, arguments, result in own]
    return _block("interface" if is_interface else "type", name + implements, lines)


def _block(keyword: str, head: str, lines: Iterable[str]) -> str:
    return "\n  ".join([f"{keyword} {head} {{", *lines]) + "\n}"


def _base(c: ast.ClassDef) -> str:
    return c.bases[0].id if c.bases and isinstance(c.bases[0], ast.Name) else ""


def _name(c: ast.ClassDef) -> str:
    """`_SyncerClient` is the interface that the Protocol `Syncer` describes."""
    return c.name.removeprefix("_").removesuffix("Client") if c.name.startswith("_") else c.name


def _fields(c: ast.ClassDef, objects: set[str]) -> Iterator[tuple[str, str, str]]:
    for node in ast.walk(c):
        if isinstance(node, ast.Name) and node.id == "Self":
            node.id = _name(c)
    for method in c.body:
        if isinstance(method, Method) and (field := _selected(method)) and not LOADER.fullmatch(field):
            yield field, ", ".join(_arguments(method, objects)), _result(field, method)


def _selected(method: Method) -> str | None:
    """The field that this method asks for: the first text given to `_select` or `execute_sync`."""
    for node in ast.walk(method):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"self._select", "self._ctx.execute_sync"}:
            return next(str(a.value) for a in node.args if isinstance(a, ast.Constant))
    return None


def _result(field: str, method: Method) -> str:
    if field == "id" or "execute_sync" in ast.unparse(method.body[-1]):
        return "ID!"
    returns = method.returns
    if returns is None or (isinstance(returns, ast.Constant) and returns.value is None):
        return "Void"
    return _type(returns)


def _arguments(method: Method, objects: set[str]) -> Iterator[str]:
    spec = method.args
    hints = {a.arg: a.annotation for a in [*spec.args, *spec.kwonlyargs] if a.annotation}
    for node in ast.walk(method):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Arg":
            name, value, *default = node.args
            hint = next(hints[n.id] for n in ast.walk(value) if isinstance(n, ast.Name) and n.id in hints)
            yield _argument(ast.literal_eval(name), _type(hint), default, objects)


def _argument(name: str, type: str, default: list[ast.expr], objects: set[str]) -> str:
    named = type.strip("[]!")
    ending = f' @expectedType(name: "{named}")' if named in objects else ""
    return f"{name}: {type.replace(named, 'ID') if ending else type}{_default(default)}{ending}"


def _default(given: list[ast.expr]) -> str:
    match given:
        case [] | [ast.Constant(value=None)]:
            return ""
        case [ast.Attribute(attr=member)]:
            return f" = {member}"
        case [value]:
            return f" = {json.dumps(ast.literal_eval(value))}"
        case _:
            raise AssertionError(f"more than one default: {given}")


def _type(hint: ast.expr, end: str = "!") -> str:
    match hint:
        case ast.Constant(value=str(quoted)):
            return _type(ast.parse(quoted, mode="eval").body, end)
        case ast.BinOp(left=inner, right=ast.Constant(value=None)):
            return _type(inner, "")
        case ast.Subscript(value=ast.Name(id="list"), slice=inner):
            return f"[{_type(inner)}]{end}"
        case ast.Name(id=name):
            return BUILTINS.get(name, name) + end
        case _:
            raise AssertionError(f"a hint that gen.py never had before: {ast.unparse(hint)}")


def _enum_values(c: ast.ClassDef) -> list[str]:
    return [a.targets[0].id for a in c.body if isinstance(a, ast.Assign) and isinstance(a.targets[0], ast.Name)]


def _input_fields(c: ast.ClassDef) -> list[str]:
    fields = [node for node in c.body if isinstance(node, ast.AnnAssign)]
    return [f"{ast.unparse(f.target)}: {_type(f.annotation)}{_default([f.value] if f.value else [])}" for f in fields]
