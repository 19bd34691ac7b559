from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferry import inputs
from ferry.config import ImageArtifact, Recipe, ZipArtifact
from ferry.errors import BuildFailed
from ferry.inputs import difference, key, of_dependencies, of_dockerfile, of_image, of_package
from ferry.model import Kind

if TYPE_CHECKING:
    from pathlib import Path

D1, D2, D3 = (f"sha256:{digit * 64}" for digit in "123")
RECIPE = Recipe(
    base="python:3.13-slim",
    adapter="public.ecr.aws/a/adapter:1.0",
    lock="app/requirements.lock",
    source=("app", "lib/shared"),
    command=("python", "-m", "app"),
    environment={"MODE": "fast", "LEVEL": "3"},
)
NOTHING: dict[str, str | None] = {}
EXTERNALS: dict[str, str | None] = {"python:3.13-slim": D1, "public.ecr.aws/a/adapter:1.0": D2}
ZIP = ZipArtifact(
    name="jobs",
    kind=Kind.ZIP,
    package="{env}/jobs.zip",
    lock="app/requirements.lock",
    source=("app", "lib/shared"),
    handler="app.handle",
)
OWN = ImageArtifact(
    name="own", kind=Kind.IMAGE, repository="{env}-own", dockerfile="app/Own.dockerfile", inputs=("app", "docs/*.md")
)


