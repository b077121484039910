"""A bundle has neither pandas nor scikit-learn: models are read and answer without them."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from tests.models.tabular.algorithms.tables import context, features, part

from crisol.models.tabular.algorithm import algorithm
from crisol.models.tabular.features.encoded_rows import Part

READ = """
import json, sys
for name in {blocked}:
    sys.modules[name] = None
from pathlib import Path
import numpy as np
from crisol.models.tabular.algorithm import algorithm
from crisol.models.tabular.features.encoded_rows import Features
asked = json.loads(Path("asked.json").read_text())
table = Features(
    np.array(asked["numbers"], float), np.array(asked["codes"], np.int32),
    np.array(asked["texts"], object), None, *(tuple(names) for names in asked["names"]),
)
model = algorithm({name!r}).read(Path("model"), asked["state"])
np.save("said.npy", model.predict(table))
"""
ALWAYS = ["pandas", "sklearn", "matplotlib", "joblib"]


@pytest.mark.parametrize(
    ("name", "blocked"),
    [
        ("linear", [*ALWAYS, "scipy"]),
        ("random_forest", [*ALWAYS, "scipy"]),
        ("kmeans", [*ALWAYS, "scipy"]),
        ("hdbscan", [*ALWAYS, "scipy"]),
        ("lightgbm", ALWAYS),
        ("xgboost", ALWAYS),
    ],
)
def test_answers_with_what_a_bundle_has(name, blocked, tmp_path):
    kind = algorithm(name)
    train, where = part(120, "classification", 1), context("classification")
    if "clustering" in kind.tasks:
        train, where = Part(train.features, None), replace(where, task="clustering", classes=())
    settings = {"lightgbm": {"max_iterations": 5}, "xgboost": {"max_iterations": 5}}.get(name, {})
    settings |= {"hdbscan": {"min_cluster_size": 3}, "random_forest": {"trees": 3}}.get(name, {})
    model = kind.fit(kind.settings_type(**settings), train, None, where).model
    table = features(9, 2, missing=False)
    table.numbers[:, 3] = 0.0  # JSON has no NaN
    (tmp_path / "model").mkdir()
    asked = {
        "numbers": table.numbers.tolist(),
        "codes": table.codes.tolist(),
        "texts": table.texts.tolist(),
        "names": [table.number_names, table.code_names, table.cardinalities, table.text_names],
        "state": model.write(tmp_path / "model"),
    }
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    script = READ.format(blocked=blocked, name=name)
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, timeout=120)
    np.testing.assert_array_equal(np.load(tmp_path / "said.npy"), model.predict(table))
