import dataclasses

import numpy as np
import pandas as pd
import pytest

from crisol.core.candidate import Evaluation
from crisol.core.errors import MendableError
from crisol.core.study_verdicts import TITLE
from crisol.models.recommender import training
from crisol.models.recommender.data import prepare as data
from crisol.models.recommender.data import sample
from crisol.models.recommender.data.histories import Histories
from crisol.models.recommender.data.prepare import histories_before
from crisol.models.recommender.data.studies import clean_tables, split_studies
from crisol.models.recommender.evaluation import evaluate
from crisol.models.recommender.method_params import HYBRID, WITHOUT
from crisol.models.recommender.methods.transitions import fit_transitions
from crisol.models.recommender.params import DataParams, ModelParams, TrainParams
from crisol.models.recommender.predictor import RecommenderPredictor
from crisol.models.recommender.report.champion import champion_scores
from crisol.models.recommender.report.results import study_results
from crisol.models.recommender.study_params import StudyParams

METHODS = ("popularity", "filter", "transitions", "content", "attention")


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    return data.clean(*sample.tables())


@pytest.fixture(scope="module")
def params(tables) -> tuple[DataParams, ModelParams, TrainParams]:
    study = StudyParams(name="sample", source=str(tables[0]["source"].iloc[0]))
    return (
        DataParams.model_validate(
            {
                "studies": [study],
                "register_study": "sample",
                "synthetic": True,
                "gate_against": ["popularity"],
                "gate": {"metric": "mean", "resamples": 100},
            }
        ),
        ModelParams.model_validate(
            {
                "methods": METHODS,
                "filter": {"dimensions": 16},
                "attention": {"dimensions": 8, "heads": 2},
            }
        ),
        TrainParams.model_validate({"attention": {"epochs": 2, "batch_size": 512}}),
    )


@pytest.fixture(scope="module")
def events(tables, params) -> pd.DataFrame:
    return data.split(*tables, params[0].studies[0])


@pytest.fixture(scope="module")
def fitted(events, tables, params, tmp_path_factory) -> training.Fit:
    return training.fit(events, tables[1], *params, tmp_path_factory.mktemp("checkpoints"))


def test_every_method_and_every_ablation_ranks_every_tested_user(fitted, events) -> None:
    tested, _ = histories_before(events, "test")
    by_method = dict(list(fitted.rankings.groupby("method")))
    expected = {*METHODS, HYBRID, *(WITHOUT + method for method in METHODS)}
    assert set(by_method) == expected
    for table in by_method.values():
        assert table["user"].tolist() == tested.users.tolist()


def test_no_list_holds_what_the_user_had(fitted, events) -> None:
    tested, _ = histories_before(events, "test")
    had = {(int(u), int(i)) for u, i in zip(tested.users[tested.rows], tested.items, strict=True)}
    places = [name for name in fitted.rankings if name.startswith("rank_")]
    for _, row in fitted.rankings[fitted.rankings["method"] == HYBRID].iterrows():
        assert not {(row["user"], row[place]) for place in places} & had


def test_what_is_tested_teaches_nothing(fitted, events, tables, params, tmp_path) -> None:
    """With other test events everything that was learned is the same, network included."""
    changed = events.copy()
    test = np.flatnonzero(changed["part"] == "test")
    items = changed["item"].to_numpy(copy=True)
    items[test] = np.roll(items[test], 7)
    again = training.fit(changed.assign(item=items), tables[1], *params, tmp_path / "checkpoints")
    learned = ["label", "epoch", "train_loss"]
    pd.testing.assert_frame_equal(again.history[learned], fitted.history[learned])
    # Whose new test item is one they had is not tested any more; the others' lists are the same.
    left = fitted.rankings[fitted.rankings["user"].isin(again.rankings["user"])]
    pd.testing.assert_frame_equal(again.rankings, left.reset_index(drop=True))
    first, second = fitted.predictor.save(tmp_path / "a"), again.predictor.save(tmp_path / "b")
    weights = {p.name: p.read_bytes() for p in first.glob("*.safetensors")}
    assert weights
    assert weights == {p.name: p.read_bytes() for p in second.glob("*.safetensors")}


