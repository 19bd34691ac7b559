"""The house rules of CONTRIBUTING.md. Each is a pure function over the files, and is shown to find what breaks it."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

type Files = Mapping[str, str]
"""Path in the repository to text."""

ROOT = Path(__file__).parent.parent
NOT_OURS = frozenset({".git", ".venv", ".tools", ".terraform", ".ferry", "__pycache__", "sdk", "dist", "node_modules"})

# What may import a package, whether at the top of a module or inside a function. Nothing else may.
IMPORTED_BY = {
    "ferry": r"ferry(\..+)?",
    "awsbox": r"awsbox(\..+)?|ferry\.rehearsal(\..+)?",
    "dagger": r"ferry\.module|ferry\.outside\.\w+\.dagger",
    "ferry.cli": "nothing",
    "ferry.host": r"ferry\.cli",
    "ferry.wiring": r"ferry\.(host|module|rehearsal)(\..+)?",
    "ferry.module": "nothing",
    "ferry.rehearsal": r"ferry\.(cli|host)|ferry\.rehearsal(\..+)?",
    "ferry.verbs": r"ferry\.(verbs|rehearsal)(\..+)?|ferry\.(cli|host|module|wiring)",
    "ferry.guards": r"ferry\.(guards|verbs)(\..+)?",
}

# Slow to import: at the top of a module only where nothing else is wanted of it.
SLOW = {
    "boto3": "nothing",
    "botocore": "nothing",
    "ministack": "nothing",
    "typer": r"ferry\.cli",
    "rich": r"ferry\.report\.live",
}

PURE = r"ferry\.((guards|gate)(\..+)?|model)"
DOES_IO = {"anyio", "asyncio", "awsbox", "boto3", "botocore", "dagger", "http", "httpx", "os", "pathlib", "shutil"}
DOES_IO |= {"signal", "socket", "subprocess", "tempfile", "threading", "time", "typer", "urllib"}

LONGEST_FUNCTION = 70
LONGEST_SLEEP = 1

# A letter in brackets each, so that this file keeps the rule. What a container of ours calls its home is no machine.
MACHINE = re.compile(r"/(?:ro[o]t|ho[m]e)/(?!\.cache/uv)|/wo[r]k/|tf-plu[g]ins|/User[s]/")
SYSTEM = re.compile(r"sentiment|sse[-_ ]?streaming|newsapi", re.IGNORECASE)
BOXED = re.compile(r"sentiment|sse[-_ ]?streaming", re.IGNORECASE)
"""The box stands in for the world around a system, and a news service is of that world as AWS is."""
INDEXES = frozenset({"https://pypi.org", "https://files.pythonhosted.org"})


def imports_go_one_way(files: Files) -> list[str]:
    return [
        f"{module} imports {imported}"
        for module, tree in _modules(files)
        for imported, _ in _imports(tree)
        for package, allowed in IMPORTED_BY.items()
        if _inside(imported, package) and not re.fullmatch(allowed, module)
    ]


def what_is_slow_is_imported_where_it_is_used(files: Files) -> list[str]:
    return [
        f"{module} imports {imported} at its top"
        for module, tree in _modules(files)
        for imported, top in _imports(tree)
        for package, allowed in SLOW.items()
        if top and _inside(imported, package) and not re.fullmatch(allowed, module)
    ]


def guards_and_model_do_no_io(files: Files) -> list[str]:
    """Not themselves, and not through what they import of ours."""
    trees = dict(_modules(files))
    return [
        f"{module} imports {imported}" + (f" through {through}" if through != module else "")
        for module in trees
        if re.fullmatch(PURE, module)
        for through in sorted(_reached(trees, module))
        for imported, _ in _imports(trees[through])
        if imported.partition(".")[0] in DOES_IO
    ]


def ci_knows_nothing_of_the_system_it_carries(files: Files) -> list[str]:
    searched = [(path, (BOXED if "/awsbox/" in path else SYSTEM).search(text)) for path, text in _below(files, "ci/")]
    return [f"{path}: {found[0]}" for path, found in searched if found]


def functions_fit_on_a_page(files: Files) -> list[str]:
    return [
        f"{path}:{node.lineno}: {node.name} has {length} lines, at most {LONGEST_FUNCTION}"
        for path, node in _nodes(files)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    ]


def nobody_sleeps(files: Files) -> list[str]:
    """Wait for what has to happen, and ask often: a long sleep is a guess."""
    return [
        f"{path}:{node.lineno}: sleep({argument.value})"
        for path, node in _nodes(files)
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "sleep"
        for argument in node.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, int | float)
        if argument.value >= LONGEST_SLEEP
    ]


def no_error_is_lost(files: Files) -> list[str]:
    """Whoever catches everything does something with it."""
    wide = {"", "Exception", "BaseException"}
    caught = [
        f"{path}:{node.lineno}: except {_name(node.type)}: pass"
        for path, node in _nodes(files)
        if isinstance(node, ast.ExceptHandler) and _name(node.type) in wide
        if all(isinstance(line, ast.Pass | ast.Continue) or _is_ellipsis(line) for line in node.body)
    ]
    suppressed = [
        f"{path}:{node.lineno}: {ast.unparse(node)}"
        for path, node in _nodes(files)
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "suppress"
        if {ast.unparse(argument) for argument in node.args} & wide
    ]
    return caught + suppressed


VERSIONS = {
    "dagger": (
        ("dagger.json", r'"engineVersion": "v([\d.]+)"'),
        ("pyproject.toml", r'"dagger-io==([\d.]+)"'),
        ("uv.lock", r'name = "dagger-io"\nversion = "([\d.]+)"'),
    ),
    "uv": (
        ("Makefile", r"^UV_VERSION := ([\d.]+)$"),
        ("ci/src/ferry/outside/builder/dagger.py", r'"uv==([\d.]+)"'),
    ),
    "python": (
        (".python-version", r"^([\d.]+)$"),
        ("ci/.python-version", r"^([\d.]+)$"),
        ("pyproject.toml", r'^requires-python = ">=([\d.]+),'),
        ("pyproject.toml", r'^python_version = "([\d.]+)"'),
        ("ci/pyproject.toml", r'^requires-python = ">=([\d.]+)"'),
        ("ci/src/ferry/module.py", r'"python:([\d.]+)-slim"'),
        ("ci/src/ferry/outside/builder/__init__.py", r'^PYTHON = "([\d.]+)"'),
        ("ferry.toml", r'^base = "python:([\d.]+)-slim"'),
    ),
    "ferry": (
        ("pyproject.toml", r'^version = "([\d.]+)"'),
        ("ci/pyproject.toml", r'^version = "([\d.]+)"'),
    ),
}


def versions_are_equal_everywhere(files: Files) -> list[str]:
    complaints = []
    for tool, places in VERSIONS.items():
        found = {path: re.findall(pattern, files.get(path, ""), re.MULTILINE) for path, pattern in places}
        complaints += [f"{tool}: no version in {path}" for path, versions in found.items() if not versions]
        if len({version for versions in found.values() for version in versions}) > 1:
            complaints.append(f"{tool}: {found}")
    return complaints


def what_ruff_ignores_has_a_reason(files: Files) -> list[str]:
    """`"RULE", # why` on each line, or one reason after a list that stands on one line."""
    configuration = files["pyproject.toml"].partition("[tool.ruff.lint]")[2]
    ignored = r'^(?P<line>    "[A-Z]+[0-9]*",(?P<many>.*)|"[^"]+" = \["[A-Z](?P<few>.*))$'
    return [
        line["line"].strip()
        for line in re.finditer(ignored, configuration, re.MULTILINE)
        if not re.search(r"# .{5,}", line["many"] or line["few"] or "")
    ]


def no_machine_is_named(files: Files) -> list[str]:
    """Neither a folder of somebody's machine nor an index that others cannot reach."""
    named = [
        f"{path}:{number}: {found[0]}"
        for path, text in files.items()
        for number, line in enumerate(text.splitlines(), 1)
        if (found := MACHINE.search(line))
    ]
    locks = [(path, text) for path, text in files.items() if PurePosixPath(path).name == "uv.lock"]
    hosts = {(path, host) for path, text in locks for host in re.findall(r"https?://[^/\"]+", text)}
    return named + [f"{path}: {host}" for path, host in sorted(hosts) if host not in INDEXES]


