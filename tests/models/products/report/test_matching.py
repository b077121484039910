"""Matching the entries of two shops: features of pairs, classifiers, thresholds and splits."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from crisol.models.products.data.validation import PAIR_COLUMNS, ProductsError
from crisol.models.products.report import matching
from crisol.models.products.report.matching import (
    EMBEDDING,
    IN_TABLES,
    MATCHER,
    WITHOUT,
    WORDS,
    best_threshold,
    match_products,
)
from crisol.models.products.report.pair_features import EntryPairs, symbolic
from crisol.models.products.report.pair_words import codes, joined

KINDS = ("camera", "printer", "phone", "speaker")
COLOURS = ("black", "white", "silver")


def entry(side: str, title: str, price: float = np.nan, description: str = "") -> dict:
    values = {"title": title, "description": description, "brand": "", "category": ""}
    return {f"{side}_{name}": value for name, value in (values | {"price": price}).items()}


def table(*titles: tuple[str, str], **more) -> pd.DataFrame:
    rows = [entry("left", a) | entry("right", b) for a, b in titles]
    return pd.DataFrame(rows).assign(source="s", part="train", match=0, **more)


@pytest.fixture(scope="module", autouse=True)
def _few_trees() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "TREES", 30)
        patch.setattr(matching, "ROUNDS", 20)
        yield


@pytest.fixture(scope="module")
def shops() -> pd.DataFrame:
    """Products are equal if their model numbers are, however written; words hardly matter."""
    rng = np.random.default_rng(5)
    rows = []
    for number in range(240):
        kind, code = KINDS[rng.integers(4)], f"qx{rng.integers(100, 999)}"
        same = number % 4 == 0
        other = code if same else f"qx{rng.integers(100, 999)}"
        colours = [COLOURS[rng.integers(3)] for _ in range(2)]
        left = f"acme {kind} {code} {colours[0]}"
        right = f"{colours[1]} acme {kind} {other[:2]}-{other[2:]} digital"
        pair = entry("left", left, 10.0 * (1 + number % 7)) | entry(
            "right", right, description=kind
        )
        part = ("train", "train", "valid", "test")[(number // 4) % 4]
        rows.append({"source": "shops", "part": part, "match": int(same), **pair})
    return pd.DataFrame(rows)[list(PAIR_COLUMNS)]


def embed(records) -> np.ndarray:
    """The letter counts of the titles, in place of the network's embeddings."""
    counts = [[1e-9 + record.title.lower().count(x) for x in "acmeprintqx "] for record in records]
    return np.array(counts) / np.linalg.norm(counts, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def found(shops) -> pd.DataFrame:
    return match_products(shops, embed).set_index("method")


def test_the_matcher_finds_model_numbers_where_cosines_see_like_words(found):
    assert list(found.index) == [EMBEDDING, WORDS, WITHOUT, MATCHER, IN_TABLES]
    for method in (WITHOUT, MATCHER, IN_TABLES):
        assert found.f1[method] > 0.9 > 0.8 > found.f1[EMBEDDING]
    assert (found.pairs == 60).all()
    assert (found.matches == 15).all()


def test_f1_is_that_of_precision_and_recall(found):
    expected = 2 * found.precision * found.recall / (found.precision + found.recall)
    np.testing.assert_allclose(found.f1, expected, atol=2e-4)
    assert ((found.f1_low <= found.f1) & (found.f1 <= found.f1_high)).all()
    assert found.f1_high[EMBEDDING] - found.f1_low[EMBEDDING] > 0.1  # 15 matches tell no more


def test_the_labels_of_the_test_part_change_no_threshold(shops, found):
    turned = shops.assign(match=shops["match"].where(shops["part"] != "test", 1 - shops["match"]))
    again = match_products(turned, embed).set_index("method")
    np.testing.assert_array_equal(again.threshold, found.threshold)
    assert (again.f1 != found.f1).all()


def test_every_source_is_matched_on_its_own(shops, found):
    half = shops.iloc[:160].assign(source="half")
    both = match_products(pd.concat([half, shops]), embed)
    assert both["source"].unique().tolist() == ["half", "shops"]
    alone = both[both["source"] == "shops"].set_index("method").drop(columns="source")
    pd.testing.assert_frame_equal(alone, found.drop(columns="source"))


@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_a_part_without_matches_is_named(shops, part):
    lacking = shops[(shops["part"] != part) | (shops["match"] == 0)]
    with pytest.raises(ProductsError, match=f"{part!r} of 'shops'"):
        match_products(lacking, embed)


def test_model_numbers_agree_however_they_are_written():
    assert codes("Canon CL-51 cl51b/x") == {"cl51", "cl51bx"}
    assert codes("pack of 12 at 2.5 cm") == set()
    for text in ("sennheiser rs120", "sennheiser rs 120", "sennheiser rs-120"):
        assert "rs120" in joined(text)


def measured(left: dict, right: dict) -> dict[str, float]:
    filler = entry("left", "other thing") | entry("right", "something else")
    pairs = EntryPairs.of(pd.DataFrame([left | right, filler]))
    alone, standing = symbolic(pairs)
    return {name: values[0] for name, values in (alone | standing).items()}


def test_equal_entries_agree_in_everything():
    title = "sony headphones mdr-ex85lp 5 m"
    same = measured(entry("left", title, 30.0), entry("right", title, 60.0))
    ones = ["joined_title", "characters", "words", "shared_of_left", "shared_of_right", "jaccard"]
    ones += ["codes", "title_codes", "code_in_left", "code_in_right", "same_first_word"]
    for name in ones:
        assert same[name] == pytest.approx(1), name
    for name in ("alone_left", "alone_most_right", "numbers_left", "all_numbers_right"):
        assert same[name] == 0, name
    assert same["numbers_shared"] == 1
    assert same["price_ratio"] == pytest.approx(np.log(2))
    assert same["joined_title_rank_left"] == 0
    assert same["joined_title_gap_left"] == pytest.approx(1)


def test_what_differs_is_measured():
    left = entry("left", "sony headphones mdrex85lp", description="cable of 3 m")
    found = measured(left, entry("right", "sony headphones mdrex85lpblk in black 3 m", 5.0))
    assert 0.9 < found["codes"] < 1
    assert (found["code_in_right"], found["code_in_left"]) == (1, 0)
    assert (found["numbers_right"], found["numbers_right_in_all"]) == (1, 0)
    assert found["alone_left"] > 0  # its code is a word that the other does not have
    assert found["price_ratio"] == -1


def test_the_standing_in_the_tables_is_that_of_all_comparisons(monkeypatch):
    rng = np.random.default_rng(0)
    titles = [(f"left {n % 7}", f"right {n % 5}") for n in range(20)]
    pairs = EntryPairs.of(table(*titles))
    assert (len(pairs.left.entries), len(pairs.right.entries)) == (7, 5)
    left, right = (rng.random((count, 6)) for count in (7, 5))
    left, right = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (left, right))
    monkeypatch.setattr("crisol.models.products.report.pair_features.BLOCK", 3)
    every = left @ right.T
    for vectors in ((left, right), (csr_matrix(left), csr_matrix(right))):
        found = pairs.standing("it", *vectors)
        for pair in range(20):
            a, b = pair % 7, pair % 5
            gap = every[a, b] - np.delete(every[a], b).max()
            assert found["it_gap_left"][pair] == pytest.approx(gap)
            rank = np.log1p((every[:, b] > every[a, b]).sum())
            assert found["it_rank_right"][pair] == pytest.approx(rank)


def test_the_threshold_is_the_best_of_all():
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 60)
    score = np.round(label * 0.3 + rng.random(60), 1)  # with ties

    def f1(threshold: float) -> float:
        said = score >= threshold
        return 2 * (said & (label == 1)).sum() / (said.sum() + label.sum())

    chosen = best_threshold(score, label)
    assert chosen == max(value for value in score if f1(value) == max(map(f1, score)))
