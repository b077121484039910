"""Judging trained models on held-out rows."""

import json

import numpy as np
import pandas as pd
import pytest
from tests.models.tabular.judging import QUICK, evaluated, parts_of, table, trained

from crisol.core.candidate import GateRule
from crisol.models.tabular.data.prepare import clean
from crisol.models.tabular.data.source_table import PART, ROW
from crisol.models.tabular.data.tables import schema_of
from crisol.models.tabular.evaluation import gate_rule
from crisol.models.tabular.params import DataParams
from crisol.models.tabular.schema import Column, Schema
from crisol.registry.release.gate import decide

BOOSTER = {"booster": ("lightgbm", QUICK)}
PAIR = {"lightgbm-0": ("lightgbm", QUICK), "xgboost-1": ("xgboost", {"max_iterations": 40})}


@pytest.fixture(scope="module", params=["classification", "three", "regression"])
def judged(request):
    rows, schema = table(request.param)
    predictor = trained(rows, schema, PAIR)
    champion = trained(rows, schema, {"linear-0": ("linear", {})})
    return request.param, rows, predictor, evaluated(predictor, rows, schema, champion)


def test_the_report_is_complete_and_is_json(judged):
    task, _, _, evaluation = judged
    report = evaluation.report
    tables = json.loads(json.dumps(report.tables, allow_nan=False))
    for rows in tables.values():
        assert len({tuple(row) for row in rows}) == 1, "every row of a table has the same columns"
    models = [row["model"] for row in tables["Held-out rows"]]
    members = ["lightgbm-0", "xgboost-1"]
    assert models == ["this model", *members, "linear", "guessing", "champion"]
    chief = {"regression": "rmse"}.get(task, "accuracy")
    for name in (chief, f"{chief}_low", f"{chief}_high", f"linear.{chief}", "latency_p95_ms"):
        assert np.isfinite(report.metrics[name])
    assert report.metrics[f"{chief}_low"] < report.metrics[chief] < report.metrics[f"{chief}_high"]
    assert "linear model" in report.headline
    assert any("333 training rows" in sentence for sentence in report.data)


def test_the_figures_are_those_of_scikit_learn(judged):
    from sklearn import metrics

    task, rows, predictor, evaluation = judged
    held_out = rows[parts_of(rows)["part"].to_numpy() == "test"].reset_index(drop=True)
    said = predictor.ensemble.predict(predictor.encoder.transform(held_out))
    truth = predictor.encoder.target(held_out)
    found = evaluation.metrics
    if task == "regression":
        assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(truth, said))
        assert found["mae"] == pytest.approx(metrics.mean_absolute_error(truth, said))
        assert found["r2"] == pytest.approx(metrics.r2_score(truth, said))
        return
    best = said.argmax(1)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, best))
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(truth, best))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(truth, said))
    if task == "three":
        assert found["f1"] == pytest.approx(metrics.f1_score(truth, best, average="macro"))
        area = metrics.roc_auc_score(truth, said, multi_class="ovr")
    else:
        assert found["precision"] == pytest.approx(metrics.precision_score(truth, best))
        assert found["brier"] == pytest.approx(2 * metrics.brier_score_loss(truth, said[:, 1]))
        area = metrics.roc_auc_score(truth, said[:, 1])
    assert found["auc"] == pytest.approx(area)
    assert found["auc_low"] < area < found["auc_high"]


def test_importance_finds_what_decides(judged):
    _, _, _, evaluation = judged
    title = next(t for t in evaluation.report.tables if t.startswith("What the answers depend on"))
    loss = {row["column"]: row["increase of the loss"] for row in evaluation.report.tables[title]}
    assert set(loss) == {"age", "hours", "luck", "trade"}
    assert min(loss["age"], loss["hours"], loss["trade"]) > 5 * abs(loss["luck"])
    assert evaluation.report.tables["Do permutation and SHAP agree"][0]["rank correlation"] > 0.7


def test_the_gate_reads_the_scores(judged):
    task, rows, predictor, evaluation = judged
    scores = evaluation.scores
    assert list(scores) == ["row", "group", "truth", "candidate", "guessing", "champion"]
    assert len(scores) == (parts_of(rows)["part"] == "test").sum()
    rule = gate_rule(predictor.schema, DataParams())
    decision = decide(scores, rule, champion="the champion")
    assert decision.passed, decision.sentences
    backwards = scores.assign(candidate=scores["guessing"], guessing=scores["candidate"])
    assert not decide(backwards, rule).passed
    assert rule.metric == {"regression": "r2"}.get(task, "accuracy")


def test_the_same_inputs_give_the_same_metrics_but_for_times():
    rows, schema = table("classification", 200)
    predictor = trained(rows, schema, BOOSTER)
    one, two = (evaluated(predictor, rows, schema).metrics for _ in range(2))
    timeless = {name for name in one if not name.endswith("_ms")}
    assert {name: one[name] for name in timeless} == {name: two[name] for name in timeless}
    assert timeless == {name for name in two if not name.endswith("_ms")}


