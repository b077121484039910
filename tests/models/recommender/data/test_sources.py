"""The public files, and what the published tables say of them."""

import os

import pandas as pd
import pytest

from crisol.models.recommender.data import prepare as data
from crisol.models.recommender.data import sources, tags
from crisol.models.recommender.study_params import OfficialSplit, StudyParams


def test_sources_are_pinned_public_files():
    found = sources.sources()
    assert len({source.name for source in found}) == 3
    for source in found:
        assert source.url.startswith("https://raw.githubusercontent.com/")
        assert len(source.url.split("/")[5]) == 40  # a commit, not a branch
        assert source.licence


def test_a_line_of_beauty_is_a_user_and_then_the_items_in_order(tmp_path):
    path = tmp_path / "Beauty.txt"
    path.write_text("1 5 3 4\n2 5 9\n")
    found = sources.read_beauty(path)
    assert found["user"].tolist() == ["1", "1", "1", "2", "2"]
    assert found["item"].tolist() == ["5", "3", "4", "5", "9"]


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> tuple[pd.DataFrame, pd.DataFrame]:
    mirror = os.environ.get("CRISOL_DATA_MIRROR")
    if not mirror:
        pytest.skip("CRISOL_DATA_MIRROR is not set: the real events are not at hand")
    events, items, users = sources.fetch(tmp_path_factory.mktemp("real"), mirror)
    names = sources.REAL_EVENTS, sources.REAL_ITEMS, sources.REAL_USERS
    assert (events.name, items.name, users.name) == names
    assert data.clean_users(pd.read_parquet(users)).empty
    return data.clean(pd.read_parquet(events), pd.read_parquet(items))


@pytest.mark.slow  # it reads all of the real data
def test_gowalla_is_the_official_division(real):
    events, items = real
    study = StudyParams(name="gowalla", source="gowalla", split=OfficialSplit(), k=20)
    rows = data.split(events, items, study)
    known = data.interactions(rows, ("train", "valid"), len(data.study_items(items, study)))
    assert (known.user_count, known.item_count) == (29_858, 40_981)
    assert known.matrix.nnz == 810_128
    histories, targets = data.histories_before(rows, "test")
    assert len(histories) == 29_858
    assert targets.sizes.sum() == 217_242
    # The first user of NGCF's train.txt and test.txt begins so.
    user = data.user_ids(rows).index("0")
    ids = data.study_items(items, study)["item"]
    assert set(map(str, range(5))) <= set(ids.iloc[histories.row(user)])
    assert "7580" in set(ids.iloc[targets.row(list(histories.users).index(user))])


@pytest.mark.slow  # it reads all of the real data
def test_beauty_leaves_one_out_in_the_order_of_its_file(real):
    events, items = real
    study = StudyParams(name="beauty", source="beauty")
    rows = data.split(events, items, study)
    found = tags.catalogue(items, study)
    assert len(rows) == 198_502
    assert len(found) == 12_101
    assert len(found.tag_names) == 637
    for part, events_before in (("valid", 153_776), ("test", 176_139)):
        histories, targets = data.histories_before(rows, part)
        assert len(histories) == targets.sizes.sum() == 22_363
        assert histories.sizes.sum() == events_before
    user = data.user_ids(rows).index("2")  # the file's line: 2 6 7 8 9 10 4 11
    at = list(histories.users).index(user)
    assert [found.ids[i] for i in histories.row(at)] == ["6", "7", "8", "9", "10", "4"]
    assert [found.ids[i] for i in targets.row(at)] == ["11"]