@pytest.fixture(scope="module")
def evaluation(fitted, events, tables, params):
    return evaluate(
        fitted.predictor,
        fitted.predictor,
        events,
        tables[1],
        fitted.rankings,
        fitted.history,
        params[0],
        data.clean_users(sample.users(sample.tables()[0])),
    )


def test_the_predictor_is_what_was_measured(fitted, events, tables, params, evaluation) -> None:
    """Its own lists, made afresh, give the candidate's score of every user."""
    [result] = study_results(events, tables[1], fitted.rankings, params[0])
    scores = evaluation.scores
    assert scores["candidate"].tolist() == champion_scores(fitted.predictor, result).tolist()
    assert scores["champion"].tolist() == scores["candidate"].tolist()
    assert scores["row"].is_unique
    assert set(params[0].gate_against) < set(scores.columns)
    assert evaluation.metrics["sample.hybrid.ndcg"] == pytest.approx(scores["candidate"].mean())


def test_the_hybrid_is_far_above_popularity(evaluation) -> None:
    scores = evaluation.scores
    assert scores["candidate"].mean() > 2 * scores["popularity"].mean()


def test_more_diversity_is_more_varied(evaluation) -> None:
    curve = pd.DataFrame(evaluation.report.tables["diversity against accuracy (predictor)"])
    assert curve["intra-list diversity"].is_monotonic_increasing
    assert curve["NDCG change"].iloc[0] == 0


def test_explanations_pass_the_deletion_test(evaluation) -> None:
    [row] = evaluation.report.tables["explanations: what is lost when the named events are deleted"]
    assert row["cases"] > 100
    assert row["difference_low"] > 0
    assert row["share_larger"] > 0.7


def test_users_of_an_event_or_two_are_evaluated_too(tmp_path) -> None:
    """Nothing can be deleted from such histories; the report says so and the run goes on."""
    rng, count = np.random.default_rng(0), 400
    raw = pd.DataFrame(
        {
            "user": [f"u{n // 2}" for n in range(count)],
            "item": [f"i{item}" for item in rng.integers(0, 15, count)],
            "time": [f"2024-01-{1 + n % 2 * 14 + n // 2 % 14:02d}T10:00:00Z" for n in range(count)],
        }
    )
    events, items = data.clean(raw, pd.DataFrame({"item": []}, dtype=str))
    split = {"kind": "temporal"}
    study = StudyParams.model_validate({"name": "s", "source": "shop", "split": split})
    params = DataParams(studies=(study,), register_study="s", gate_against=("popularity",))
    rows = data.split(events, items, study)
    methods = {"methods": ["popularity", "filter"], "filter": {"dimensions": 8}}
    model = ModelParams.model_validate(methods)
    short = training.fit(rows, items, params, model, TrainParams(), tmp_path)
    found = evaluate(short.predictor, None, rows, items, short.rankings, short.history, params)
    assert not [name for name in found.report.tables if name.startswith("explanations")]
    assert not [name for name in found.metrics if name.startswith("explanations")]
    assert any("too short" in limit for limit in found.report.limits)


def test_the_report_tells_for_whom_the_hybrid_works(evaluation) -> None:
    groups = pd.DataFrame(evaluation.report.tables["sample: for whom the hybrid works"])
    groups = groups.set_index("users with")
    assert list(groups.index) == sorted(groups.index)
    assert {"card:no", "card:yes", *(f"region:{name}" for name in sample.REGIONS)} == set(
        groups.index
    )
    ndcg = groups["hybrid's NDCG@10"]
    assert ndcg["card:yes"] < ndcg["card:no"]
    assert (ndcg > groups["popularity"]).all()