RULES: list[Callable[[Files], list[str]]] = [
    imports_go_one_way,
    what_is_slow_is_imported_where_it_is_used,
    guards_and_model_do_no_io,
    ci_knows_nothing_of_the_system_it_carries,
    functions_fit_on_a_page,
    nobody_sleeps,
    no_error_is_lost,
    versions_are_equal_everywhere,
    what_ruff_ignores_has_a_reason,
    no_machine_is_named,
]


@cache
def ours() -> Files:
    """What is or could be committed."""
    texts = {}
    for path in _listed():
        try:
            texts[path.as_posix()] = (ROOT / path).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue  # no text, or deleted and not yet committed
    return texts


def _listed() -> list[Path]:
    git = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(git, capture_output=True, check=True, text=True).stdout
        return [Path(line) for line in listed.split("\0") if line]
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive, or a container that has no git
        found = (path.relative_to(ROOT) for path in ROOT.rglob("*"))
        return [path for path in found if not NOT_OURS & set(path.parts) and (ROOT / path).is_file()]


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


@cache
def _walked(text: str) -> tuple[ast.AST, ...]:
    """Each rule looks at all of it."""
    return tuple(ast.walk(_parsed(text)))


def _nodes(files: Files) -> Iterator[tuple[str, ast.AST]]:
    return ((path, node) for path, text in files.items() if path.endswith(".py") for node in _walked(text))


