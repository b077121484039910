"""Trains the folds of one study: folds times seeds, each network resumable by itself."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize_scalar

from crisol.core.training.checkpoints import fingerprint
from crisol.core.training.loop import TensorBatches, train
from crisol.core.training.seeding import seeded
from crisol.models.signals.answers.familiarity import fit_familiarity
from crisol.models.signals.bar_clock import BarClock
from crisol.models.signals.data.forecasts import ENSEMBLE, MEMBER, SHUFFLED, forecast_table
from crisol.models.signals.data.prepare import Fold, windows
from crisol.models.signals.methods.calibration import (
    Offset,
    balance_offset,
    best_hold_shift,
    class_weights,
    weighted_log_loss,
)
from crisol.models.signals.network_params import NetworkParams
from crisol.models.signals.networks.architectures import make_network
from crisol.models.signals.networks.ensemble import Ensemble
from crisol.models.signals.networks.losses import signal_loss
from crisol.models.signals.networks.member import CLASSES, MemberNetwork, freeze
from crisol.models.signals.params import StudyParams, TrainParams
from crisol.models.signals.predictor import Record, SignalsPredictor
from crisol.models.signals.transfer import check_same_shape, knows

logger = logging.getLogger(__name__)

_MOVE_LIMIT = 3.0


@dataclass(frozen=True)
class FoldFit:
    """One fold's networks, with their calibration."""

    networks: list[MemberNetwork]
    chosen: list[int]
    temperature: float
    offset: Offset
    trainable_share: float


@dataclass(frozen=True)
class _Data:
    """The arrays of one study, row by row: windows [R, T, F], labels [R], moves [R]."""

    windows: np.ndarray
    labels: np.ndarray
    moves: np.ndarray

    def batches(self, rows: np.ndarray, size: int, *, shuffle: bool, seed: int) -> TensorBatches:
        tensors = {
            "windows": torch.from_numpy(self.windows[rows]),
            "labels": torch.from_numpy(self.labels[rows]),
            "moves": torch.from_numpy(self.moves[rows]),
        }
        return TensorBatches(tensors, size, shuffle=shuffle, seed=seed)