def test_made_up_events_are_called_so(evaluation) -> None:
    assert evaluation.report.synthetic
    assert "made-up" in evaluation.report.headline
    assert "synthetic" in evaluation.report.data[0]


def test_a_champion_of_another_catalogue_is_told_and_not_compared(
    fitted, events, tables, params, evaluation
) -> None:
    predictor, items = fitted.predictor, len(fitted.predictor.catalogue)
    other = dataclasses.replace(
        predictor.catalogue, ids=tuple(f"other-{position}" for position in range(items))
    )
    champion = RecommenderPredictor(
        other, predictor.users, predictor.interactions, predictor.hybrid, study="other"
    )
    judged = evaluate(
        predictor, champion, events, tables[1], fitted.rankings, fitted.history, params[0]
    )
    assert "champion" not in judged.scores
    [limit] = [limit for limit in judged.report.limits if "champion" in limit]
    assert "it knows 0 of the " in limit
    assert not [limit for limit in evaluation.report.limits if "champion" in limit]


def test_a_setting_that_does_not_fit_a_small_catalogue_is_told(
    events, tables, params, tmp_path
) -> None:
    data_params, _, train = params
    model = ModelParams.model_validate(
        {"methods": ["popularity", "filter"], "filter": {"dimensions": 5000}}
    )
    made = training.fit(events, tables[1], data_params, model, train, tmp_path)
    [note] = made.adjustments["note"]
    assert "filter.dimensions asks for 5,000 singular vectors" in note
    judged = evaluate(
        made.predictor, None, events, tables[1], made.rankings, made.history, data_params,
        adjustments=made.adjustments,
    )  # fmt: skip
    assert note in judged.report.data
    assert {"changed": note} in judged.report.tables["parameters that did not fit the data"]


def test_lists_of_other_users_are_refused(fitted, events, tables, params) -> None:
    other = fitted.rankings.assign(user=fitted.rankings["user"] + 1)
    with pytest.raises(ValueError, match="other users"):
        study_results(events, tables[1], other, params[0])


def test_a_saved_predictor_answers_the_same(fitted, tmp_path) -> None:
    loaded = RecommenderPredictor.load(fitted.predictor.save(tmp_path / "predictor"))
    assert loaded.golden
    assert loaded.replay_golden(1e-6) == []


def test_a_protocol_may_forbid_to_fit_again(events, tables, params, tmp_path) -> None:
    """Then what ranks for the test has learned from the part train alone."""
    data_params, _, train = params
    model = ModelParams.model_validate({"methods": ["popularity", "transitions", "content"]})
    [study] = data_params.studies
    once = data_params.model_copy(update={"studies": (study.model_copy(update={"refit": False}),)})
    fixed = training.fit(events, tables[1], once, model, train, tmp_path)
    again = training.fit(events, tables[1], data_params, model, train, tmp_path)
    only = data.interactions(events, ("train",), len(tables[1]))
    history = Histories.of([only.histories.row(3).tolist()])
    expected = fit_transitions(only, fixed.predictor.catalogue, model.transitions).score(history)
    assert (fixed.predictor.hybrid.scorers["transitions"].score(history) == expected).all()
    assert (again.predictor.hybrid.scorers["transitions"].score(history) != expected).any()


def test_methods_that_were_not_fitted_again_are_stored_as_they_are(
    events, tables, params, tmp_path
) -> None:
    """Though the predictor knows more of its users than they learned from."""
    data_params, _, train = params
    methods = ["popularity", "filter", "ease", "transitions", "content"]
    model = ModelParams.model_validate({"methods": methods, "filter": {"dimensions": 16}})
    [study] = data_params.studies
    once = data_params.model_copy(update={"studies": (study.model_copy(update={"refit": False}),)})
    predictor = training.fit(events, tables[1], once, model, train, tmp_path).predictor
    loaded = RecommenderPredictor.load(predictor.save(tmp_path / "predictor"))
    assert loaded.replay_golden(1e-6) == []
    history = predictor.interactions.histories.take(np.arange(20))
    for name, scorer in predictor.hybrid.scorers.items():
        np.testing.assert_allclose(
            loaded.hybrid.scorers[name].score(history), scorer.score(history), rtol=1e-6
        )


