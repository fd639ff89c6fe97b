# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Write kuka1.md: tables 1 and 4 of [1] on its own recordings, its printed figures beside ours, and its claims.

The recordings are in VASTARES_DATA, or in shared/data beside the checkout. The settings are those of kuka1.yaml, which
kuka1_search.py found. What is in the output folder is read from there.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
from collections.abc import Mapping
from pathlib import Path

import yaml
from results import PROPOSED, RIVALS, Rows, against, best_row, read_table, run

from vastares_ros.io.datasets import is_dataset
from vastares_ros.report.render import markdown
from vastares_ros.report.tables import experiment_table
from vastares_ros.training.paper_tables import PRINTED

SPLITS = {
    "paper": ("--split", "kuka1"),
    "recording": ("--test", "kukatraj9", "kukatraj10", "--validation", "kukatraj8"),
}
TRAINING = {"epochs": 30, "epoch_windows": 4000}
VERDICT = {"better": "holds", "level": "within noise", "worse": "does not hold"}
TUNED = Path(__file__).with_name("kuka1.yaml")


def main() -> None:
    """Run what is missing, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("VASTARES_DATA", beside)))
    parser.add_argument("--cutoffs", type=float, nargs="+", default=[10.0, 4.0], help="of the low-pass [Hz]")
    parser.add_argument("--seeds", type=int, default=5, help="of the tables")
    parser.add_argument("--figure-seeds", type=int, default=1, help="of figures 7 and 8, which have many rows")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, default=Path("out/kuka1"), help="dataset, tables, cache")
    parser.add_argument("--page", type=Path, default=Path(__file__).with_suffix(".md"))
    args = parser.parse_args()
    dataset = args.output / "dataset"
    if not is_dataset(dataset):
        file = str(args.data / "kuka1" / "KukaDirectDynamics.mat")
        run("prepare", "--format", "kuka1", file, "-o", str(dataset))
    parts = [_head(args.seeds, args.figure_seeds)]
    for cutoff in args.cutoffs:
        config = args.output / f"{cutoff:g}hz.yaml"
        config.write_text(yaml.safe_dump(TRAINING | {"filter": {"cutoff_hz": cutoff}}), encoding="utf-8")
        for split, options in SPLITS.items():
            folder = args.output / f"{cutoff:g}hz" / split
            common = [str(dataset), *options, "--config", str(config), "--tuned", str(TUNED), "--jobs", str(args.jobs)]
            named = {"compare": args.seeds, "ablation": args.seeds}
            if (split, cutoff) == ("paper", args.cutoffs[0]):
                named |= {"layers": args.figure_seeds, "activations": args.figure_seeds}
            for name, seeds in named.items():
                _timed(folder / f"{name}_core_s.json", name, *common, "--seeds", str(seeds), "-o", str(folder))
            parts.append(_section(cutoff, split, {name: read_table(folder / f"{name}.json") for name in named}))
    times = [json.loads(file.read_text(encoding="utf-8")) for file in args.output.glob("*hz/*/*_core_s.json")]
    parts.append(f"All trainings of this page took {sum(times) / 3600:.1f} hours of a core.\n")
    args.page.write_text("\n".join(parts), encoding="utf-8")
    print(args.page)


def _timed(file: Path, *arguments: str) -> None:
    """An experiment, with the processor time that its child processes took added to a file."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run("experiment", *arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    spent += json.loads(file.read_text(encoding="utf-8")) if file.exists() else 0
    file.write_text(json.dumps(round(spent, 1)), encoding="utf-8")


def _head(seeds: int, figure_seeds: int) -> str:
    return f"""# KUKA-I, the paper's own recordings

Written by `python docs/research/kuka1.py`. nmse is the mean squared error over the variance of the training torque, by
joint and averaged over joints: mean ± standard deviation over {seeds} seeds (layers and activations: {figure_seeds}).
The figures of [1] are in brackets.

- **Low-pass.** [1] filters by a Butterworth low-pass and gives neither order nor cut-off. Here it is causal, of order
  2, and the torque that is judged is filtered alike. So figures of one cut-off must not stand beside those of another,
  and those of [1] are of an unknown one.
- **Split.** That of [1] trains on the first 16,000 samples, that is runs 1 to 8 but their last 52 samples, and tests on
  the next 4,000. The split by recording trains on runs 1 to 7, chooses the best epoch on run 8, and tests on 9 and 10.
- **Settings** are those of `docs/research/kuka1.yaml`. They were chosen on a run that [1] trains on; see the
  [research log](research.md#kuka-i). Runs 9 and 10 chose nothing.
- A claim *holds* or *does not hold* where the difference is larger than the standard deviations over seeds together.

<!-- test: skip page (needs the recordings, and hours) -->
"""


def _section(cutoff: float, split: str, tables: Mapping[str, Rows]) -> str:
    title = {"paper": "the split of [1]", "recording": "the split by recording"}[split]
    printed = PRINTED["kuka1"] if split == "paper" else None
    lines = [f"## Low-pass at {cutoff:g} Hz, {title}", ""]
    for name, what in (("compare", "Table 4 of [1]"), ("ablation", "Table 1 of [1]")):
        lines += [f"### {what}", "", markdown(experiment_table(tables[name], printed)), ""]
    return "\n".join([*lines, "### Claims", "", *_claims(tables), ""])


def _claims(tables: Mapping[str, Rows]) -> list[str]:
    compare, ablation = tables["compare"], tables["ablation"]
    lines = ["| claim of [1] | here | |", "|---|---|---|"]

    def row(claim: str, table: Rows, other: str) -> None:
        ours, theirs = table[PROPOSED].nmse_mean.mean, table[other].nmse_mean.mean
        lines.append(f"| {claim} | {VERDICT[against(table, PROPOSED, other)]} | {ours:.4f} and {theirs:.4f} |")

    for rival in RIVALS:
        row(f"better than {rival}", compare, rival)
    less = 100 * (1 - compare[PROPOSED].nmse_mean.mean / compare["LSTM"].nmse_mean.mean)
    lines.append(f"| 61.88 % below LSTM | {'holds' if less >= 61.88 else 'does not hold'} | {less:.0f} % |")
    row("residual connections help", ablation, "LSTM+SA+VA-TA")
    row("VA-TA is better than TA-hn", ablation, "ResLSTM+SA+TA-hn")
    row("VA-TA is better than TA-WA", ablation, "ResLSTM+SA+TA-WA")
    for name, theirs, claim in (
        ("layers", "3", "three hidden layers are best"),
        ("activations", "S+SR", "S+SR is best"),
    ):
        if table := tables.get(name):
            best = best_row(table)
            verdict = "holds" if best == theirs else "does not hold"
            if best != theirs and table[theirs].seeds == 1:
                verdict += ", one seed"
            means = f"{theirs}: {table[theirs].nmse_mean.mean:.4f}, best {best}: {table[best].nmse_mean.mean:.4f}"
            lines.append(f"| {claim} | {verdict} | {means} |")
    return lines


if __name__ == "__main__":
    main()
