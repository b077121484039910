"""Starting from the champion: when that is possible, and when the test would still be one."""

import pandas as pd

from crisol.core.errors import MendableError
from crisol.models.signals.data.prepare import Fold, split
from crisol.models.signals.network_params import NetworkParams
from crisol.models.signals.params import ModelParams, StudyParams, TrainParams
from crisol.models.signals.predictor import SignalsPredictor


class TransferError(MendableError):
    """Training cannot start from the champion; the message says why and what to change."""


def chosen_source(
    train: TrainParams, init_from: SignalsPredictor | None
) -> SignalsPredictor | None:
    """The champion when the parameters ask for it.

    Raises:
        TransferError: they ask, and no version is promoted.
    """
    if train.init_from is None:
        return None
    if init_from is None:
        raise TransferError(
            f"signals.train.init_from is {train.init_from!r} but no version is promoted yet; "
            "promote one (kedro promote signals) or leave init_from out"
        )
    return init_from


def check_transfer(
    champion: SignalsPredictor, samples: pd.DataFrame, study: StudyParams, model: ModelParams
) -> None:
    """Say before the first epoch why the registered study cannot start from the champion.

    Raises:
        TransferError: it has another shape, or learned from the newest test bars.
    """
    check_same_shape(champion.description.network, model.of_study(study.name))
    mine = samples[samples.study == study.name].reset_index(drop=True)
    newest = split(mine, study)[-1]
    if knows(champion, mine, newest):
        first = mine["target_time"].iloc[newest.test].min()
        raise TransferError(
            "signals.train.init_from: the champion learned from bars until "
            f"{champion.description.trained_until}, but study {study.name!r} is tested from "
            f"{first.isoformat()} on, so the test would prove nothing; add newer bars or leave "
            "init_from out"
        )


def knows(champion: SignalsPredictor, samples: pd.DataFrame, fold: Fold) -> bool:
    """Whether the champion learned from bars of the time in which the fold is tested."""
    tested_from = samples["target_time"].iloc[fold.test].min()
    return not tested_from > pd.Timestamp(champion.description.trained_until)


def check_same_shape(champion: NetworkParams, wanted: NetworkParams) -> None:
    """Weights fit only a network that reads the same features and is as wide.

    Raises:
        TransferError: names the parameter that differs.
    """
    for name in ("architecture", "features", "steps", "hidden", "newest_bar_path"):
        there, here = getattr(champion, name), getattr(wanted, name)
        if there != here:
            raise TransferError(
                f"signals.model.{name}: the champion has {there}, the parameters say {here}; "
                "they must agree for train.init_from"
            )
