"""Raw files are named by the catalog, read by nodes, and never written."""

import pytest
from kedro.io import DatasetError

from crisol.catalog.raw_files import RawFolderDataset
from crisol.core.errors import MendableError


def test_the_dataset_names_a_path_and_never_writes(tmp_path):
    folder = RawFolderDataset(filepath=str(tmp_path / "none"))
    assert folder.load() == tmp_path / "none"
    assert not (tmp_path / "none").exists()
    with pytest.raises(Exception, match="nothing is saved"):
        folder.save(tmp_path)


@pytest.mark.parametrize("name", ["größe (1).csv", "a b.csv", "x#1 [neu].csv"])
def test_a_file_is_named_by_its_uri_and_from_the_home_folder(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for written in ((tmp_path / name).as_uri(), f"~/{name}", f"/srv/project/~/{name}"):
        assert RawFolderDataset(filepath=written).load() == tmp_path / name


@pytest.mark.parametrize("name", [None, "", "s3://bucket/x.csv", "https://example.com/x.csv"])
def test_what_is_no_file_of_this_machine_is_told_when_it_is_read(name):
    dataset = RawFolderDataset(filepath=name)  # a catalog may have entries that nobody reads
    with pytest.raises(DatasetError) as refused:
        dataset.load()
    assert isinstance(refused.value.__cause__, MendableError)
