"""The table every model, network or baseline, writes its held-out probabilities into."""

import numpy as np
import pandas as pd

MEMBER, ENSEMBLE, SHUFFLED = "lstm", "lstm_ensemble", "lstm_shuffled_labels"
BASELINES = ("majority", "persistence", "logistic", "gradient_boosting")
"""Names in the ``model`` column of the forecasts."""
BUY_AND_HOLD = "buy_and_hold"
"""Beside them in trading: every instrument is bought at the start and sold at the end."""
PROBABILITIES = ["p_sell", "p_hold", "p_buy"]


def forecast_table(
    study: str, rows: np.ndarray, fold: int, seed: int, model: str, probabilities: np.ndarray
) -> pd.DataFrame:
    """Probabilities [R, 3] as rows of the forecasts table."""
    return pd.DataFrame(
        {
            "study": study,
            "row": rows,
            "fold": fold,
            "seed": seed,
            "model": model,
            "p_sell": probabilities[:, 0],
            "p_hold": probabilities[:, 1],
            "p_buy": probabilities[:, 2],
        }
    )
