"""Sections that do not fit each other are refused before anything is trained."""

import pandas as pd
import pytest

from crisol.core.errors import MendableError
from crisol.models.recommender import training
from crisol.models.recommender.params import DataParams, ModelParams, TrainParams


@pytest.mark.parametrize(
    ("data", "model", "message"),
    [
        (
            {},
            {"methods": ["popularity", "content"], "by_study": {"yours": {}}},
            "by_study: 'yours' is not a study",
        ),
    ],
)
def test_sections_that_do_not_fit_are_refused_before_training(data, model, message, tmp_path):
    section = {"register_study": "mine", "studies": [{"name": "mine"}], **data}
    with pytest.raises(MendableError, match=message):
        training.fit(
            pd.DataFrame(),
            pd.DataFrame(),
            DataParams.model_validate(section),
            ModelParams.model_validate(model),
            TrainParams(),
            tmp_path,
        )