def test_a_hybrid_without_a_space_is_refused_before_training(events, tables, params, tmp_path):
    model = ModelParams.model_validate({"methods": ["popularity", "transitions"]})
    with pytest.raises(MendableError, match="add one of: filter"):
        training.fit(events, tables[1], params[0], model, params[2], tmp_path)


SORTED = {"rows": "rows", "sorted": "none"}


@pytest.fixture(scope="module", params=SORTED)
def without_times(request, tmp_path_factory) -> tuple[pd.DataFrame, training.Fit, Evaluation]:
    """The sample without its times, in its own order and sorted by user and item."""
    raw, items = sample.tables()
    raw = raw.drop(columns="time")
    if request.param == "sorted":
        raw = raw.sort_values(["user", "item"])
    params = DataParams.model_validate(
        {
            "studies": [{"name": "one", "source": "sample"}, {"name": "two", "source": "sample"}],
            "register_study": "one",
            "gate_against": ["popularity", "transitions"],
            "gate": {"metric": "mean", "resamples": 100},
        }
    )
    methods = ["popularity", "filter", "ease", "transitions", "content"]
    model = ModelParams.model_validate({"methods": methods, "filter": {"dimensions": 16}})
    tables = clean_tables(raw, items, pd.DataFrame(), params)
    rows, notes = split_studies(tables[0], tables[1], tables[3], params)
    made = training.fit(
        rows, tables[1], params, model, TrainParams(), tmp_path_factory.mktemp("checkpoints")
    )
    judged = evaluate(
        made.predictor, None, rows, tables[1], made.rankings, made.history, params, None,
        made.parts, notes,
    )  # fmt: skip
    assert set(rows["order"]) == {SORTED[request.param]}
    return rows, made, judged


def test_sorted_events_are_told_and_nothing_reads_their_order(without_times) -> None:
    rows, made, judged = without_times
    drawn = bool((rows["order"] == "none").all())
    told = " ".join([*judged.report.data, *judged.report.limits])
    assert ("sorted by item" in told) is drawn
    assert ("The events had no order" in told) is drawn
    assert ("oldest first" in told) is not drawn
    assert ("transitions" in set(made.rankings["method"])) is not drawn
    assert ("transitions" in judged.scores) is not drawn
    assert ("transitions is left out" in " ".join(made.adjustments["note"])) is drawn
    assert "popularity" in judged.scores
    for name, scorer in made.predictor.hybrid.scorers.items():
        if drawn and name in ("filter", "ease", "content"):
            one, other = ([3, 5, 9], [9, 3, 5])
            known = Histories.of([one]), Histories.of([other])
            np.testing.assert_allclose(*(scorer.score(h) for h in known), rtol=1e-5)


def test_the_report_tells_which_parts_the_hybrid_holds(without_times) -> None:
    _, made, judged = without_times
    rows = judged.report.tables["one: the hybrid's methods, chosen on validation"]
    held = {row["method"] for row in rows if row["in the hybrid"] == "yes"}
    assert held == set(made.predictor.hybrid.scorers)
    assert all(row["why"] for row in rows)
    dropped = [row for row in rows if row["in the hybrid"] == "no"]
    assert all("were better" in row["why"] and row["its gain"] < 0 for row in dropped)


def test_every_study_has_a_verdict(without_times) -> None:
    judged = without_times[2]
    rows = judged.report.tables[TITLE]
    assert [row["study"] for row in rows] == ["one", "two"]
    assert [row["becomes the version"] for row in rows] == ["yes", "no"]
    assert {row["verdict"] for row in rows} <= {"passed", "refused"}
