"""Metric math, for the kinds of alarm that a stack of functions has: arithmetic, comparisons, IF, FILL and sums.

A series is one value per period, oldest first; None is a period without data, which is what AWS's documentation calls
a missing data point. What is not here is refused when an alarm is put, not guessed at when it is evaluated.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

type Value = float | None
type Series = list[Value]

OPERATORS: Mapping[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
GATHERED: Mapping[str, Callable[[Sequence[float]], float]] = {
    "SUM": sum,
    "AVG": lambda values: sum(values) / len(values),
    "MIN": min,
    "MAX": max,
}
EACH: Mapping[str, Callable[[float], float]] = {"ABS": abs, "CEIL": math.ceil, "FLOOR": math.floor}
FUNCTIONS = {*GATHERED, *EACH, "IF", "FILL", "METRICS"}


class Unsupported(Exception):
    """The box does not evaluate it; AWS may."""


def parsed(text: str) -> ast.expr:
    """Metric math is near enough to Python's grammar; what differs is spelled Python's way first."""
    words = re.sub(r"\b(AND|OR)\b", lambda match: match[0].lower(), text.strip())
    words = words.replace("&&", " and ").replace("||", " or ").replace("^", "**")
    try:
        tree = ast.parse(words, mode="eval").body
    except SyntaxError:
        raise Unsupported(f"the box cannot read the expression {text!r}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS):
            raise Unsupported(f"the box does not evaluate {ast.unparse(node.func)}() in {text!r}")
        if isinstance(node, ast.Constant) and not isinstance(node.value, int | float):
            raise Unsupported(f"the box does not evaluate {text!r}")
    return tree


def names(tree: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - FUNCTIONS - {"REPEAT", "LINEAR"}


def evaluated(tree: ast.expr, known: Mapping[str, Series], periods: int) -> Series:
    """`known` holds every metric and expression that this one names; METRICS() is all metrics of it."""
    return _Reading(known, periods).read(tree)


class _Reading:
    def __init__(self, known: Mapping[str, Series], periods: int) -> None:
        self._known, self._periods = known, periods

    def read(self, node: ast.AST) -> Series:  # noqa: PLR0911 - one per kind of node
        match node:
            case ast.Constant(value=int() | float() as number):
                return [float(number)] * self._periods
            case ast.Name(id=name) if name in self._known:
                return self._known[name]
            case ast.UnaryOp(op=ast.USub(), operand=of):
                return [None if value is None else -value for value in self.read(of)]
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                return self._both(OPERATORS[type(op)], left, right)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in OPERATORS:
                return self._both(OPERATORS[type(op)], left, right)
            case ast.BoolOp(op=op, values=values):
                return self._logic(all if isinstance(op, ast.And) else any, values)
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self._call(name, arguments)
            case _:
                raise Unsupported(f"the box does not evaluate {ast.unparse(node)!r}")

    def _both(self, operation: Callable[[float, float], float], left: ast.AST, right: ast.AST) -> Series:
        return [_computed(operation, a, b) for a, b in zip(self.read(left), self.read(right), strict=True)]

    def _logic(self, how: Callable[[list[bool]], bool], values: Sequence[ast.AST]) -> Series:
        columns = zip(*(self.read(value) for value in values), strict=True)
        return [None if None in column else float(how([bool(value) for value in column])) for column in columns]

    def _call(self, name: str, arguments: Sequence[ast.expr]) -> Series:
        if name == "IF" and len(arguments) in {2, 3}:
            condition, then, *rest = (self.read(argument) for argument in arguments)
            otherwise: Series = rest[0] if rest else [None] * self._periods
            columns = zip(condition, then, otherwise, strict=True)
            return [None if c is None else (yes if c else no) for c, yes, no in columns]
        if name == "FILL" and len(arguments) == 2:
            return self._filled(*arguments)
        if name in EACH and len(arguments) == 1:
            return [None if value is None else float(EACH[name](value)) for value in self.read(arguments[0])]
        if name in GATHERED and len(arguments) == 1:
            return self._gathered(GATHERED[name], arguments[0])
        raise Unsupported(f"the box does not evaluate {name} with {len(arguments)} arguments")

    def _filled(self, series: ast.expr, filling: ast.expr) -> Series:
        values = self.read(series)
        if isinstance(filling, ast.Name) and filling.id == "REPEAT":
            return [_last(values[: index + 1]) for index in range(len(values))]
        others = self.read(filling)
        return [other if value is None else value for value, other in zip(values, others, strict=True)]

    def _gathered(self, how: Callable[[Sequence[float]], float], argument: ast.expr) -> Series:
        """Over several series: period by period. Over one: a single number."""
        many = self._several(argument)
        if many is None:
            present = [value for value in self.read(argument) if value is not None]
            return [float(how(present)) if present else None] * self._periods
        columns = ([value for value in column if value is not None] for column in zip(*many, strict=True))
        return [float(how(column)) if column else None for column in columns]

    def _several(self, argument: ast.expr) -> list[Series] | None:
        if isinstance(argument, ast.List):
            return [self.read(element) for element in argument.elts]
        if isinstance(argument, ast.Call) and isinstance(argument.func, ast.Name) and argument.func.id == "METRICS":
            return list(self._known.values())
        return None


def _computed(operation: Callable[[float, float], float], left: Value, right: Value) -> Value:
    if left is None or right is None:
        return None
    try:
        return float(operation(left, right))
    except (ZeroDivisionError, OverflowError):
        return None


def _last(values: Series) -> Value:
    return next((value for value in reversed(values) if value is not None), None)
