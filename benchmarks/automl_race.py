"""AutoML beside AutoGluon and FLAML: the same rows, one core each and the same seconds.

    python benchmarks/automl_race.py [adult california breast_cancer diabetes wine digits
        amazon_price facebook] --peer-python PYTHON [--contenders auto autogluon flaml]
        [--seconds 200] [--seed 0] [--core 0] [--mirror FOLDER] [--csv FILE] [--keep FOLDER]

The peers live in an environment of their own, whose Python ``--peer-python`` names
(``pip install autogluon.tabular[all] flaml[automl]``). A contender is fitted in one process on
``train.csv`` and answers ``test.csv``, which has no target, in another that loads its saved model.
Both are pinned to one core. All minimise log-loss or RMSE. ``--csv`` appends each result and skips
those that are there: a race that was stopped resumes.

Figures: accuracy, AUC and log-loss, or RMSE, of the held-out rows; the median milliseconds of one
row alone, from named cells to the answer, the model loaded; megabytes of the saved model
(AutoGluon's after ``clone_for_deployment``); seconds of the whole fit.

Tables: Adult with its official test file; a fifth held out of the others. ``amazon_price`` is the
log of the price of amazon.in's products from rating, votes, categories and the title's words;
``facebook`` the log of a post's interactions from what is known when it is posted. The counts of
reach, clicks and likes are left out of it, since they are parts of the answer.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

PEERS = ("autogluon", "flaml")
CONTENDERS = ("auto", *PEERS)
TABLES = (
    "adult", "california", "breast_cancer", "diabetes", "wine", "digits", "amazon_price",
    "facebook",
)  # fmt: skip
WARM_ROWS, TIMED_ROWS = 3, 60
BATCH_ROWS = 1000
DOLLARS = 1e5
OVERTIME = 6
"""A contender may take so many times its seconds, and then is stopped."""
HEAD = (
    "table", "seed", "contender", "seconds", "train_rows", "test_rows", "accuracy", "auc",
    "log_loss", "rmse", "row_ms", "megabytes", "fit_s", "made_of",
)  # fmt: skip


# -- tables ----------------------------------------------------------------------------------------


def table_of(name: str, seed: int, mirror: Path) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Training rows, test rows and target of a table."""
    if name == "adult":
        return _adult(mirror / "tabular" / "adult")
    frame, target = _whole(name, mirror)
    shuffled = frame.sample(frac=1, random_state=seed)
    if frame[target].dtype.kind not in "fiu":
        place = shuffled.groupby(target).cumcount()
        held_out = place % 5 == 0
    else:
        held_out = pd.Series(np.arange(len(frame)) % 5 == 0, index=shuffled.index)
    return shuffled[~held_out], shuffled[held_out], target


