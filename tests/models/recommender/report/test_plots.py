"""What the figures show of the numbers they are given."""

import numpy as np
import pandas as pd

from crisol.models.recommender.report import plots


def test_the_long_tail_adds_up_to_everything_from_the_most_popular_down():
    counts = np.array([1, 6, 3])
    figure = plots.long_tail(counts, {"popularity": np.array([0, 4, 0])})
    shown = {line.get_label(): line.get_ydata().tolist() for line in figure.axes[0].lines}
    assert shown == {"events": [0.6, 0.9, 1.0], "popularity": [1.0, 1.0, 1.0]}


def test_points_that_nearly_meet_are_named_once():
    curve = [
        {"diversity": value, "NDCG@10": 0.2, "intra-list diversity": variety}
        for value, variety in ((0.0, 0.5), (0.1, 0.501), (0.5, 0.7), (1.0, 0.7))
    ]
    figure = plots.diversity_accuracy(curve, 10)
    names = [text.get_text() for text in figure.axes[0].texts]
    assert [name for name in names if name[:1].isdigit()] == ["0", "0.5"]


def test_a_map_takes_items_from_popular_to_rare_and_leaves_out_those_without_a_vector():
    counts = np.arange(5000)[::-1]
    placed = np.ones(5000, dtype=bool)
    placed[:10] = False
    shown = plots.map_items(counts, placed)
    assert len(shown) == plots.MAP_ITEMS
    assert shown[0] == 10
    assert shown[-1] == 4999
    assert (np.diff(shown) > 0).all()
    assert plots.map_items(counts[:20], placed[:20]).tolist() == list(range(10, 20))


def test_a_map_puts_like_items_together_every_time_in_the_same_way():
    rng = np.random.default_rng(0)
    centres = np.eye(3, 8).repeat(12, axis=0)
    vectors = (centres + rng.normal(scale=0.05, size=centres.shape)).astype(np.float32)
    places = plots.project(vectors)
    np.testing.assert_array_equal(places, plots.project(vectors))
    group = np.arange(36) // 12
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    nearest = np.where(np.eye(36, dtype=bool), np.inf, apart).argmin(axis=1)
    assert (group[nearest] == group).all()
    assert plots.project(vectors[:2]).shape == (2, 2)
    assert plots.project(vectors[:1]).shape == (1, 2)


def test_each_network_of_a_study_has_its_learning_curves():
    history = pd.DataFrame(
        {
            "label": ["shop.lightgcn.search", "shop.lightgcn.final", "shop.attention.final", "other.lightgcn.final"],  # noqa: E501
            "epoch": 1,
            "train_loss": 0.5,
            "valid_loss": np.nan,
        }
    )  # fmt: skip
    drawn = plots._learning_curves("shop", history)
    assert list(drawn) == ["shop_lightgcn_learning_curves", "shop_attention_learning_curves"]
    empty = history.iloc[:0]
    assert plots._learning_curves("shop", empty) == {}
