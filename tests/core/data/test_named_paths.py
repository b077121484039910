"""A file is found by whatever name a person writes for it."""

from pathlib import Path

import pytest

from crisol.core.data.named_paths import named_path
from crisol.core.errors import MendableError


@pytest.mark.parametrize(
    "name",
    [
        "plain.csv", "with blanks (1).csv", "Größe übrig.csv", "50 % & more [new].csv", "a#b?c.csv",
        "a,b=c.csv", "2024", "it's.csv", "データ.csv", "~tilde.csv", "100%25.csv",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["path", "relative", "home", "project and home", "URI"])
def test_every_name_in_every_form_is_that_file(name, form, tmp_path, monkeypatch) -> None:
    (tmp_path / name).write_text("x")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    written = {
        "path": str(tmp_path / name),
        "relative": name,
        "home": f"~/{name}",
        "project and home": f"/srv/project/~/{name}",
        "URI": (tmp_path / name).as_uri(),
    }[form]
    assert named_path(written).samefile(tmp_path / name)


def test_other_forms_of_a_uri_are_read_and_a_folder_named_tilde_stays(tmp_path: Path) -> None:
    assert (
        named_path("file:/srv/a%20b") == named_path("file://localhost/srv/a b") == Path("/srv/a b")
    )
    (tmp_path / "~").mkdir()
    assert named_path(str(tmp_path / "~")) == tmp_path / "~"


@pytest.mark.parametrize(
    "address", ["https://example.com/x.csv", "s3://bucket/x.csv", "file://server/x.csv", "", "  "]
)
def test_what_is_no_file_of_this_machine_is_refused(address: str) -> None:
    with pytest.raises(MendableError, match=r"on another machine|is empty"):
        named_path(address)
