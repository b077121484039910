"""Algorithms that group rows."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from tests.models.tabular.algorithms.tables import context

from crisol.core.errors import MendableError
from crisol.models.tabular.algorithm import OutOfTime, algorithm
from crisol.models.tabular.features.encoded_rows import UNSEEN, Features, Part
from crisol.models.tabular.settings import HDBSCANSettings, KMeansSettings

CENTRES = np.array([[0, 0], [8, 0], [0, 8]])


def blobs(rows: int, seed: int = 0) -> tuple[Features, np.ndarray]:
    """Three round groups far apart, the third with a word of its own, and a number of no use."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, rows)
    numbers = CENTRES[truth] + rng.normal(size=(rows, 2))
    numbers = np.column_stack([numbers * [1, 1000], np.full(rows, 3.0)])
    numbers[::50, 1] = np.nan
    codes = np.where(truth == 2, 3, 2)[:, None].astype(np.int32)
    none = np.empty((rows, 0), object)
    return Features(numbers, codes, none, None, ("x", "y", "same"), ("word",), (4,), ()), truth


def fitted(name, rows=450, settings=None, **changes):
    kind = algorithm(name)
    features, _ = blobs(rows, 1)
    clustering = replace(context("classification", **changes), task="clustering", classes=())
    return kind.fit(settings or kind.settings_type(), Part(features, None), None, clustering)


@pytest.mark.parametrize("name", ["kmeans", "hdbscan"])
def test_finds_the_groups_and_reads_back_to_the_same(name, tmp_path):
    from sklearn.metrics import adjusted_rand_score

    fit = fitted(name)
    assert fit.facts["clusters"] == 3
    features, truth = blobs(300, 2)
    said = fit.model.predict(features)
    assert said.dtype == np.float64
    inside = said >= 0
    assert inside.mean() > 0.9
    assert adjusted_rand_score(truth[inside], said[inside]) > 0.97
    state = json.loads(json.dumps(fit.model.write(tmp_path)))
    again = algorithm(name).read(tmp_path, state)
    np.testing.assert_array_equal(again.predict(features), said)
    np.testing.assert_array_equal(again.predict(features.take(slice(7, 8))), said[7:8])
    np.testing.assert_array_equal(fitted(name).model.predict(features), said)


@pytest.mark.parametrize("name", ["kmeans", "hdbscan"])
def test_answers_gaps_and_unknown_words(name):
    features, _ = blobs(10, 3)
    features.numbers[:] = np.nan
    features.codes[:] = UNSEEN
    assert np.isin(fitted(name).model.predict(features), [-1, 0, 1, 2]).all()


def test_a_row_far_from_every_group_belongs_to_none():
    features, _ = blobs(3, 4)
    features.numbers[:, :2] = [[0, 0], [100, 0], [4, 4000]]
    features.codes[:] = 2
    said = fitted("hdbscan").model.predict(features)
    assert said[0] >= 0
    assert said[1] == -1


def test_rows_in_a_cluster_keep_it():
    """The answer to the rows it was fitted on is scikit-learn's, noise at the rims aside."""
    from sklearn.cluster import HDBSCAN

    model = fitted("hdbscan").model
    features, _ = blobs(450, 1)
    theirs = HDBSCAN(9, min_samples=9, copy=True).fit_predict(model.space.transform(features))
    inside = theirs >= 0
    np.testing.assert_array_equal(model.predict(features)[inside], theirs[inside])


def test_the_number_of_clusters_can_be_given():
    model = fitted("kmeans", settings=KMeansSettings(clusters=5)).model
    assert len(model.centres) == 5


@pytest.mark.parametrize(
    ("name", "settings", "rows", "says"),
    [
        ("kmeans", KMeansSettings(clusters=50), 20, "there are 20"),
        ("kmeans", KMeansSettings(), 2, "give settings.clusters"),
        ("hdbscan", HDBSCANSettings(min_cluster_size=50), 20, "more than the 20 rows"),
        ("hdbscan", HDBSCANSettings(min_cluster_size=20), 20, "use algorithm: kmeans"),
    ],
)
def test_too_few_rows_are_refused_with_a_way_out(name, settings, rows, says):
    with pytest.raises(MendableError, match=says):
        fitted(name, rows, settings)


@pytest.mark.parametrize("name", ["kmeans", "hdbscan"])
def test_rows_that_are_all_alike_are_refused(name):
    features, _ = blobs(1, 1)
    kind = algorithm(name)
    clustering = replace(context("classification"), task="clustering", classes=())
    same = Part(features.take(np.zeros(30, np.intp)), None)
    with pytest.raises(MendableError, match="all alike"):
        kind.fit(kind.settings_type(), same, None, clustering)


@pytest.mark.parametrize("name", ["kmeans", "hdbscan"])
def test_a_deadline_in_the_past_is_out_of_time(name):
    with pytest.raises(OutOfTime):
        fitted(name, deadline=time.monotonic() - 1)
