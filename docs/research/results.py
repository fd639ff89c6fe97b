# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Write results.md: the experiments of the paper and physics beside them, from raw files to tables and statements.

The recordings are in VASTARES_DATA, or in shared/data beside the checkout. Results that exist in the output folder are
read from there. Without them, everything takes about three hours on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
from dataclasses import dataclass
from glob import glob
from math import hypot
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

import vastares_ros
from vastares_ros.cli.main import main as vastares
from vastares_ros.io.bags import MessageTable, write_joint_states
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.datasets import Dataset, is_dataset, load_dataset
from vastares_ros.report import pictures
from vastares_ros.report.render import markdown
from vastares_ros.report.tables import Cell, Table, experiment_table, figures
from vastares_ros.training.evaluate import predict
from vastares_ros.training.experiment_cells import RowSummary, Spread

PROPOSED = "ResLSTM+SA+VA-TA"
RIVALS = ("LSTM", "GRU", "RNN", "MLP", "Transformer")
ALONE = ("GRU", "MLP", PROPOSED)
IDENTIFIED = {
    "basic": ("--friction-model", "basic"),
    "extended": (),
    "adaptive": ("--friction-time-constant", "20"),
    "observer": ("--observer",),
}
PUSHES = [
    {"start": 2.0 + i, "duration": 0.5, "every": 6.0, "force": [10.0 * s * (axis == k) for k in range(3)]}
    for i, (axis, s) in enumerate((axis, s) for axis in range(3) for s in (1, -1))
]
SIMULATED_EPOCHS = 5
COMPARED = {
    "better": "better than {}",
    "worse": "worse than {}",
    "level": "equal to {} (within the deviation of the seeds)",
}
GAIN = "44 to 71 %"  # of the proposed network over the LSTM, by tables 4 to 6 of [1]
Rows = dict[str, RowSummary]


@dataclass(frozen=True)
class Robot:
    """Recordings, how they are split, and which experiments they are for."""

    name: str
    title: str
    files: tuple[str, ...]
    prepare: tuple[str, ...]
    training: str
    validation: str
    test: str
    tune_epochs: int
    experiments: dict[str, tuple[int, int]]  # name -> seeds, epochs
    physics_epochs: int
    goals: tuple[float, float]  # nmse of the hybrid over that of basic identification, and of the best network alone
    gain: float  # of the momentum observer [rad/s], see docs/research/research.md
    note: str


ROBOTS = (
    Robot(
        "ur3",
        "UR3",
        ("ur3/*.bag",),
        ("--robot", "ur3", "--topic", "/arm", "--effort-scale", "-1"),
        "id2, 2019-11-27-20-59-11",
        "2019-11-27-21-04-09",
        "id1",
        12,
        {
            "compare": (3, 15),
            "layers": (1, 8),
            "activations": (1, 8),
            "ablation": (3, 15),
            "attention": (1, 15),
            "trajectories": (1, 1),
        },
        10,
        (0.7, 0.2),
        20.0,
        "Four bags at 125 Hz, in all 2 minutes.",
    ),
    Robot(
        "iiwa",
        "KUKA LBR iiwa",
        tuple(f"iiwa/{part}_dynamic.npz" for part in ("j2to7", "j3j4", "j3to7", "j6j7")),
        ("--format", "npz", "--robot", "iiwa14"),
        "j2to7_dynamic, j3j4_dynamic",
        "j6j7_dynamic",
        "j3to7_dynamic",
        3,
        {"compare": (3, 5)},
        4,
        (0.8, 0.2),
        40.0,
        "Four sets at 200 Hz, in all 7 minutes; `dynamic_test` is not used: its qd is five times the derivative of q.",
    ),
)