def _below(files: Files, folder: str) -> Iterator[tuple[str, str]]:
    return ((path, text) for path, text in files.items() if path.startswith(folder))


def _modules(files: Files) -> Iterator[tuple[str, ast.Module]]:
    for path, text in _below(files, "ci/src/"):
        if path.endswith(".py"):
            parts = PurePosixPath(path).relative_to("ci/src").with_suffix("").parts
            yield ".".join(parts).removesuffix(".__init__"), _parsed(text)


def _imports(tree: ast.AST, *, top: bool = True) -> Iterator[tuple[str, bool]]:
    """What is imported when it runs, and whether at the top; imports for type checkers are not."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Import():
                yield from ((alias.name, top) for alias in node.names)
            case ast.ImportFrom(module=str(module)):
                yield from ((f"{module}.{alias.name}", top) for alias in node.names)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                pass
            case _:
                deeper = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                yield from _imports(node, top=top and not deeper)


def _reached(trees: Mapping[str, ast.Module], module: str) -> set[str]:
    """The module and all of ours that it imports, directly or not."""
    reached, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        owner = name if name in trees else name.rpartition(".")[0]  # `from ferry.model import Release`
        if owner in trees and owner not in reached:
            reached.add(owner)
            waiting += [imported for imported, _ in _imports(trees[owner])]
    return reached


def _inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _name(caught: ast.expr | None) -> str:
    return ast.unparse(caught) if caught else ""


def _is_ellipsis(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and line.value.value is ...


# We keep them.


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_house(rule: Callable[[Files], list[str]]) -> None:
    assert rule(ours()) == []


@pytest.mark.req("S-01")
@pytest.mark.parametrize("place", ["dagger.json", "pyproject.toml", "ci/", "src/", "infrastructure/", "tests/"])
def test_the_shape(place: str) -> None:
    assert any(path.startswith(place) for path in ours())


@pytest.mark.req("S-01")
@pytest.mark.parametrize("package", ["dagger-io", "anyio", "boto3", "pytest"])
def test_the_packages(package: str) -> None:
    assert f'name = "{package}"' in ours()["uv.lock"]


# Each rule finds what breaks it.

BROKEN: dict[Callable[[Files], list[str]], tuple[Files, list[str]]] = {
    imports_go_one_way: (
        {
            "ci/src/awsbox/box.py": "from ferry.errors import BoxError",
            "ci/src/ferry/verbs/plan.py": "def plan():\n    import dagger\n    from ferry.rehearsal import story",
            "ci/src/ferry/outside/aws/dagger.py": "import dagger",
            "ci/src/ferry/report/html.py": "from ferry import cli\nimport awsbox.box",
        },
        [
            "awsbox.box imports ferry.errors.BoxError",
            "ferry.verbs.plan imports dagger",
            "ferry.verbs.plan imports ferry.rehearsal.story",
            "ferry.report.html imports ferry.cli",
            "ferry.report.html imports awsbox.box",
        ],
    ),
    what_is_slow_is_imported_where_it_is_used: (
        {
            "ci/src/ferry/cli.py": "import typer\nimport rich.live",
            "ci/src/ferry/config.py": "try:\n    from boto3 import client\nexcept ImportError: ...",
            "ci/src/ferry/late.py": "def late():\n    import boto3",
        },
        ["ferry.cli imports rich.live at its top", "ferry.config imports boto3.client at its top"],
    ),
    guards_and_model_do_no_io: (
        {
            "ci/src/ferry/guards/kms.py": "import os.path\nfrom ferry.helper import help",
            "ci/src/ferry/helper.py": "from pathlib import Path",
            "ci/src/ferry/model.py": "if TYPE_CHECKING:\n    from pathlib import Path\nimport json",
        },
        ["ferry.guards.kms imports os.path", "ferry.guards.kms imports pathlib.Path through ferry.helper"],
    ),
    ci_knows_nothing_of_the_system_it_carries: (
        {"ci/src/ferry/model.py": 'NAME = "preprod-sse-streaming"', "src/app.py": "# Sentiment"},
        ["ci/src/ferry/model.py: sse-streaming"],
    ),
    functions_fit_on_a_page: (
        {"tests/long.py": "def fits():\n" + "    1\n" * 69 + "def too_long():\n" + "    1\n" * 70},
        ["tests/long.py:71: too_long has 71 lines, at most 70"],
    ),
    nobody_sleeps: (
        {"ci/a.py": "time.sleep(2)\nsleep(1.0)\nanyio.sleep(0.5)\nsleep(delay)"},
        ["ci/a.py:1: sleep(2)", "ci/a.py:2: sleep(1.0)"],
    ),
    no_error_is_lost: (
        {
            "ci/a.py": (
                "try: ...\nexcept Exception: pass\n"
                "try: ...\nexcept: ...\n"
                "try: ...\nexcept OSError: pass\n"
                "try: ...\nexcept Exception: raise\n"
                "with suppress(Exception): ..."
            )
        },
        ["ci/a.py:2: except Exception: pass", "ci/a.py:4: except : pass", "ci/a.py:9: suppress(Exception)"],
    ),
    versions_are_equal_everywhere: (
        {
            **{path: text for path, text in ours().items() if path != "ci/.python-version"},
            "Makefile": "UV_VERSION := 9.9.9",
        },
        [
            "uv: {'Makefile': ['9.9.9'], 'ci/src/ferry/outside/builder/dagger.py': ['0.13.8']}",
            "python: no version in ci/.python-version",
        ],
    ),
    what_ruff_ignores_has_a_reason: (
        {
            "pyproject.toml": (
                '[tool.ruff.lint]\nignore = [\n    "ANN401",  # a reason\n    "EM",\n    "D1", # x\n]\n'
                '"bench/**" = ["T201"] # scripts that print\n"tests/**" = ["S101"]\n'
            )
        },
        ['"EM",', '"D1", # x', '"tests/**" = ["S101"]'],
    ),
    no_machine_is_named: (
        {
            "docs/a.md": f"fine\nsee /ro{'ot'}/x\n/ro{'ot'}/.cache/uv\n/wo{'rk'}/y",
            "uv.lock": 'registry = "https://pypi.org/simple"\nurl = "http://127.0.0.1:4000/simple"',
        },
        [f"docs/a.md:2: /ro{'ot'}/", f"docs/a.md:4: /wo{'rk'}/", "uv.lock: http://127.0.0.1:4000"],
    ),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_finds(rule: Callable[[Files], list[str]]) -> None:
    broken, found = BROKEN[rule]
    assert rule(broken) == found