def tree_in(folder: Path) -> Path:
    files = {
        "app/__init__.py": "",
        "app/__main__.py": "print()",
        "app/page/index.html": "<p>",
        "app/requirements.lock": "a==1",
        "app/requirements.in": "a",
        "app/Own.dockerfile": "FROM scratch",
        "lib/shared/clock.py": "now = 1",
        "docs/one.md": "one",
        "docs/two.md": "two",
        "other/far.py": "far",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return tree_in(tmp_path / "tree")


def image(
    tree: Path, recipe: Recipe = RECIPE, python: str = "3.13.5", moved: dict[str, str | None] = NOTHING
) -> dict[str, str]:
    return of_image(recipe, tree=tree, python=python, externals=EXTERNALS | moved)


def test_the_inputs_of_an_image_are_these(tree: Path) -> None:
    found = image(tree)
    assert [*found] == [
        "builder",
        "platform",
        "python",
        "base python:3.13-slim",
        "adapter public.ecr.aws/a/adapter:1.0",
        "recipe command",
        "recipe environment",
        "recipe port",
        "recipe workdir",
        "lock app/requirements.lock",
        "file app/Own.dockerfile",
        "file app/__init__.py",
        "file app/__main__.py",
        "file app/page/index.html",
        "file lib/shared/clock.py",
    ]
    assert found["python"] == "3.13.5"
    assert found["base python:3.13-slim"] == D1


def test_the_inputs_of_a_package_are_those_without_an_image_around_it(tree: Path) -> None:
    around = ("base", "adapter", "recipe")
    assert of_package(ZIP, tree=tree, python="3.13.5") == {
        name: value for name, value in image(tree).items() if not name.startswith(around)
    }


def test_the_handler_is_not_in_the_package(tree: Path) -> None:
    other = replace(ZIP, handler="app.other")
    assert of_package(other, tree=tree, python="3.13.5") == of_package(ZIP, tree=tree, python="3.13.5")


def test_the_inputs_of_a_dockerfile_are_what_it_sees(tree: Path) -> None:
    assert [name for name in of_dockerfile(OWN, tree=tree) if name.startswith(("dockerfile", "file"))] == [
        "dockerfile app/Own.dockerfile",
        "file app/Own.dockerfile",
        "file app/__init__.py",
        "file app/__main__.py",
        "file app/page/index.html",
        "file app/requirements.in",
        "file app/requirements.lock",
        "file docs/one.md",
        "file docs/two.md",
    ]


CHANGES = {
    "command": {"command": ("python", "-m", "other")},
    "environment": {"environment": {"MODE": "slow", "LEVEL": "3"}},
    "port": {"port": 9000},
    "workdir": {"workdir": "/app"},
}


@pytest.mark.req("B-08")
@pytest.mark.parametrize("part", CHANGES)
def test_a_changed_recipe_is_another_key_and_says_which_part(tree: Path, part: str) -> None:
    old, new = image(tree), image(tree, replace(RECIPE, **CHANGES[part]))  # type: ignore[arg-type] # fields by name
    assert key(old) != key(new)
    assert difference(old, new) == (f"the recipe changed: {part}",)


@pytest.mark.parametrize(("kind", "name"), [("base", RECIPE.base), ("adapter", str(RECIPE.adapter))])
def test_an_external_image_that_moved_is_another_key(tree: Path, kind: str, name: str) -> None:
    old, new, without = image(tree), image(tree, moved={name: D3}), image(tree, moved={name: None})
    assert len({key(old), key(new), key(without)}) == 3
    before = str(EXTERNALS[name])[:19]
    assert difference(old, new) == (f"{kind} {name}: {before}… → sha256:333333333333…",)
    assert difference(old, without) == (f"{kind} {name}: {before}… → a stand-in",)


def test_a_digest_in_the_name_is_the_digest(tree: Path) -> None:
    exact = f"{RECIPE.base}@{D1}"
    named = of_image(replace(RECIPE, base=exact), tree=tree, python="3.13.5", externals={**EXTERNALS, exact: D1})
    assert named == image(tree)


def test_another_base_is_told_by_name(tree: Path) -> None:
    other = replace(RECIPE, base="python:3.13-alpine", adapter=None)
    new = of_image(other, tree=tree, python="3.13.5", externals={"python:3.13-alpine": D1})
    assert difference(image(tree), new) == (
        "base: python:3.13-slim → python:3.13-alpine",
        "the adapter public.ecr.aws/a/adapter:1.0 removed",
    )


@pytest.mark.req("B-08")
def test_an_application_change_leaves_the_dependencies_key(tree: Path) -> None:
    lock = (tree / RECIPE.lock).read_bytes()
    (tree / "app/__main__.py").write_text("print(2)")
    assert of_dependencies((tree / RECIPE.lock).read_bytes(), "3.13.5") == of_dependencies(lock, "3.13.5")
    assert key(of_dependencies(lock, "3.13.5")) != key(of_dependencies(lock, "3.13.6"))
    assert key(of_dependencies(lock, "3.13.5")) != key(of_dependencies(lock + b"\n", "3.13.5"))


def test_another_builder_is_another_key_for_everything(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = image(tree)
    monkeypatch.setattr(inputs, "FORMAT", "next")
    assert difference(old, image(tree)) == ("Ferry builds in another way now: everything is built once more",)
    assert key(old) != key(image(tree))


def test_what_changed_is_told_in_sentences_the_wide_ones_first(tree: Path) -> None:
    old = image(tree)
    (tree / "app/__main__.py").write_text("print(2)")
    (tree / "app/page/index.html").unlink()
    (tree / "app/new.py").touch()
    (tree / "lib/shared/clock.py").chmod(0o755)
    (tree / RECIPE.lock).write_text("a==2")
    new = image(tree, replace(RECIPE, port=9000, workdir="/app"), "3.13.6")
    assert difference(old, new) == (
        "python: 3.13.5 → 3.13.6",
        "the lock app/requirements.lock changed",
        "the recipe changed: port, workdir",
        "app/__main__.py changed",
        "app/new.py added",
        "app/page/index.html removed",
        "lib/shared/clock.py can be run now",
    )
    assert difference(new, old)[-1] == "lib/shared/clock.py can no longer be run"


def test_a_lock_that_moved_is_told_by_both_names(tree: Path) -> None:
    shutil.copy(tree / RECIPE.lock, tree / "lib/requirements.lock")
    moved = image(tree, replace(RECIPE, lock="lib/requirements.lock"))
    assert difference(image(tree), moved) == ("lock: app/requirements.lock → lib/requirements.lock",)


def test_what_another_ferry_counted_is_told_as_it_is(tree: Path) -> None:
    assert difference({"weather": "wet"}, {"weather": "dry", "moon full": "1"}) == ("full added", "weather changed")
    assert difference({}, image(tree)) == ("nothing is known of what it was made from before",)
    assert difference(image(tree), image(tree)) == ()


def test_a_changed_dockerfile_is_told(tree: Path) -> None:
    old = of_dockerfile(OWN, tree=tree)
    (tree / "app/Own.dockerfile").write_text("FROM other")
    assert difference(old, of_dockerfile(OWN, tree=tree))[0] == "app/Own.dockerfile changed"


@pytest.mark.req("B-08")
def test_neither_place_nor_time_nor_umask_is_an_input(tree: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        other = tree_in(tmp_path / "some" / "where else")
    finally:
        os.umask(before)
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
    assert image(other) == image(tree)


@pytest.mark.parametrize(
    "name", ["app/__pycache__/a.pyc", "app/a.pyc", "app/.env", "app/requirements.txt", "app/.git/x"]
)
def test_what_the_builders_leave_out_is_no_input(tree: Path, name: str) -> None:
    before = image(tree)
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).write_text("x")
    assert image(tree) == before


def test_an_empty_folder_is_no_input_since_git_has_none(tree: Path) -> None:
    before = image(tree)
    (tree / "app/empty/er").mkdir(parents=True)
    assert image(tree) == before


def test_links_are_followed_as_the_builders_do(tree: Path) -> None:
    (tree / "app/link.py").symlink_to(tree / "other/far.py")
    (tree / "app/links").symlink_to(tree / "docs")
    before = image(tree)
    assert {"file app/link.py", "file app/links/one.md"} <= before.keys()
    (tree / "other/far.py").write_text("changed")
    assert difference(before, image(tree)) == ("app/link.py changed",)


def test_inputs_of_an_artifact_count_beside_its_source(tree: Path) -> None:
    with_more = replace(ZIP, inputs=("docs/o*.md", "app/requirements.in", "other"))
    more = of_package(with_more, tree=tree, python="3.13.5")
    assert more.keys() - of_package(ZIP, tree=tree, python="3.13.5").keys() == {
        "file docs/one.md",
        "file app/requirements.in",
        "file other/far.py",
    }
    also = of_image(RECIPE, tree=tree, python="3.13.5", externals=EXTERNALS, also=("docs",))
    assert also.keys() - image(tree).keys() == {"file docs/one.md", "file docs/two.md"}


def test_a_pattern_finds_no_noise(tree: Path) -> None:
    (tree / "other/__pycache__").mkdir()
    (tree / "other/__pycache__/far.cpython-313.pyc").write_text("x")
    found = of_dockerfile(replace(OWN, inputs=("other/**/*",)), tree=tree)
    assert [name for name in found if name.startswith("file")] == ["file other/far.py"]


def test_a_name_with_a_bracket_is_a_name_first(tree: Path) -> None:
    (tree / "docs/[id].md").write_text("x")
    (tree / "docs/i.md").write_text("x")
    found = of_dockerfile(replace(OWN, inputs=("docs/[id].md",)), tree=tree)
    assert [name for name in found if name.startswith("file")] == ["file docs/[id].md"]


@pytest.mark.req("B-05")
@pytest.mark.parametrize(
    ("artifact", "says", "where"),
    [
        (replace(ZIP, lock="gone.lock"), "the lock file does not exist", "gone.lock"),
        (replace(ZIP, source=("gone",)), "the application folder does not exist", "gone"),
        (replace(ZIP, source=("app/__main__.py",)), "the application folder does not exist", "app/__main__.py"),
        (replace(ZIP, inputs=("gone/*.py",)), "an input does not exist", "gone/*.py"),
        (replace(ZIP, source=("dangling",)), "an input cannot be read", "dangling/link.py"),
        (replace(ZIP, source=("circle",)), "an input cannot be read", "circle/circle"),
        (replace(ZIP, source=("pipe",)), "an input is no file", "pipe/pipe"),
    ],
)
def test_what_cannot_be_built_is_told_before_anything_is(
    tree: Path, artifact: ZipArtifact, says: str, where: str
) -> None:
    for folder in ("dangling", "circle", "pipe"):
        (tree / folder).mkdir()
    (tree / "dangling/link.py").symlink_to("nowhere")
    (tree / "circle/circle").symlink_to(".")
    os.mkfifo(tree / "pipe/pipe")
    with pytest.raises(BuildFailed, match=says) as caught:
        of_package(artifact, tree=tree, python="3.13.5")
    assert caught.value.where.startswith(where)
    assert caught.value.next


# Whatever is changed changes the key, and nothing else does.

NAMES = st.lists(st.text("abc.é ", min_size=1, max_size=4).filter(lambda it: it.strip(". ")), min_size=1, max_size=3)
CONTENTS = st.tuples(st.binary(max_size=8), st.booleans())
TREES = st.dictionaries(NAMES.map("/".join), CONTENTS, min_size=1, max_size=5).filter(
    lambda files: not any(other.startswith(f"{name}/") for name in files for other in files)
)
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(tree: Path, files: dict[str, tuple[bytes, bool]]) -> dict[str, str]:
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "app").mkdir(parents=True)
    (tree / "the.lock").touch()
    for name, (content, runs) in files.items():
        path = tree / "app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755 if runs else 0o644)
    return of_package(replace(ZIP, source=("app",), lock="the.lock"), tree=tree, python="3.13.5")


@FUZZ
@given(TREES, TREES)
def test_two_trees_have_one_key_only_if_they_are_one(
    tmp_path: Path, one: dict[str, tuple[bytes, bool]], other: dict[str, tuple[bytes, bool]]
) -> None:
    first, second = written(tmp_path / "a", one), written(tmp_path / "b", other)
    assert (key(first) == key(second)) == (one == other)
    assert bool(difference(first, second)) == (one != other)


@FUZZ
@given(TREES, st.data())
def test_any_one_change_changes_the_key_and_is_told(
    tmp_path: Path, files: dict[str, tuple[bytes, bool]], data: st.DataObject
) -> None:
    before = written(tmp_path / "tree", files)
    name = data.draw(st.sampled_from(sorted(files)))
    content, runs = files[name]
    changed = data.draw(st.sampled_from([(content + b"x", runs), (content, not runs), None]))
    rest = {path: it for path, it in files.items() if path != name}
    after = written(tmp_path / "tree", rest if changed is None else rest | {name: changed})
    assert key(before) != key(after)
    [sentence] = difference(before, after)
    assert sentence.startswith(f"app/{name} ")


@FUZZ
@given(st.permutations(sorted(EXTERNALS)), st.permutations(RECIPE.source), st.permutations(sorted(RECIPE.environment)))
def test_the_order_of_anything_changes_nothing(
    tmp_path: Path, images: list[str], source: list[str], variables: list[str]
) -> None:
    tree = tmp_path / "tree"
    if not tree.exists():
        tree_in(tree)
    environment = {name: RECIPE.environment[name] for name in variables}
    shuffled = replace(RECIPE, source=tuple(source), environment=environment)
    found = of_image(shuffled, tree=tree, python="3.13.5", externals={name: EXTERNALS[name] for name in images})
    assert key(found) == key(image(tree))
    assert key(dict(reversed(found.items()))) == key(found)
    assert difference(found, image(tree)) == ()


INPUTS = st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=4)


@given(INPUTS, INPUTS)
def test_no_two_sets_of_inputs_share_a_key(one: dict[str, str], other: dict[str, str]) -> None:
    assert (key(one) == key(other)) == (one == other)
