# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Search for settings on KUKA-I: the network of [1] and its rivals, chosen on one of the runs that the paper trains on.

    vastares prepare --format kuka1 KukaDirectDynamics.mat -o out/kuka1/dataset
    python docs/research/kuka1_search.py out/kuka1/dataset -o out/kuka1/search.jsonl

Each setting differs from the defaults in one field at first, and then in those together that were better alone. All
methods have the same settings of what they have in common. Runs 9 and 10 are not read. What the file holds is not
trained again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from vastares_ros.io.datasets import Dataset, load_dataset
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.experiment import changed
from vastares_ros.training.fit import fit_seeds

METHODS = ("va_sta_reslstm", "lstm", "gru", "rnn", "mlp", "transformer")
SEARCHED = tuple(f"kukatraj{i}" for i in range(1, 9))
SKIP = 127  # samples at the start of a run that are not judged, so that all windows are judged on the same
Settings = Mapping[str, Mapping[str, Any]]
COMMON: Settings = {
    "defaults": {},
    "rate 0.003": {"learning_rate": 0.003},
    "rate 0.001": {"learning_rate": 0.001},
    "no weight decay": {"weight_decay": 0.0},
    "weight decay 0.5": {"weight_decay": 0.5},
    "weight decay 1": {"weight_decay": 1.0},
    "batch 32": {"batch": 32},
    "acceleration": {"network.acceleration": True},  # [1] trains without: not in combinations
}
RECURRENT: Settings = {
    "window 16": {"network.window": 16},
    "window 64": {"network.window": 64},
    "window 128": {"network.window": 128},
    "hidden 16": {"network.hidden": 16},
    "hidden 64": {"network.hidden": 64},
}
OWN: dict[str, Settings] = {
    "va_sta_reslstm": {
        **RECURRENT,
        "velocity own": {"network.velocity": "own"},
        "velocity window": {"network.velocity": "window"},
        "sigmoid lstm": {"network.sigmoid": "lstm"},
        "sigmoid sum": {"network.sigmoid": "sum"},
        "softmax over time": {"network.temporal_axis": "time"},
        "no rescale": {"network.rescale": False},
        "1 hidden layer": {"network.hidden_layers": 1},
        "2 hidden layers": {"network.hidden_layers": 2},
    },
    "mlp": {
        "hidden 16": {"network.hidden": 16},
        "hidden 32": {"network.hidden": 32},
        "hidden 128": {"network.hidden": 128},
        "1 layer": {"network.layers": 1},
        "3 layers": {"network.layers": 3},
    },
    "transformer": {
        "window 16": {"network.window": 16},
        "window 64": {"network.window": 64},
        "width 16": {"network.width": 16, "network.feedforward": 32},
        "width 64": {"network.width": 64, "network.feedforward": 128},
        "1 layer": {"network.layers": 1},
    },
}
COMBINED = 2  # combinations: of the best two changes, and of the best three


def main() -> None:
    """Train what is missing, and print the best settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--validation", default="kukatraj7", choices=SEARCHED, help="trained on: the others of 1 to 8")
    parser.add_argument(
        "--cutoff", type=float, default=10.0, help="of the low-pass [Hz]; figures of two do not compare"
    )
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--windows", type=int, default=4000, help="windows of an epoch")
    parser.add_argument("--only", nargs="+", help='settings by label, or several in one: "batch 32, window 64"')
    parser.add_argument("-o", "--output", type=Path, default=Path("out/kuka1/search.jsonl"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    dataset = load_dataset(args.dataset)
    dataset = replace(dataset, episodes=dataset.pick(SEARCHED))
    where = {"validation": args.validation, "cutoff_hz": args.cutoff, "epochs": args.epochs, "windows": args.windows}
    for method in args.methods:
        singles = {**COMMON, **OWN.get(method, RECURRENT)}

        def judge(labels: Sequence[str], method: str = method, singles: Settings = singles) -> dict[str, float]:
            return {x: judged(dataset, method, x, together(singles, x), where, args.output) for x in labels}

        found = judge(args.only or list(singles))
        if not args.only:
            found |= judge(combinations(singles, found))
        best = min(found, key=lambda label: found[label])
        print(f"{method}: {best}, {found[best]:.4f}", flush=True)


def combinations(singles: Settings, found: Mapping[str, float]) -> list[str]:
    """The best two changes together, the best three, …; of changes to the same field the best alone counts."""
    better = sorted((x, label) for label, x in found.items() if x < found["defaults"] and label != "acceleration")
    labels: list[str] = []
    seen: set[str] = set()
    for _, label in better:
        if not seen & set(singles[label]):
            labels.append(label)
            seen |= set(singles[label])
    return [", ".join(labels[: 2 + i]) for i in range(min(COMBINED, len(labels) - 1))]


def together(singles: Settings, label: str) -> dict[str, Any]:
    """The changes of all settings that a label names, as `experiment.changed` takes them."""
    fields: dict[str, Any] = {}
    for one in label.split(", "):
        fields |= singles[one]
    inner = {name.removeprefix("network."): x for name, x in fields.items() if name.startswith("network.")}
    return {name: x for name, x in fields.items() if not name.startswith("network.")} | {"network": inner}


def judged(
    dataset: Dataset, method: str, label: str, changes: Mapping[str, Any], where: Mapping[str, Any], file: Path
) -> float:
    """The nmse of a setting on the validation run, averaged over joints: from the file, or trained and put there."""
    key = {"method": method, "setting": label, **where}
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    for row in rows:
        if key.items() <= row.items():
            return float(row["nmse_mean"])
    base = TrainConfig(model=method, epochs=where["epochs"], epoch_windows=where["windows"])
    base = changed(base, {"filter": {"cutoff_hz": where["cutoff_hz"]}, "plateau_patience": 1})
    began = time.process_time()
    (bundle,) = fit_seeds(
        dataset,
        changed(base, changes),
        [0],
        torch.device("cpu"),
        test=[where["validation"]],
        skip=SKIP,
        cross_validate=False,
    )
    result: dict[str, Any] = {"nmse_mean": float("inf"), "diverged": str(bundle)}
    if not isinstance(bundle, Exception):
        scores = bundle.metrics
        result = {"nmse_mean": scores["nmse_mean"]["model"], "nmse": list(scores["nmse"]["model"].values())}
        result["ridge_mean"] = scores["nmse_mean"]["ridge"]
    row = key | {"changes": dict(changes), "core_s": round(time.process_time() - began, 1)} | result
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(row) + "\n")
    print(f"{result['nmse_mean']:.4f}", json.dumps(key), [round(x, 3) for x in result.get("nmse", [])], flush=True)
    return float(result["nmse_mean"])


if __name__ == "__main__":
    main()
