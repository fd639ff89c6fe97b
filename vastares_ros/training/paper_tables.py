# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What [1] prints: normalised mean squared errors of tables 1 to 6, per joint and as the mean of the table.

KUKA-I is `prepare --format kuka1`, KUKA-II is `kuka2`. The UR5 recordings of [1] (tables 3 and 6) are not public, so
theirs are left out. The means are the paper's, not recomputed; None is what it leaves empty.
"""

from __future__ import annotations

PAPER_SPLITS = {"kuka1": (16_000, 4_000), "kuka2": (13_000, 4_560), "ur5": (15_000, 5_000)}
"""Samples for training, and the next for testing, of the three data sets of [1], section 4.1."""

TABLE_NAMES = ("ablation", "compare", "layers", "activations", "attention", "tune")
"""Experiments that are tables of trainings, in the order of `training.experiment.EXPERIMENTS`."""

EXPERIMENT_NAMES = (*TABLE_NAMES, "physics", "trajectories")

PRINTED: dict[str, dict[str, tuple[float | None, ...]]] = {
    "kuka1": {
        "ResLSTM+SA+TA-hn": (0.1257, 0.0027, 0.0237, 0.0294, 0.0981, 0.1857, 0.0181, 0.0691),
        "ResLSTM+SA+TA-WA": (0.1331, 0.0028, 0.0178, 0.0170, 0.0855, 0.1196, 0.0193, 0.0564),
        "LSTM+SA+VA-TA": (0.0737, 0.0077, 0.0105, 0.0368, 0.0900, 0.1979, 0.0254, 0.0631),
        "ResLSTM+SA+VA-TA": (0.0655, 0.0060, 0.0123, 0.0449, 0.0405, 0.1491, 0.0244, 0.0490),
        "LSTM": (0.3692, 0.0037, 0.0511, 0.0629, 0.0581, 0.2891, 0.0642, 0.1283),
        "GRU": (0.0553, 0.0014, 0.0288, 0.0340, 0.1237, 0.1615, 0.0250, 0.0613),
        "RNN": (0.5203, 0.0036, 0.0096, 0.0270, 0.1585, 0.5209, 0.0272, 0.1810),
        "MLP": (0.5609, 0.0038, 0.0152, 0.0384, 0.0893, 0.1510, 0.0381, 0.1281),
        "Transformer": (0.1355, 0.0071, 0.0741, 0.0907, 0.1943, 0.1799, 0.0430, 0.1035),
    },
    "kuka2": {
        "ResLSTM+SA+TA-hn": (0.6599, 0.8580, 0.3201, 0.4694, 0.5750, 0.1506, 0.2833, 0.4737),
        "ResLSTM+SA+TA-WA": (0.5018, 0.5115, 0.6525, 0.5054, 0.6728, 0.1618, 0.4054, 0.4873),
        "LSTM+SA+VA-TA": (0.2935, 0.6032, 0.3968, 0.5822, 0.5159, 0.1863, 0.1655, 0.3919),
        "ResLSTM+SA+VA-TA": (0.2937, 0.7959, 0.3482, 0.5021, 0.5885, 0.1337, 0.2642, 0.4180),
        "LSTM": (0.5653, 0.9119, 0.5055, 1.5769, 0.5360, 0.2399, 0.8842, 0.7456),
        "GRU": (0.9200, 0.9881, 0.4689, 0.9454, 0.7693, 0.2588, 0.4943, 0.6921),
        "RNN": (0.5151, 0.9832, 0.2465, 0.5556, 0.6730, 0.1922, 0.3628, 0.5040),
        "MLP": (1.2482, 1.4420, 1.5206, 1.1959, 1.3976, 1.0958, 1.1811, 1.2973),
        "Transformer": (0.5987, 0.7193, 0.4102, 0.7878, 0.5468, 0.2516, 0.5661, 0.5543),
    },
}