def _adult(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    from crisol.models.tabular.data.sources import ADULT_COLUMNS

    parts = []
    for part in ("train", "test"):
        frame = pd.read_csv(
            folder / f"adult-{part}.csv",
            names=list(ADULT_COLUMNS),
            na_values="?",
            skipinitialspace=True,
            comment="|",
        )
        parts.append(frame.assign(income=frame["income"].str.rstrip(".")))
    return parts[0], parts[1], "income"


def _whole(name: str, mirror: Path) -> tuple[pd.DataFrame, str]:
    if name == "california":
        frame = pd.read_csv(mirror / "tabular" / "california_housing" / "cal_housing.data")
        target = "median_house_value"
        return frame.assign(**{target: frame[target] / DOLLARS}), target
    if name == "amazon_price":
        return _amazon(mirror / "products" / "amazon_in" / "amazon_in_products.csv"), "log_price"
    if name == "facebook":
        path = mirror / "posts" / "facebook_metrics" / "dataset_Facebook.csv"
        frame = pd.read_csv(path, sep=";")
        known = ["Page_T_Likes", "Type", "Category", "Month", "Weekday", "Hour", "Paid"]
        return frame[known].assign(log_interactions=np.log1p(frame["T_Interactions"])), (
            "log_interactions"
        )
    from sklearn import datasets

    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    if name != "diabetes":
        frame["target"] = "class " + frame["target"].astype(int).astype(str)
    return frame, "target"


def _amazon(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path).drop_duplicates("name")
    price, votes, rating = (
        pd.to_numeric(frame[name].astype(str).str.replace(r"[₹,]", "", regex=True), errors="coerce")
        for name in ("discount_price", "no_of_ratings", "ratings")
    )
    found = frame[["name", "main_category", "sub_category"]].assign(
        rating=rating, votes=votes, log_price=np.log1p(price)
    )
    return found[price > 0]


# -- our contender ---------------------------------------------------------------------------------


def fit_auto(case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """``algorithm: auto`` with its defaults, on one worker; every row given is a training row."""
    from crisol.models.tabular.data.prepare import clean
    from crisol.models.tabular.data.source_table import ROW
    from crisol.models.tabular.params import DataParams, ModelParams, TrainParams
    from crisol.models.tabular.training import fit

    data = DataParams(target=case["target"], task=case["kind"])
    cleaned = clean(folder / "train.csv", data)
    parts = pd.DataFrame({"row": cleaned.rows[ROW].to_numpy(np.int64), "part": "train"})
    auto = {"time_budget_s": case["seconds"], "workers": 1}
    with tempfile.TemporaryDirectory() as checkpoints:
        fitted = fit(
            cleaned.rows,
            cleaned.images,
            parts,
            cleaned.schema_table,
            data,
            ModelParams.model_validate({"auto": auto}),
            TrainParams(seed=case["seed"]),
            Path(checkpoints),
        )
    fitted.predictor.save(folder / "model")
    board = fitted.leaderboard
    inside = board[(board["weight"] > 0) & (board["trial"] >= 0)]
    members = " ".join(f"{row.algorithm}:{row.weight:.2f}" for row in inside.itertuples())
    return {"made_of": members, "trials": int((board["trial"] >= 0).sum())}


def answer_auto(case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The saved predictor's answers to rows as they would be sent."""
    from crisol.models.tabular.predictor import TabularPredictor

    predictor = TabularPredictor.load(folder / "model")
    rows = pd.read_csv(folder / "test.csv")
    columns = predictor.schema.features
    sent = [
        {column.name: _sent(column, row[column.name]) for column in columns}
        for row in rows.to_dict("records")
    ]

    def ask(some: Sequence[dict[str, Any]]) -> Any:
        request = predictor.request_type.model_validate({"rows": some})
        return predictor.predict([request])[0].predictions

    found: list[Any] = []
    for at in range(0, len(sent), BATCH_ROWS):
        for one in ask(sent[at : at + BATCH_ROWS]):
            if case["kind"] == "regression":
                found.append(one.prediction)
            else:
                found.append([one.probabilities[name] for name in case["classes"]])
    np.save(folder / "answers.npy", np.array(found))
    alone = []
    for at in range(WARM_ROWS + TIMED_ROWS):
        began = time.perf_counter()
        ask([sent[at % len(sent)]])
        alone.append(1000 * (time.perf_counter() - began))
    return {"row_ms": float(np.median(alone[WARM_ROWS:]))}


def _sent(column: Any, cell: Any) -> Any:
    """A cell as it would be sent: a number, a word, true or false, or nothing."""
    if cell != cell or column.kind == "number":
        return None if cell != cell else cell
    word = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
    return word in _words_for_yes(column.true_word) if column.kind == "boolean" else word


def _words_for_yes(true_word: str | None) -> list[str]:
    """The words that are true in a column."""
    from crisol.core.data.cells.words import SEVERAL

    return (true_word or "").split(SEVERAL)


# -- the race --------------------------------------------------------------------------------------


def run(
    name: str, contender: str, arguments: argparse.Namespace, folder: Path
) -> dict[str, Any] | None:
    """Fit, answer and score one contender on one table; ``None``: it failed, and said why."""
    train, test, target = table_of(name, arguments.seed, arguments.mirror)
    regression = train[target].dtype.kind in "fiu"
    classes = [] if regression else sorted(train[target].astype(str).unique())
    case = {
        "target": target,
        "kind": "regression" if regression else "classification",
        "classes": classes,
        "seconds": arguments.seconds,
        "seed": arguments.seed,
    }
    (folder / "case.json").write_text(json.dumps(case))
    train.to_csv(folder / "train.csv", index=False)
    test.drop(columns=target).to_csv(folder / "test.csv", index=False)
    began = time.perf_counter()
    if not _step("fit", contender, folder, arguments):
        return None
    fit_s = time.perf_counter() - began
    if not _step("answer", contender, folder, arguments):
        return None
    told = json.loads((folder / "fit.json").read_text())
    told |= json.loads((folder / "answer.json").read_text())
    answers = np.load(folder / "answers.npy")
    files = (file for file in (folder / "model").rglob("*") if file.is_file())
    return {
        "table": name,
        "seed": arguments.seed,
        "contender": contender,
        "seconds": arguments.seconds,
        "train_rows": len(train),
        "test_rows": len(test),
        **_scores(test[target], answers, classes),
        "row_ms": round(told["row_ms"], 3),
        "megabytes": round(sum(file.stat().st_size for file in files) / 1e6, 3),
        "fit_s": round(fit_s, 1),
        "made_of": told["made_of"],
    }


def _step(step: str, contender: str, folder: Path, arguments: argparse.Namespace) -> bool:
    """Run one step on one core, in a process of its own."""
    here = Path(__file__)
    if contender == "auto":
        program = [sys.executable, str(here), "--step", step, "--folder", str(folder)]
    else:
        peers = str(here.with_name("automl_peers.py"))
        program = [str(arguments.peer_python), peers, step, contender, str(folder)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    try:
        done = subprocess.run(
            ["taskset", "-c", str(arguments.core), *program],
            env={**os.environ, **threads},
            timeout=OVERTIME * arguments.seconds + 600,
            capture_output=True,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        print(f"{contender}: {step} took too long and was stopped", file=sys.stderr)
        return False
    if done.returncode:
        print(f"{contender}: {step} failed:\n{done.stderr[-3000:]}", file=sys.stderr)
    return done.returncode == 0


def _scores(
    truth: "pd.Series[Any]", answers: np.ndarray[Any, Any], classes: Sequence[str]
) -> dict[str, float]:
    if not classes:
        wrong = truth.to_numpy(float) - answers
        return {"rmse": round(float(np.sqrt((wrong**2).mean())), 5)}
    from crisol.models.tabular.auto import metrics

    codes = np.searchsorted(list(classes), truth.astype(str).to_numpy())
    names: tuple[metrics.Metric, ...] = ("accuracy", "auc", "log_loss")
    return {
        name: round(metrics.shown(name, metrics.loss(name, codes, answers)), 5) for name in names
    }


def shown(rows: Sequence[dict[str, Any]]) -> str:
    """The results as a table, and how many times quicker and smaller than each peer ours is."""
    frame = pd.DataFrame(rows, columns=list(HEAD)).drop(columns=["made_of", "seed"])
    text = frame.to_string(index=False, na_rep="")
    found = {(row["table"], row["contender"]): row for row in rows}
    for (name, peer), row in found.items():
        ours = found.get((name, "auto"))
        if peer in PEERS and ours:
            quicker, smaller = (row[what] / ours[what] for what in ("row_ms", "megabytes"))
            text += f"\n{name}: {quicker:.1f} times quicker and {smaller:.1f} times smaller than "
            text += peer
    return text


def _known(path: Path | None) -> list[dict[str, Any]]:
    if path is None or not path.is_file():
        return []
    return pd.read_csv(path).to_dict("records")  # type: ignore[return-value]


def race(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Every contender on every table, but those whose results are known."""
    rows = _known(arguments.csv)
    done = {(r["table"], r["seed"], r["contender"], float(r["seconds"])) for r in rows}
    for name in arguments.tables or TABLES:
        for contender in arguments.contenders:
            if (name, arguments.seed, contender, arguments.seconds) in done:
                continue
            with tempfile.TemporaryDirectory(prefix="crisol-race-") as folder:
                row = run(name, contender, arguments, Path(folder))
                if row is None:
                    continue
                if arguments.keep:
                    arguments.keep.mkdir(parents=True, exist_ok=True)
                    kept = arguments.keep / f"{name}-{contender}-{arguments.seconds:g}.json"
                    kept.write_text((Path(folder) / "fit.json").read_text())
            rows.append(row)
            print(json.dumps(row), flush=True)
            if arguments.csv:
                _append(arguments.csv, row)
    return rows


def _append(path: Path, row: dict[str, Any]) -> None:
    new = not path.is_file()
    with path.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, HEAD)
        if new:
            writer.writeheader()
        writer.writerow(row)


def main() -> None:
    """Race, or take one step of our own contender."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []])
    parser.add_argument("--peer-python", type=Path)
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--seconds", type=float, default=200.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--mirror", type=Path, default=os.environ.get("CRISOL_DATA_MIRROR"))
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--keep", type=Path, help="a folder for the leaderboards of the fits")
    parser.add_argument("--step", choices=("fit", "answer"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        case = json.loads((arguments.folder / "case.json").read_text())
        told = {"fit": fit_auto, "answer": answer_auto}[arguments.step](case, arguments.folder)
        (arguments.folder / f"{arguments.step}.json").write_text(json.dumps(told, default=str))
        return
    if arguments.mirror is None:
        parser.error("--mirror (or CRISOL_DATA_MIRROR) names the folder with the tables")
    if set(arguments.contenders) & set(PEERS) and arguments.peer_python is None:
        parser.error("--peer-python names the Python of the peers' environment")
    print(shown(race(arguments)))


if __name__ == "__main__":
    main()
