# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

from collections import Counter

import numpy as np
import torch

from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.experiment import EXPERIMENTS, TUNED, attention_weights, chosen, default_test
from vastares_ros.training.experiment_cells import CellResult
from vastares_ros.training.fit import fit


def test_tune_tries_as_much_for_every_method_and_chooses_on_validation():
    rows = EXPERIMENTS["tune"](TrainConfig())
    count = Counter(config.model for config in rows.values())
    assert set(count) == set(TUNED) and set(count.values()) == {8}
    assert len({repr(config) for config in rows.values()}) == len(rows)
    errors = dict.fromkeys(rows, 1.0)
    errors[list(rows)[3]] = errors[list(rows)[-1]] = 0.5
    made = [CellResult(row, 0, [], {}, {}, {}, error, "N·m", [], 1.0, 1, "") for row, error in errors.items()]
    best = chosen(made, rows)
    assert best["lstm"] == list(rows)[3] and best["va_sta_reslstm"] == list(rows)[-1]
    assert best["gru"] == min(row for row in rows if row.startswith("GRU"))


def test_the_rows_are_those_of_the_paper():
    rows = {name: make(TrainConfig()) for name, make in EXPERIMENTS.items()}
    assert list(rows["ablation"])[-1] == "ResLSTM+SA+VA-TA" and len(rows["ablation"]) == 5
    assert not rows["ablation"]["LSTM+SA"].network.residual
    assert len(rows["activations"]) == 12 and rows["activations"]["SR+T"].network.spatial_activation == "selu"
    assert [c.network.hidden_layers for c in rows["layers"].values()] == [1, 2, 3, 4, 5, 6]
    assert list(rows["compare"])[-1] == "ResLSTM+SA+VA-TA" and "LSTM+SA" not in rows["compare"]
    assert all(c.epochs == 7 for c in EXPERIMENTS["compare"](TrainConfig(epochs=7)).values())
    base = TrainConfig(network=NetworkConfig(hidden=8))
    assert all(c.network.hidden == 8 for c in EXPERIMENTS["ablation"](base).values())


def test_the_last_fifth_is_held_out_where_nothing_is_named(dataset, make_episode):
    assert default_test(dataset.episodes) == ("three",)
    assert default_test((make_episode("long", samples=2500), *dataset.episodes)) == ("two", "three")
    assert default_test(dataset.episodes[:1]) == ()


def test_attention_weights_are_averages_over_windows(dataset):
    config = TrainConfig(network=NetworkConfig(window=8, hidden=4, hidden_layers=1), epochs=1)
    bundle = fit(dataset, config, torch.device("cpu"), test=["three"])
    weights = attention_weights(bundle, dataset.episodes[2:])
    assert {k: w.shape for k, w in weights.items()} == {"spatial": (2, 8, 4), "temporal": (2, 8, 4), "velocity": (2, 4)}
    np.testing.assert_allclose(weights["spatial"].mean(axis=-1), 1.0, rtol=1e-5)