def test_the_reader_is_told_where_a_linear_model_does_as_well():
    rows, schema = table("regression")
    rows["target"] = 3 * rows["luck"] + 0.1 * rows["hours"]
    evaluation = evaluated(trained(rows, schema, BOOSTER), rows, schema)
    assert "A linear model does better" in evaluation.report.headline
    assert any("algorithm: linear is smaller" in limit for limit in evaluation.report.limits)
    assert decide(evaluation.scores, GateRule(metric="r2")).passed
    itself = evaluated(trained(rows, schema, {"one": ("linear", {})}), rows, schema)
    assert "does better" not in itself.report.headline


def test_a_model_that_learned_nothing_says_so_and_is_refused():
    rows, schema = table("classification")
    rows["target"] = rows["target"].sample(frac=1, random_state=0).to_numpy()
    evaluation = evaluated(trained(rows, schema, BOOSTER), rows, schema)
    assert any("does not surely beat guessing" in limit for limit in evaluation.report.limits)
    assert not decide(evaluation.scores, GateRule()).passed


def test_rare_classes_can_be_judged_by_likelihood():
    rows, schema = table("classification", 900)
    rng = np.random.default_rng(5)
    often = rng.random(900) < np.where(rows["luck"] > 0, 0.3, 0.002)
    rows["target"] = np.where(often, "mid", "low")
    predictor = trained(rows, schema, {"one": ("linear", {})})
    plain = evaluated(predictor, rows, schema)
    told = [limit for limit in plain.report.limits if "data.gate" in limit]
    assert len(told) == 1
    assert not decide(plain.scores, GateRule()).passed
    gate = {"metric": "mean", "label": "log-likelihood"}
    likely = evaluated(predictor, rows, schema, gate=gate)
    assert decide(likely.scores, GateRule(**gate)).passed


def test_a_champion_that_answers_other_questions_is_left_out_with_the_reason():
    rows, schema = table("classification", 200)
    predictor = trained(rows, schema, BOOSTER)
    renamed = schema.model_copy(
        update={"columns": (Column(name="height", kind="number"), *schema.columns[1:])}
    )
    other = trained(rows.rename(columns={"age": "height"}), renamed, BOOSTER)
    evaluation = evaluated(predictor, rows, schema, champion=other)
    assert "champion" not in evaluation.scores
    assert any("it needs the column 'height'" in limit for limit in evaluation.report.limits)


def test_the_champions_classes_are_put_in_order():
    rows, schema = table("three", 300)
    predictor = trained(rows, schema, BOOSTER)
    two = rows[rows["target"] != "low"].reset_index(drop=True)
    columns = (
        *schema.columns[:-1],
        schema.columns[-1].model_copy(update={"categories": ("mid", "top")}),
    )
    champion = trained(two, schema.model_copy(update={"columns": columns}), BOOSTER)
    scores = evaluated(predictor, rows, schema, champion=champion).scores
    assert set(scores["champion"]) == {1, 2}
    inside = scores[scores["truth"] > 0]
    assert (inside["champion"] == inside["truth"]).mean() > 0.7


def test_out_of_fold_answers_stand_beside_the_held_out_ones():
    rows, schema = table("three", 200)
    predictor = trained(rows, schema, BOOSTER)
    words = np.array(["low", "mid", "top"])
    truth = words[np.arange(60) % 3]
    forecasts = pd.DataFrame({"row": np.arange(60), "truth": truth, "answer": "low"})
    for code in range(3):
        forecasts[f"p_{code}"] = [0.8, 0.1, 0.1][code]
    evaluation = evaluated(predictor, rows, schema, forecasts=forecasts)
    shown = evaluation.report.tables["Training rows out of fold, and held-out rows"]
    assert shown[0]["rows"].startswith("out of fold (a little too good")
    assert shown[0]["accuracy"] == pytest.approx(1 / 3, abs=1e-3)
    assert shown[1]["accuracy"] == pytest.approx(evaluation.metrics["accuracy"], abs=1e-3)


def test_groups_are_resampled_together():
    rows, schema = table("classification", 240)
    columns = (*schema.columns, Column(name="family", kind="category", role="group"))
    grouped = schema.model_copy(update={"columns": columns})
    rows["family"] = np.arange(240) // 12
    predictor = trained(rows, grouped, BOOSTER)
    scores = evaluated(predictor, rows, grouped).scores
    assert scores["group"].nunique() == 20
    assert scores["row"].is_unique