def main() -> None:
    """Run what is missing, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("VASTARES_DATA", beside)))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("-o", "--output", type=Path, default=Path("out/results"), help="datasets, tables, cache")
    parser.add_argument("--page", type=Path, default=Path(__file__).with_name("results.md"))
    args = parser.parse_args()
    parts = [_head()]
    for robot in ROBOTS:
        folder = args.output / robot.name
        _experiments(robot, args.data, folder, args.jobs)
        parts.append(_robot(robot, folder))
    for robot in ROBOTS:
        _left_out(args.output / robot.name, robot.physics_epochs, args.jobs)
        _contact(robot, args.output / robot.name, args.jobs)
    _simulated(args.output / "simulated", args.jobs)
    parts.append(_physics(args.output))
    first = ROBOTS[0]
    _picture(args.output / first.name, first.test, args.page.parents[1] / f"{first.name}_{first.test}.png")
    args.page.write_text("\n".join(parts), encoding="utf-8")
    print(args.page)


def _experiments(robot: Robot, data: Path, folder: Path, jobs: int) -> None:
    dataset = folder / "dataset"
    if not is_dataset(dataset):
        files = sorted(path for pattern in robot.files for path in glob(str(data / pattern)))
        if not files:
            raise SystemExit(f"{data / robot.files[0]} matches nothing: set VASTARES_DATA to the recordings")
        run("prepare", *files, *robot.prepare, "-o", str(dataset))
    common = [str(dataset), "-o", str(folder), "--jobs", str(jobs)]
    common += ["--test", robot.test, "--validation", robot.validation]
    run("experiment", "tune", *common, "--seeds", "1", "--epochs", str(robot.tune_epochs))
    for name, (seeds, epochs) in robot.experiments.items():
        tuned = ["--tuned", str(folder / "tuned.yaml"), "--seeds", str(seeds), "--epochs", str(epochs)]
        run("experiment", name, *common, *tuned)


def _left_out(folder: Path, epochs: int, jobs: int) -> None:
    """Each recording left out in turn; apart from the other experiments, whose cells are of another split."""
    arguments = [str(folder / "dataset"), "-o", str(folder / "physics"), "--jobs", str(jobs)]
    run("experiment", "physics", *arguments, "--seeds", "1", "--epochs", str(epochs))


def _simulated(folder: Path, jobs: int) -> None:
    if not is_dataset(folder / "dataset"):
        run("simulate", "--episodes", "4", "--seconds", "40", "-o", str(folder / "bags"), "--force")
        bags = [str(folder / "bags" / f"free_{i}") for i in (1, 2, 3, 4)]
        run("prepare", *bags, "--robot", "ur5", "-o", str(folder / "dataset"))
    _left_out(folder, SIMULATED_EPOCHS, jobs)


def _contact(robot: Robot, folder: Path, jobs: int) -> None:
    """Estimators of the first split on the test recording with pushes, thresholds by the validation recording."""
    place = folder / "contact"
    if (place / "out" / "comparison.json").is_file():
        return
    place.mkdir(parents=True, exist_ok=True)
    dataset = load_dataset(folder / "dataset")
    split = ["--test", robot.test, "--validation", robot.validation]
    shutil.copytree(_proposed(folder), place / "network", dirs_exist_ok=True)
    for name, options in IDENTIFIED.items():
        gain = ["--gain", f"{robot.gain:g}"] if name == "observer" else []
        run("identify", str(folder / "dataset"), *split, *options, *gain, "-o", str(place / name), "--force")
    config = place / "hybrid.yaml"
    config.write_text("network: {hidden: 16}\n", encoding="utf-8")
    epochs = ["--epochs", str(robot.physics_epochs), "--config", str(config)]
    run(
        "train",
        str(folder / "dataset"),
        *split,
        *epochs,
        "--rigid-body-model",
        "identified",
        "-o",
        str(place / "hybrid"),
        "--force",
    )
    config = place / "pushes.yaml"
    config.write_text(yaml.safe_dump({"events": PUSHES}), encoding="utf-8")
    bags = {}
    for name in (robot.test, robot.validation):
        bags[name] = str(place / name)
        if not Path(bags[name]).exists():
            _write_bag(Path(bags[name]), dataset, name)
    bundles = [str(place / name) for name in ("network", *IDENTIFIED, "hybrid")]
    files = ["--on", bags[robot.test], "--free", bags[robot.validation], "--inject", str(config)]
    run("compare", *bundles, *files, "-o", str(place / "out"), "--jobs", str(jobs), "--force")


def _write_bag(path: Path, dataset: Dataset, recording: str) -> None:
    """A recording of a dataset as a bag, so that archives can be compared on, too."""
    parts = [(e.t, e.q, e.qd, e.tau) for e in dataset.pick([recording])]
    t, q, qd, tau = (np.concatenate(part) for part in zip(*parts, strict=True))
    at = np.round(t * 1e9).astype(np.int64)
    write_joint_states(path, {dataset.topic: MessageTable(dataset.joints, at, at, q, qd, tau / dataset.effort.scale)})


def _proposed(folder: Path) -> Path:
    """Bundle of the first seed of the network."""
    cells = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("cells/*/result.json"))]
    (bundle,) = {cell["bundle"] for cell in cells if (cell["row"], cell["seed"]) == (PROPOSED, 0)}
    return Path(bundle)


def _picture(folder: Path, test: str, file: Path) -> None:
    """The picture of the README: the test recording by the rigid-body model with adaptive friction."""
    model = load_bundle(folder / "contact" / "adaptive")
    episodes = load_dataset(folder / "dataset").pick([test])
    (seen,) = predict(model.model, model.ridge, model.filter, model.rate, episodes)
    pictures.torques(file, model.joints, seen.t, seen.tau_meas, seen.tau["model"], model.bound, model.effort.unit)


def run(*arguments: str) -> None:
    print("vastares", *arguments)
    if vastares(arguments):
        raise SystemExit(f"this ended with an error: vastares {' '.join(arguments)}")


def _head() -> str:
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"""# Results on real recordings

