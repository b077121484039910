"""Raw files are read through the catalog and never written."""

import pandas as pd
import pytest

from crisol.catalog.raw_files import RawFolderDataset, RawTableDataset

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