def test_intervals_of_few_groups_are_called_too_narrow():
    rows, schema = table("classification", 240)
    columns = (*schema.columns, Column(name="family", kind="category", role="group"))
    grouped = schema.model_copy(update={"columns": columns})
    rows["family"] = np.arange(240) % 4
    limits = evaluated(trained(rows, grouped, BOOSTER), rows, grouped).report.limits
    assert any("of 4 groups: the intervals" in text for text in limits)
    plain = evaluated(trained(rows, schema, BOOSTER), rows, schema).report.limits
    assert not any("the intervals" in text for text in plain)


@pytest.mark.parametrize("name", ["kmeans", "hdbscan"])
def test_clusters_are_judged_beside_rows_dealt_out_at_random(name):
    rows, schema = table("clustering", 360)
    rng = np.random.default_rng(1)
    rows["age"] = 30.0 + 30 * (np.arange(360) // 3 % 2) + rng.normal(size=360)
    rows["hours"] = np.where(rows["age"] > 45, 20.0, 50.0) + rng.normal(size=360)
    rows["trade"] = np.where(rows["age"] > 45, "smith", "baker")
    predictor = trained(rows, schema, {"one": (name, {})})
    evaluation = evaluated(predictor, rows, schema, champion=predictor)
    found = evaluation.metrics
    assert found["silhouette_low"] < found["silhouette"] < found["silhouette_high"]
    assert found["silhouette"] > 0.3 > found["guessing.silhouette"]
    assert found["stability"] > 0.6
    rule = gate_rule(predictor.schema, DataParams())
    assert decide(evaluation.scores, rule, champion="the champion").passed
    assert set(evaluation.figures) == {"clusters", "silhouettes"}
    json.dumps(evaluation.report.tables, allow_nan=False)
    assert evaluation.report.tables["Held-out rows"][0]["silhouette"] == pytest.approx(
        found["silhouette"], abs=1e-4
    )


def test_the_gate_can_be_set():
    rule = GateRule(metric="macro_f1")
    _, schema = table("classification", 30)
    assert gate_rule(schema, DataParams(gate=rule)) == rule


def test_made_up_rows_are_called_so_and_repeated_rows_are_told():
    rows, schema = table("classification", 200)
    predictor = trained(rows, schema, BOOSTER)
    rows.loc[3:50, rows.columns[:5]] = rows.loc[0, rows.columns[:5]].to_numpy()
    report = evaluated(predictor, rows, schema, synthetic=True).report
    assert report.synthetic
    assert report.headline.startswith("On made-up rows")
    assert "synthetic" in report.data[0]
    assert any("features of a training row" in limit for limit in report.limits), report.limits
    real = evaluated(predictor, rows, schema).report
    assert not real.synthetic
    assert "made-up" not in real.headline


def test_texts_are_judged_and_their_words_told():
    rng = np.random.default_rng(0)
    own = {"bad": ["late", "broken"], "good": ["nice", "fast"]}
    target = rng.choice(["bad", "good"], 150)
    said = [f"the {rng.choice(own[word])} parcel {rng.choice(['was', 'it'])}" for word in target]
    rows = pd.DataFrame({"note": said, "target": target})
    rows[ROW], rows[PART] = np.arange(1, 151), pd.Series([None] * 150, dtype=object)
    label = Column(name="target", kind="category", role="target", categories=("bad", "good"))
    schema = Schema(task="text", columns=(Column(name="note", kind="text"), label), rows=150)
    report = evaluated(trained(rows, schema, BOOSTER), rows, schema).report
    assert report.metrics["accuracy"] > 0.95
    assert report.metrics["accuracy_low"] < 1
    words = report.tables["Words that speak for a class (linear model)"]
    assert {"late", "broken"} <= set(words[0]["words"].split(", "))
    assert {"nice", "fast"} <= set(words[1]["words"].split(", "))
    assert "depend on" not in " ".join(report.tables)


def test_what_was_assumed_of_a_file_is_in_the_report_and_the_contract(tmp_path):
    lines = [
        f"{'None' if i % 9 == 0 else f'{i % 37} kg'},${i % 37 * 1000 + 500:,}" for i in range(90)
    ]
    table_file = tmp_path / "t.csv"
    table_file.write_text("\n".join(["weight;price", *lines]).replace("kg,", "kg;").replace(
        "None,", "None;"))  # fmt: skip
    cleaned = clean(table_file, DataParams())
    schema = schema_of(cleaned.schema_table)
    assert schema.task == "regression"
    predictor = trained(cleaned.rows, schema, {"linear-0": ("linear", {})})
    limits = evaluated(predictor, cleaned.rows, schema).report.limits
    assert any(said.startswith("weight: 10 cells are no numbers ('None' 10)") for said in limits)
    assert any(said.startswith("price: read in $") for said in limits)
    assert "in kg" in json.dumps(predictor.request_type.model_json_schema())
    request = predictor.request_type.model_validate({"rows": [{"weight": 30}]})
    [answer] = predictor.predict([request])
    assert answer.predictions[0].prediction == pytest.approx(30_500, rel=0.2)
