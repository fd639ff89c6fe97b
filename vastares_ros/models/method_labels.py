# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Names of the methods, apart from their networks, so that they are known without importing torch."""

from __future__ import annotations

LABELS = {
    "va_sta_reslstm": "ResLSTM+SA+VA-TA",
    "reslstm_sa_ta_hn": "ResLSTM+SA+TA-hn",
    "reslstm_sa_ta_wa": "ResLSTM+SA+TA-WA",
    "lstm_sa_va_ta": "LSTM+SA+VA-TA",
    "lstm_sa": "LSTM+SA",
    "lstm": "LSTM",
    "gru": "GRU",
    "rnn": "RNN",
    "mlp": "MLP",
    "transformer": "Transformer",
    "gpr": "GPR",
    "lwpr": "LWPR",
}
"""Method -> the name of its row in the tables of [1]; `models.methods.METHODS` has the rest."""
