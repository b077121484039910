"""Catalogues of any shape are cleaned with their pictures, and split by the protocols."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.model_selection import StratifiedKFold, train_test_split

from crisol.core.data.table_files import read_raw_table
from crisol.models.products.data import prepare as data
from crisol.models.products.data.run_files import clean_files
from crisol.models.products.data.validation import COLUMNS, ProductsError
from crisol.models.products.params import DataParams
from crisol.models.products.study_params import StudyParams


def _params(**changes) -> DataParams:
    return DataParams.model_validate(
        {"studies": [{"name": "shop"}], "register_study": "shop", "image_size": 16, **changes}
    )


def _study(**changes) -> StudyParams:
    return StudyParams.model_validate({"name": "shop", **changes})


@pytest.fixture(scope="module")
def products() -> pd.DataFrame:
    """60 products of two sources; in the second some titles of the first occur again."""
    rng = np.random.default_rng(0)
    raw = pd.DataFrame(
        {
            "source": ["a"] * 40 + ["b"] * 20,
            "title": [f"thing {n % 50}" for n in range(60)],
            "category": [str(kind) for kind in rng.choice(["X > x", "X > y", "Y > z"], 60)],
            "part": ["test" if n % 4 == 0 else "" for n in range(60)],
        }
    )
    return data.clean(raw, Path("none"), _params())[0]


def _picture(folder: Path, name: str, colour: str = "red") -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (30, 20), colour).save(folder / name)


def test_a_shop_of_quite_another_shape_is_cleaned_divided_and_read(tmp_path):
    path = tmp_path / "ware.csv"
    lines = ["Artikel;Preis;Gruppe;Lager;Text"]
    lines += [
        f'Tasse {n};"{n + 1},50 €";{"Küche" if n % 2 else "Bad"};{n};"Zeile eins\nzwei; drei"'
        for n in range(30)
    ]
    path.write_text("\n".join(lines), encoding="utf-8-sig")
    params = _params(
        columns={"title": "Artikel", "price": "Preis", "category": "Gruppe", "description": "Text"},
        currency="EUR",
    )
    found, images = data.clean(read_raw_table(path), tmp_path / "no folder", params)
    assert list(found.columns) == list(COLUMNS)
    assert found["price"].tolist()[:2] == [1.5, 2.5]
    assert found["description"][0] == "Zeile eins zwei; drei"
    assert images.empty
    rows = data.split(found, params.study("shop"))
    assert rows["role"].value_counts().to_dict() == {"train": 24, "test": 6}
    record = data.records_from_tables(found.iloc[rows["row"]], images)[0]
    assert (record.category, record.currency) == ("Bad", "EUR")
    assert record.image is None


def test_pictures_are_decoded_once_each(tmp_path):
    _picture(tmp_path, "a.png")
    _picture(tmp_path, "deep/b.png", "blue")
    raw = pd.DataFrame({"title": list("wxyz"), "image": ["a.png", "deep/b.png", "", "a.png"]})
    products, images = data.clean(raw, tmp_path, _params())
    assert images["image"].tolist() == ["a.png", "deep/b.png"]
    assert images["width"].tolist() == [30, 30]
    records = data.records_from_tables(products, images)
    assert records[0].image.pixels.shape == (16, 16, 3)
    assert (records[0].image.pixels == records[3].image.pixels).all()
    assert tuple(records[1].image.pixels[8, 8]) == (0, 0, 255)
    assert records[2].image is None


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("missing.png", "row 2 (line 3): image missing.png: there is no file"),
        ("broken.png", "row 2 (line 3): image broken.png: looks like a web page"),
        ("../outside.png", "image leads out of the folder"),
        ("/etc/passwd", "image leads out of the folder"),
        ("link.png", "leads out of the folder"),
    ],
)
def test_pictures_that_cannot_be_used_are_named(tmp_path, image, said):
    folder = tmp_path / "pictures"
    _picture(folder, "a.png")
    _picture(tmp_path, "outside.png")
    (folder / "broken.png").write_text("<html>not found</html>")
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    raw = pd.DataFrame({"title": ["x", "y"], "image": ["a.png", image]})
    with pytest.raises(ProductsError) as refused:
        data.clean(raw, folder, _params())
    assert said in str(refused.value)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    raw = pd.DataFrame({"title": ["x"], "image": ["a.png"]})
    with pytest.raises(ProductsError, match=r"products\.data\.images="):
        data.clean(raw, tmp_path / "nowhere", _params())


def test_a_random_split_is_that_of_scikit_learn_after_the_repeats_are_left_out(products):
    rows = data.split(products, _study(sources=["b", "a"], split={"kind": "random", "seed": 3}))
    kept = np.flatnonzero(~products["title"].duplicated())
    _, tested = train_test_split(kept, test_size=0.2, random_state=3)
    assert sorted(rows["row"][rows["role"] == "test"]) == sorted(tested)
    assert sorted(rows["row"]) == kept.tolist()
    assert (rows["fold"] == 0).all()
    assert list(rows.columns) == ["study", "row", "fold", "role"]


def test_folds_are_those_of_scikit_learn_and_one_more_has_everything(products):
    rows = data.split(products, _study(sources=["a"], split={"kind": "cross_validation"}))
    own = products[products["source"] == "a"]
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(own, own["category"])
    for fold, (train, tested) in enumerate(folds):
        block = rows[rows["fold"] == fold]
        assert sorted(block["row"][block["role"] == "test"]) == tested.tolist()
        assert sorted(block["row"][block["role"] == "train"]) == train.tolist()
    last = rows[rows["fold"] == data.EVERYTHING]
    assert sorted(last["row"]) == list(range(40))
    assert (last["role"] == "train").all()


def test_rare_and_missing_categories_are_spread_over_the_folds(products):
    few = products.iloc[:20].assign(category=["A"] * 12 + ["B"] * 3 + [""] * 5)
    rows = data.split(few, _study(split={"kind": "cross_validation", "folds": 4}))
    tested = rows[(rows["role"] == "test")]
    assert sorted(tested["row"]) == list(range(20))
    assert tested.groupby("fold").size().tolist() == [5, 5, 5, 5]


def test_a_given_split_is_taken(products):
    rows = data.split(products, _study(sources=["a"], split={"kind": "given"}, deduplicate=False))
    assert rows["row"][rows["role"] == "test"].tolist() == list(range(0, 40, 4))


def test_helpers_are_never_tested_and_repeat_no_title_of_the_study(products):
    rows = data.split(products, _study(sources=["a"], helped_by=["b", "a"]))
    helpers = rows[rows["role"] == "helper"]
    assert helpers["row"].tolist() == list(range(40, 50))  # 50 to 59 have titles of a
    assert set(rows["row"][rows["role"] == "test"]) < set(range(40))


@pytest.mark.parametrize(
    ("study", "said"),
    [
        ({"sources": ["c"]}, "no products of source 'c'; there are: a, b"),
        ({"split": {"kind": "cross_validation", "folds": 40}}, "do not suffice for 40 folds"),
        ({"sources": ["b"], "helped_by": ["d"]}, "source 'd'"),
    ],
)
def test_a_split_that_cannot_be_made_says_why(products, study, said):
    with pytest.raises(ProductsError, match=said):
        data.split(products, _study(**study))


def test_a_given_split_without_test_rows_says_what_it_needs(products):
    with pytest.raises(ProductsError, match="part is test"):
        data.split(products.assign(part=""), _study(split={"kind": "given"}))


def test_category_words_can_be_hidden(products):
    one = products.iloc[:1].assign(title="Blue Skirts", category="Apparel", subcategory="Skirts")
    images = pd.DataFrame({"image": [], "width": [], "height": [], "pixels": []})
    assert data.records_from_tables(one, images)[0].title == "Blue Skirts"
    assert data.records_from_tables(one, images, hide_category_words=True)[0].title == "Blue"


def test_a_file_that_is_named_and_not_the_one_that_was_read_is_refused(tmp_path):
    read = tmp_path / "sample_products.csv"
    read.write_text("title\nMug\n")
    with pytest.raises(ProductsError, match="command line alone"):
        clean_files(read, tmp_path, tmp_path / "none", _params(file="/shop/mine.csv"))
    cleaned = clean_files(read, tmp_path, tmp_path / "none", _params(file=str(read)))
    assert (len(cleaned.products), len(cleaned.pairs)) == (1, 0)
