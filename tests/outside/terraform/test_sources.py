from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ferry.outside.terraform import sources

if TYPE_CHECKING:
    from pathlib import Path


def write(place: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)


def copied(tmp_path: Path, files: dict[str, str], root: str = "repo/infra/stack") -> tuple[Path, set[str]]:
    """Where the root is, and what was copied, seen from there."""
    write(tmp_path, files)
    folder = sources.copied(tmp_path / root, tmp_path / "work")
    found = (path for path in (tmp_path / "work").rglob("*") if path.is_file())
    return folder, {str(path.relative_to(folder, walk_up=True)) for path in found}


def module(source: str) -> str:
    return f'module "a" {{\n  source = "{source}"\n}}\n'


def test_a_root_that_reaches_nothing_is_copied_alone(tmp_path: Path) -> None:
    folder, found = copied(tmp_path, {"repo/infra/stack/main.tf": module("./here"), "repo/secret": "planted"})
    assert folder == tmp_path / "work"
    assert found == {"main.tf"}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_modules_beside_the_root_come_along_and_theirs_too(tmp_path: Path) -> None:
    files = {
        "repo/infra/stack/main.tf": module("../modules/a"),
        "repo/infra/modules/a/main.tf": module("../../../shared/b") + 'x = file("${path.module}/text/x.txt")\n',
        "repo/infra/modules/a/text/x.txt": "x",
        "repo/infra/modules/unused/main.tf": "",
        "repo/shared/b/main.tf": module("../../infra/stack/inner"),
        "repo/infra/stack/inner/main.tf": "",
    }
    folder, found = copied(tmp_path, files)
    assert folder == tmp_path / "work/infra/stack"
    assert found == {
        "main.tf",
        "inner/main.tf",
        "../modules/a/main.tf",
        "../modules/a/text/x.txt",
        "../../shared/b/main.tf",
    }


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        ('file("${path.module}/../policies/a.json")', {"../policies/a.json"}),
        ('file("../policies/a.json")', {"../policies/a.json"}),
        ('file("${path.root}/../policies/${each.key}.json")', {"../policies/a.json", "../policies/b.json"}),
        ('fileset("${path.module}/../policies", "*.json")', {"../policies/a.json", "../policies/b.json"}),
        ('file("${path.module}/../policies/gone.json")', set()),
        ('"a..b" "..." "x/...y"', set()),
        ('"../.."', set()),
    ],
)
def test_files_that_are_read_from_outside_come_along(tmp_path: Path, text: str, reached: set[str]) -> None:
    policies = {"repo/infra/policies/a.json": "", "repo/infra/policies/b.json": ""}
    _, found = copied(tmp_path, {"repo/infra/stack/main.tf": f"x = {text}\n", **policies})
    assert found == {"main.tf", *reached}


def test_a_path_in_a_module_may_mean_the_module_or_the_root(tmp_path: Path) -> None:
    files = {
        "repo/infra/stack/main.tf": module("./deep/inner"),
        "repo/infra/stack/deep/inner/main.tf": 'x = file("../beside.txt")\n',
        "repo/infra/beside.txt": "",
    }
    _, found = copied(tmp_path, files)
    assert "../beside.txt" in found


def test_a_module_around_the_root_comes_without_what_a_machine_left_there(tmp_path: Path) -> None:
    files = {
        "repo/main.tf": "",
        "repo/terraform.tfvars": "planted",
        "repo/terraform.tfstate": "planted",
        "repo/.git/config": "planted",
        "repo/.terraform/x": "planted",
        "repo/example/main.tf": module("../"),
        "repo/example/terraform.tfvars": "mine",
        "repo/example/.terraform.lock.hcl": "",
        "repo/example/errored.tfstate": "planted",
    }
    folder, found = copied(tmp_path, files, root="repo/example")
    assert found == {"main.tf", "terraform.tfvars", ".terraform.lock.hcl", "../main.tf"}
    assert folder == tmp_path / "work/example"


def test_two_modules_that_name_each_other_end(tmp_path: Path) -> None:
    files = {
        "repo/infra/stack/main.tf": module("../a"),
        "repo/infra/a/main.tf": module("../b"),
        "repo/infra/b/main.tf": module("../a"),
    }
    assert len(copied(tmp_path, files)[1]) == 3


def test_a_working_folder_inside_what_is_copied_is_not_copied_into_itself(tmp_path: Path) -> None:
    write(tmp_path, {"main.tf": "", "example/main.tf": module("..")})
    sources.copied(tmp_path / "example", tmp_path / "work")
    assert not (tmp_path / "work/work").exists()


def test_a_link_that_leads_nowhere_stops_nobody(tmp_path: Path) -> None:
    write(tmp_path, {"repo/infra/stack/main.tf": ""})
    (tmp_path / "repo/infra/stack/gone").symlink_to("nowhere")
    assert copied(tmp_path, {})[1] == {"main.tf"}