Written by `make results`, vastares_ros {vastares_ros.__version__}, torch {torch.__version__},
{os.cpu_count()} cores of {_processor()}, {gpu}. None of the recordings is one of [1], so the figures cannot be compared
with its tables.

nmse is the mean squared error over the variance of the training torque, for each joint and averaged over joints. It is
the mean ± standard deviation over three seeds, or that of seed 0 alone if there is no deviation. The best is in bold.
Splits are by recording. The settings of each network (rate, weight decay, width, window: eight settings, fewer epochs,
seed 0) were chosen on the validation recording, which also chooses the best epoch. GPR, LWPR, ridge regression and the
mean have nothing to choose. The test recording was used once, for these tables. Every method is evaluated on the same
samples of it.

<!-- test: skip page (needs the real recordings, and hours) -->
"""


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "an unnamed processor"


def read_table(file: Path) -> Rows:
    """The table of an experiment."""
    table = json.loads(file.read_text(encoding="utf-8"))["table"]
    return {
        row: RowSummary(
            {joint: Spread(*x) for joint, x in t["nmse"].items()},
            Spread(*t["nmse_mean"]),
            t["seeds"],
            t["seconds"],
            t["parameters"],
        )
        for row, t in table.items()
    }


def _robot(robot: Robot, folder: Path) -> str:
    tables = {}
    for name in ("tune", *robot.experiments):
        file = folder / f"{name}.json"
        if file.exists():
            tables[name] = read_table(file)
    lines = [
        f"## {robot.title}",
        "",
        f"{robot.note} Trained on {robot.training}; validation {robot.validation}; test {robot.test}. Training took "
        f"{_minutes(tables)} core-minutes in all, on a computer that had other work too.",
        "",
        "```sh",
        f"vastares prepare {' '.join(robot.files)} {' '.join(robot.prepare)} -o D",
        f"vastares experiment tune D --test {robot.test} --validation {robot.validation} --seeds 1 \\",
        f"    --epochs {robot.tune_epochs} -o R",
        f"vastares experiment compare D --test {robot.test} --validation {robot.validation} --seeds 3 \\",
        f"    --epochs {robot.experiments['compare'][1]} --tuned R/tuned.yaml -o R",
        "```",
        "",
        "### The network and other methods (tables 4 to 6 of [1])",
        "",
        markdown(experiment_table(tables["compare"])),
        _rivals(tables["compare"]),
        "Chosen on the validation recording (of eight settings each):",
        "",
        *(f"- {row}" for row in _settings(folder)),
        "",
    ]
    if "ablation" in tables:
        lines += [
            "### Ablation (tables 1 to 3)",
            "",
            markdown(experiment_table(tables["ablation"])),
            _ablation(tables),
            "",
        ]
    if "layers" in tables:
        lines += ["### Hidden layers of the attention (figure 7)", "", _means(tables["layers"]), _layers(tables), ""]
    if "activations" in tables:
        lines += ["### Activations of spatial + temporal attention (figure 8)", "", _means(tables["activations"])]
        lines += [_activations(tables), ""]
    return "\n".join(lines)


def _physics(output: Path) -> str:
    lines = [
        "## Rigid-body models and networks",
        "",
        "Each recording is left out in turn, of identification, training and choices. nmse is averaged over joints,",
        "then over recordings; one seed. Networks alone have the defaults of `vastares train` and no validation",
        "recording, so that all methods have the same training recordings. With adaptive friction, an estimate uses",
        "torque that was measured before its sample; the last tables show the effect on contact.",
        "",
    ]
    goals = [
        "| recordings | basic friction model | best network alone | hybrid | over basic (goal) | over network (goal) |",
        "|---" * 6 + "|",
    ]
    of = [(r.name, r.title, r.goals) for r in ROBOTS]
    for name, title, wanted in (*of, ("simulated", "UR5, simulated", (0.5, None))):
        table = read_table(output / name / "physics" / "physics.json")
        lines += [f"### {title}", "", markdown(experiment_table(table))]
        mean = {row: t.nmse_mean.mean for row, t in table.items()}
        alone = {row: x for row, x in mean.items() if row in ALONE}
        best = min(alone, key=lambda row: alone[row])
        plain, hybrid = mean["basic friction model"], mean[f"hybrid with {PROPOSED}"]
        met = [_met(hybrid / plain, wanted[0]), _met(hybrid / alone[best], wanted[1])]
        goals.append(f"| {title} | {plain:.4f} | {alone[best]:.4f} ({best}) | {hybrid:.4f} | {met[0]} | {met[1]} |")
    lines += ["### Goals", "", *goals, ""]
    physics = "vastares experiment physics D --seeds 1 --epochs 10 -o R  # iiwa 4, simulated 5"
    lines += ["```sh", physics, "```", ""]
    lines += [_pushed(robot, output / robot.name / "contact" / "out" / "comparison.json") for robot in ROBOTS]
    return "\n".join(lines)


def _met(ratio: float, goal: float | None) -> str:
    return f"{ratio:.2f}" + ("" if goal is None else f" ({goal:g}: {'met' if ratio <= goal else 'missed'})")


def _pushed(robot: Robot, file: Path) -> str:
    """Contact: pushes of 10 N at the tool of the test recording."""
    figures = json.loads(file.read_text(encoding="utf-8"))
    seconds = figures["calibration"]["seconds"]
    head = ["", "nmse", "force off by [N]", "highest: false alarms", "detected", "above bound"]
    head += ["1/h: false alarms", "detected", "above bound", "tick [ms]"]
    lines = [
        f"### Pushes of 10 N: {robot.title}",
        "",
        f"{figures['pushed']['pushes']} steps of half a second along ± x, y and z of the tool in {robot.test}",
        f"({figures['free']['seconds']:.0f} s); all estimators were trained on {robot.training}. Thresholds are by "
        f"{seconds:.0f} s of {robot.validation}:",
        "*highest* is the highest value there, *1/h* is extrapolated to one false alarm an hour. Detected: share of",
        "all pushes, and of those above the bound of the estimator, with their median delay; a missed push has an",
        "infinite delay. An alarm that began before a push does not detect it, so an estimator with long errors may",
        "detect more at a higher threshold.",
        "",
        "| " + " | ".join(head) + " |",
        "|---" * len(head) + "|",
    ]
    for name, e in figures["estimators"].items():
        cells = [f"{e['nmse_mean']:.4f}", f"{e['pushed']['force_rmse']:.1f}"]
        for contact in (e["contact"]["no_alarm"], e["contact"]):
            cells += [str(contact["false_alarms"]), _share(contact["all"]), _share(contact["above_bound"])]
        lines.append(f"| {name} | {' | '.join(cells)} | {e['cost_ms']['median']:.2f} |")
    return "\n".join([*lines, ""])


def _share(found: dict[str, Any]) -> str:
    if not found["pushes"]:
        return "–"
    late = "" if found["delay_ms"] is None else f", {found['delay_ms']:.0f} ms"
    return f"{found['detected']:.0%}{late}"


def _minutes(tables: dict[str, Rows]) -> int:
    """Core-minutes of all rows; a row that two experiments share counts once, by its figures."""
    rows = {(row, t.nmse_mean): t.seconds * t.seeds for of in tables.values() for row, t in of.items() if t.seeds}
    return round(sum(rows.values()) / 60)


def _settings(folder: Path) -> list[str]:
    text = (folder / "tuned.md").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line]


def against(table: Rows, row: str, other: str) -> str:
    """How a row stands to another: better, level or worse, by how much."""
    (a, da), (b, db) = table[row].nmse_mean, table[other].nmse_mean
    if abs(a - b) <= hypot(da, db):
        return "level"
    return "better" if a < b else "worse"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)


def _rivals(table: Rows) -> str:
    ours = table[PROPOSED].nmse_mean.mean
    lines = []
    by = {how: [n for n in RIVALS if against(table, PROPOSED, n) == how] for how in ("better", "level", "worse")}
    if not by["level"] and not by["worse"]:
        lines.append(
            f"- The claim of [1] holds here: the proposed network ({ours:.4f}) is better than {_listed(by['better'])}."
        )
    else:
        holds = f"it is better than {_listed(by['better'])}" if by["better"] else "it is better than none of them"
        level = f", equal to {_listed(by['level'])} (within the deviation of the seeds)" if by["level"] else ""
        worse = f", and worse than {_listed(by['worse'])}" if by["worse"] else ""
        lines.append(f"- The claim of [1] does not hold in full here: {holds}{level}{worse}.")
    gain = 100 * (1 - ours / table["LSTM"].nmse_mean.mean)
    lines.append(
        f"- Its error is {abs(gain):.0f} % {'below' if gain >= 0 else 'above'} that of the LSTM; in [1] it is "
        f"{GAIN} below."
    )
    ridge = table["ridge"].nmse_mean.mean
    beaten = [row for row, t in table.items() if t.seeds and t.nmse_mean.mean < ridge]
    lines.append(
        f"- Ridge regression on trigonometric features ({ridge:.4f}) is worse than {_listed(beaten)}."
        if beaten
        else f"- No network is better than ridge regression on trigonometric features ({ridge:.4f})."
    )
    worst = max(table[PROPOSED].nmse.items(), key=lambda item: item[1][0])
    lines.append(f"- Its worst joint is {worst[0]} ({worst[1][0]:.4f}), which has the largest part in its average.")
    return "\n".join(lines) + "\n"


def _ablation(tables: dict[str, Rows]) -> str:
    table = tables["ablation"]
    others = [row for row in table if row not in (PROPOSED, "mean", "ridge")]
    return "\n".join(f"- The full network is {COMPARED[against(table, PROPOSED, row)].format(row)}." for row in others)


def _means(table: Rows) -> str:
    rows = {row: t for row, t in table.items() if t.seeds}
    means = figures([t.nmse_mean.mean for t in rows.values()], ".4f")
    cells = [
        Cell(f"{text} ± {t.nmse_mean.deviation:.4f}" if t.seeds > 1 else text, best)
        for t, (text, best) in zip(rows.values(), means, strict=True)
    ]
    return markdown(Table("", ("", *rows), ((Cell("nmse"), *cells),)))


def best_row(table: Rows) -> str:
    return min((row for row, t in table.items() if t.seeds), key=lambda row: table[row].nmse_mean.mean)


def _layers(tables: dict[str, Rows]) -> str:
    return _figure(tables["layers"], "3", "three hidden layers") + " Eight epochs."


def _activations(tables: dict[str, Rows]) -> str:
    return _figure(tables["activations"], "S+SR", "S+SR (sigmoid, selu)") + " Eight epochs."


def _figure(table: Rows, theirs: str, what: str) -> str:
    """What a figure of [1] says, and what this says."""
    best = best_row(table)
    if best == theirs:
        return f"[1] uses {what}, which is best here too."
    more = 100 * (table[theirs].nmse_mean.mean / table[best].nmse_mean.mean - 1)
    doubt = "" if table[theirs].seeds > 1 else "; with one seed, differences of 10 % are noise"
    return f"[1] uses {what}. Here {best} is best, and the choice of [1] has {more:.0f} % more error{doubt}."


if __name__ == "__main__":
    main()
