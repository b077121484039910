"""Raw files are read through the catalog and never written."""

import pandas as pd
import pytest
from kedro.io import DatasetError

from crisol.catalog.raw_files import RawFolderDataset, RawTableDataset
from crisol.core.errors import MendableError

ROWS = {"id": ["007", "NA"], "title": ["Mug; red", "Pän, “best”"], "price": ["12", ""]}


def test_the_datasets_read_and_never_write(tmp_path):
    table = pd.DataFrame(ROWS, dtype="str")
    path = tmp_path / "mine.csv"
    table.to_csv(path, index=False, encoding="cp1252")
    dataset = RawTableDataset(filepath=str(path), read={"encoding": "cp1252"})
    assert dataset.exists()
    assert dataset.load().to_dict("list") == ROWS
    folder = RawFolderDataset(filepath=str(tmp_path / "none"))
    assert folder.load() == tmp_path / "none"
    assert not (tmp_path / "none").exists()
    for raw in (dataset, folder):
        with pytest.raises(Exception, match="nothing is saved"):
            raw.save(table)


@pytest.mark.parametrize("name", ["größe (1).csv", "a b.csv", "x#1 [neu].csv"])
def test_a_file_is_read_by_its_uri_and_from_the_home_folder(name, tmp_path, monkeypatch):
    pd.DataFrame(ROWS, dtype="str").to_csv(tmp_path / name, index=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for written in ((tmp_path / name).as_uri(), f"~/{name}", f"/srv/project/~/{name}"):
        assert RawTableDataset(filepath=written).load().to_dict("list") == ROWS
        assert RawFolderDataset(filepath=written).load() == tmp_path / name


@pytest.mark.parametrize("kind", [RawTableDataset, RawFolderDataset])
@pytest.mark.parametrize("name", [None, "", "s3://bucket/x.csv", "https://example.com/x.csv"])
def test_what_is_no_file_of_this_machine_is_told_when_it_is_read(kind, name):
    dataset = kind(filepath=name)  # a catalog may have entries that nobody reads
    with pytest.raises(DatasetError) as refused:
        dataset.load()
    assert isinstance(refused.value.__cause__, MendableError)
