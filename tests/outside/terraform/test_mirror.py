from __future__ import annotations

from pathlib import Path

import pytest

from ferry.errors import ToolError
from ferry.outside.terraform import mirror


def mirror_at(place: Path, *providers: str) -> Path:
    for provider in providers or ("hashicorp/aws",):
        (place / mirror.MARK / provider / "1.0.0").mkdir(parents=True)
    return place


def test_a_machine_without_a_mirror_has_none(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "XDG_DATA_DIRS": str(tmp_path)}
    assert mirror.find(environment, opt=tmp_path / "opt") is None


def test_the_folder_that_is_named_wins(tmp_path: Path) -> None:
    named, other = mirror_at(tmp_path / "named"), mirror_at(tmp_path / "home/.terraform.d/plugins")
    assert mirror.find({"HOME": str(tmp_path / "home")}, opt=tmp_path) == other
    assert mirror.find({mirror.VARIABLE: str(named), "HOME": str(tmp_path / "home")}, opt=tmp_path) == named


def test_a_relative_folder_is_meant_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror_at(tmp_path / "near")
    monkeypatch.chdir(tmp_path)
    assert mirror.find({mirror.VARIABLE: "near"}) == tmp_path / "near"


@pytest.mark.parametrize("place", ["missing", "empty", "file"])
def test_a_named_folder_without_providers_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ToolError, match="holds no providers") as caught:
        mirror.find({mirror.VARIABLE: str(tmp_path / place)})
    assert "terraform providers mirror" in caught.value.next


@pytest.mark.parametrize("place", ["data/terraform/plugins", "shared/terraform/plugins", "opt/anything"])
def test_terraforms_own_places_and_opt_are_looked_at(tmp_path: Path, place: str) -> None:
    found = mirror_at(tmp_path / place)
    environment = {"XDG_DATA_HOME": str(tmp_path / "data"), "XDG_DATA_DIRS": f"/nowhere:{tmp_path / 'shared'}"}
    assert mirror.find(environment, opt=tmp_path / "opt") == found


def test_what_the_mirror_holds_is_addressed_as_terraform_does(tmp_path: Path) -> None:
    place = mirror_at(tmp_path, "hashicorp/random", "hashicorp/aws")
    assert mirror.providers(place) == ("registry.terraform.io/hashicorp/aws", "registry.terraform.io/hashicorp/random")


def test_what_the_mirror_lacks_comes_from_the_registry() -> None:
    text = mirror.cli_config(Path("/opt/m"), ("registry.terraform.io/hashicorp/aws",))
    assert 'path    = "/opt/m"' in text
    assert text.count('["registry.terraform.io/hashicorp/aws"]') == 2


def test_without_a_mirror_terraform_looks_where_it_always_does() -> None:
    assert "provider_installation" not in mirror.cli_config(None)


def test_a_quote_in_a_path_stays_in_it() -> None:
    assert r'path    = "/opt/a\"b"' in mirror.cli_config('/opt/a"b', ("x",))