class StudyTraining:
    """Trains the folds of one study."""

    def __init__(
        self,
        study: StudyParams,
        bars: pd.DataFrame,
        samples: pd.DataFrame,
        network: NetworkParams,
        train: TrainParams,
        checkpoints: Path,
        source: SignalsPredictor | None,
    ) -> None:
        self.study, self.bars, self.samples, self.network = study, bars, samples, network
        self.params, self.train = train.of_study(study.name), train
        self.checkpoints, self.source = checkpoints, source
        scale = samples["scale"].to_numpy() * np.sqrt(study.horizon_bars)
        moves = samples["next_return"].to_numpy() / np.maximum(scale, 1e-9)
        self.data = _Data(
            windows(bars, samples, network),
            samples["label"].to_numpy(np.int64),
            np.clip(moves, -_MOVE_LIMIT, _MOVE_LIMIT).astype(np.float32),
        )
        self.history: list[pd.DataFrame] = []

    def fit_fold(self, fold: Fold) -> FoldFit:
        """Train the fold's networks; choose members and temperature on its validation part."""
        networks: list[MemberNetwork] = []
        source, share = self._source(fold), 1.0
        for index in range(self.study.seeds):
            label = f"{self.study.name}.fold{fold.number}.seed{index}"
            network, share = self._train(fold, self.data, self.params.seed + index, label, source)
            networks.append(network)
        offset = balance_offset(self.data.labels[fold.train], self.params.balance)
        weights = class_weights(self.data.labels[fold.train], self.params.balance)
        losses = [
            weighted_log_loss(
                self._probabilities([n], fold.valid, 1.0, offset), self._valid(fold), weights
            )
            for n in networks
        ]
        chosen = sorted(int(i) for i in np.argsort(losses)[: self.study.ensemble])
        members = [networks[i] for i in chosen]

        def loss_at(log_temperature: float) -> float:
            p = self._probabilities(members, fold.valid, float(np.exp(log_temperature)), offset)
            return weighted_log_loss(p, self._valid(fold), weights)

        best = minimize_scalar(loss_at, bounds=(np.log(0.25), np.log(8.0)), method="bounded")
        temperature = float(np.exp(best.x))
        if self.params.tune_hold:
            valid = self._probabilities(members, fold.valid, temperature, offset)
            shift = temperature * best_hold_shift(valid, self._valid(fold))
            offset = (offset[0], offset[1] - shift, offset[2])
        return FoldFit(networks, chosen, temperature, offset, share)

    def _source(self, fold: Fold) -> SignalsPredictor | None:
        """The champion to start from, unless it was trained on bars of the fold's test part."""
        if self.source is None or not knows(self.source, self.samples, fold):
            return self.source
        logger.warning(
            "%s.fold%d: starts from random weights, since the champion learned from bars until %s, "
            "on which this fold is tested",
            self.study.name,
            fold.number,
            self.source.description.trained_until,
        )
        return None

    def _train(
        self,
        fold: Fold,
        data: _Data,
        seed: int,
        label: str,
        source: SignalsPredictor | None = None,
    ) -> tuple[MemberNetwork, float]:
        params = self.params.model_copy(update={"seed": seed})
        with seeded(seed, "signals"):
            network, share = make_network(self.network), 1.0
        if source is not None:
            check_same_shape(source.description.network, self.network)
            network.load_state_dict(source.network(0).state_dict())
            share = freeze(network, self.train.freeze)
        else:
            network.normalise.fit(data.windows[fold.train])
            counts = np.bincount(data.labels[fold.train], minlength=CLASSES)
            network.start_at(counts / counts.sum())
        result = train(
            network,
            loss=signal_loss(params),
            train_data=data.batches(fold.train, params.batch_size, shuffle=True, seed=seed),
            valid_data=data.batches(fold.valid, 4 * params.batch_size, shuffle=False, seed=seed),
            params=params,
            checkpoints=self.checkpoints,
            fingerprint=fingerprint(
                rows=self.samples["row"].to_numpy()[fold.train],
                windows=data.windows[fold.train],
                labels=data.labels[fold.train],
                valid=self.samples["row"].to_numpy()[fold.valid],
                freeze=[] if source is None else list(self.train.freeze),
                start={name: value.numpy() for name, value in network.state_dict().items()},
            ),
            label=label,
        )
        self.history.append(result.history)
        return result.network.cpu(), share  # type: ignore[return-value]

    def forecast(self, fold: Fold, fitted: FoldFit) -> list[pd.DataFrame]:
        """Forecasts of each network, and of the chosen ones together, for the fold's test part."""
        members = [fitted.networks[i] for i in fitted.chosen]
        groups: list[tuple[str, int, list[MemberNetwork]]] = [
            (MEMBER, index, [network]) for index, network in enumerate(fitted.networks)
        ]
        groups.append((ENSEMBLE, -1, members))
        return [
            forecast_table(
                self.study.name,
                self.samples["row"].to_numpy()[fold.test],
                fold.number,
                seed,
                name,
                self._probabilities(networks, fold.test, fitted.temperature, fitted.offset),
            )
            for name, seed, networks in groups
        ]

    def leakage_test(self, fold: Fold) -> pd.DataFrame:
        """Forecasts of a network trained on shuffled labels: at chance unless something leaks."""
        rows = np.concatenate([fold.train, fold.valid])
        shuffled = np.random.default_rng(self.params.seed).permutation(rows)
        labels, moves = self.data.labels.copy(), self.data.moves.copy()
        labels[rows], moves[rows] = labels[shuffled], moves[shuffled]
        data = _Data(self.data.windows, labels, moves)
        network, _ = self._train(
            fold, data, self.params.seed, f"{self.study.name}.fold{fold.number}.shuffled"
        )
        return forecast_table(
            self.study.name,
            self.samples["row"].to_numpy()[fold.test],
            fold.number,
            -1,
            SHUFFLED,
            self._probabilities(
                [network],
                fold.test,
                1.0,
                balance_offset(self.data.labels[fold.train], self.params.balance),
            ),
        )

    def predictor(
        self,
        fold: Fold,
        fitted: FoldFit,
        forecasts: pd.DataFrame,
        clocks: Mapping[str, BarClock],
    ) -> SignalsPredictor:
        """The fold's chosen networks as a predictor, with the study's forecasts as its record."""
        ensemble = forecasts[forecasts.model == ENSEMBLE]
        classes = ensemble[["p_sell", "p_hold", "p_buy"]].to_numpy().argmax(1)
        seen = np.concatenate([fold.train, fold.valid])
        until = self.samples["target_time"].iloc[seen].max()
        if self.source is not None:  # what the champion saw, its heir has seen too
            until = max(until, pd.Timestamp(self.source.description.trained_until))
        return SignalsPredictor.from_networks(
            [fitted.networks[i] for i in fitted.chosen],
            fit_familiarity(self.data.windows[fold.train]),
            study=self.study.name,
            clocks=clocks,
            temperature=fitted.temperature,
            offset=fitted.offset,
            trained_until=until.isoformat(),
            trainable_share=fitted.trainable_share,
            record=Record(ensemble["row"].to_numpy(), classes.astype(np.int64)),
        )

    def _valid(self, fold: Fold) -> np.ndarray:
        return np.asarray(self.data.labels[fold.valid])

    def _probabilities(
        self,
        networks: Sequence[MemberNetwork],
        rows: np.ndarray,
        temperature: float,
        offset: Offset,
    ) -> np.ndarray:
        ensemble = Ensemble(networks, temperature, offset).eval()
        x = torch.from_numpy(self.data.windows[rows])
        with torch.inference_mode():
            parts = [ensemble(part) for part in torch.split(x, 2048)]
        return np.asarray(torch.cat(parts).double())
