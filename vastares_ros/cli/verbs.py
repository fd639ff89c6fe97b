# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a user can type: every verb, its arguments and its summary.

One grammar holds for all: the subject first (a bundle or a dataset), then data (recordings), then `-o` for the output.
This module imports nothing heavy, so that help and completion are quick. A verb's module is imported only when it runs;
its docstring is the description in the help.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from vastares_ros.core.errors import printable
from vastares_ros.core.robot import UNITS, normal_unit
from vastares_ros.io.formats import DEFAULT_TOPIC, FORMAT_NAMES, RTDE_TORQUE
from vastares_ros.models.method_labels import LABELS
from vastares_ros.runtime.engine_names import ENGINES
from vastares_ros.training.paper_tables import EXPERIMENT_NAMES, PAPER_SPLITS

RECORDING = ".bag, .db3, .mcap or a rosbag2 folder"
VIEWERS = ("plotjuggler", "rviz", "foxglove")
FRICTION_MODELS = ("basic", "extended")
BAG = "bag"

Declare = Callable[[argparse.ArgumentParser], None]


@dataclass(frozen=True)
class Verb:
    """One verb of the command line.

    Attributes:
        summary: what it does, in one line.
        module: has `run(args) -> status`, or `main(args) -> status` for a node.
        declare: adds its arguments to a parser; None for a node, which takes ROS arguments.
    """

    summary: str
    module: str
    declare: Declare | None = None


class Parser(argparse.ArgumentParser):
    """A parser whose errors take one line."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and where to look, and exit with status 2."""
        print(printable(f"{self.prog}: error: {message}: see {self.prog} --help"), file=sys.stderr)
        raise SystemExit(2)


def parser_of(verb: str) -> Parser:
    """The parser of a verb that is no node."""
    entry = VERBS[verb]
    assert entry.declare is not None
    parser = Parser(
        prog=f"vastares {verb}",
        description=_description(entry.module),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    entry.declare(parser)
    return parser


def help_of(verb: str) -> str:
    """The text of `vastares VERB --help`."""
    if VERBS[verb].declare is None:
        from vastares_ros.nodes.interfaces import help_text  # needs neither ROS nor torch

        return help_text(verb)
    return parser_of(verb).format_help()


def _description(module: str) -> str | None:
    """The docstring of a module, without importing it."""
    spec = find_spec(module)
    assert spec is not None and spec.origin is not None
    return ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8")))


def _bundle(parser: argparse.ArgumentParser, help: str = "folder of a bundle") -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help=help)


def _dataset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="folder written by `vastares prepare`")


def _output(parser: argparse.ArgumentParser, metavar: str, help: str) -> None:
    parser.add_argument("-o", "--output", type=Path, required=True, metavar=metavar, help=help)


def _topic(parser: argparse.ArgumentParser, default: str = "the one the bundle was trained from") -> None:
    parser.add_argument("--topic", help=f"joint-state topic in the recordings (default: {default})")


def _force(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="replace what is there already")


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures for programs; - for stdout")


def _quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="print warnings and errors only")


def _device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: CUDA where there is one)")


def _engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine", choices=ENGINES, default="auto", help="what computes the network, as parameter engine of the node"
    )


def _pace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rate", type=float, default=1.0, help="times the recorded pace (default: %(default)s)")


def _robot_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--robot",
        metavar="NAME|FILE",
        help="robot whose URDF, tip and joint names count: a known one, or the YAML file that the dataset was prepared "
        "with (default: the known one of the dataset's name)",
    )


def _urdf(parser: argparse.ArgumentParser, help: str) -> None:
    parser.add_argument("--urdf", type=Path, metavar="FILE", help=help)


def _effort(parser: argparse.ArgumentParser, help: str) -> None:
    parser.add_argument("--joints", nargs="+", metavar="JOINT", help="joints in order (default: the robot's, or all)")
    parser.add_argument("--effort-scale", nargs="+", type=float, metavar="FACTOR", help=help)


def _prepare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="RECORDING", help=f"{RECORDING}, or a file as --format says"
    )
    _output(parser, "DATASET", "folder to write")
    parser.add_argument(
        "--robot", metavar="NAME|FILE", help="joint names and meaning of effort: a known robot, or a YAML file"
    )
    _topic(parser, DEFAULT_TOPIC)
    _effort(
        parser, "published effort times this is the torque; one factor, or one a joint (default: the robot's, or 1)"
    )
    parser.add_argument(
        "--effort-unit",
        choices=UNITS,
        type=normal_unit,
        help="unit of the scaled effort (default: the robot's, or N·m)",
    )
    parser.add_argument(
        "--rate",
        type=float,
        metavar="HZ",
        help="resample every recording to this rate by linear interpolation (default: keep the rate; recordings that "
        "differ by more than 10%% are refused); of an archive without time: the rate it has",
    )
    _force(parser)
    _quiet(parser)
    group = parser.add_argument_group(
        "archives",
        "Files that are no bags. Their columns have no joint names: --joints names them in order,\nelse --robot or the "
        "robot of the format (its usual driver), else joint_1, joint_2, … . Where\nrows do not follow on each other, a "
        "new episode starts.",
    )
    group.add_argument(
        "--format",
        choices=(BAG, *FORMAT_NAMES),
        default=BAG,
        help="kuka1: KukaDirectDynamics.mat of Polydoros, robot lwr. baxter: his .mat files of a Baxter, robot baxter. "
        "kuka2: text of Meier 2014, its torque scaled back to N·m. These state no rate: the one that fits q and qd is "
        "taken. sarcos: sarcos_inv.mat, 100 Hz. rtde: text recording of a Universal Robots arm. csv: text with a "
        "header and --columns. npz: NumPy arrays q, qd, tau and perhaps t, seg (default: bag)",
    )
    group.add_argument(
        "--columns",
        nargs="+",
        metavar="FIELD=NAMES",
        help="for csv: t=TIME q=Q1,Q2 qd=QD1,QD2 tau=TAU1,TAU2 [s, rad, rad/s]; without t, --rate is needed",
    )
    group.add_argument(
        "--torque",
        choices=RTDE_TORQUE,
        help="for rtde: what to learn (default: actual_current_as_torque where it is there, in N·m and without "
        "gravity; else actual_current, in A)",
    )


def _doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", type=Path, metavar="RECORDING|DATASET|TOPIC", help="what to examine; a topic with --live"
    )
    parser.add_argument("--live", type=float, metavar="SECONDS", help="listen to the topic for so long, at least 5 s")
    parser.add_argument("--bundle", type=Path, metavar="BUNDLE", help="examine whether this bundle fits, too")
    parser.add_argument(
        "--robot",
        metavar="NAME|FILE",
        help="robot whose URDF, rate and meaning of effort count: a known one, or a YAML file (default: the bundle's, "
        "or the dataset's)",
    )
    _urdf(parser, "URDF of the arm (default: the robot's)")
    _topic(parser, f"the bundle's, or {DEFAULT_TOPIC}")
    parser.add_argument("--joints", nargs="+", metavar="JOINT", help="joints in order (default: the robot's, or all)")
    _json(parser)
    _force(parser)
    _quiet(parser)


def _train(parser: argparse.ArgumentParser) -> None:
    _dataset(parser)
    _output(parser, "BUNDLE", "folder to write")
    held_out = parser.add_mutually_exclusive_group()
    held_out.add_argument("--test", nargs="+", default=[], metavar="RECORDING", help="recordings to judge the model on")
    sizes = ", ".join(f"{name}: {first} and {following}" for name, (first, following) in PAPER_SPLITS.items())
    held_out.add_argument(
        "--split",
        choices=PAPER_SPLITS,
        default="",
        help=f"train on the first samples of the dataset and test on the next, as [1] did ({sizes})",
    )
    parser.add_argument(
        "--validation", nargs="+", default=[], metavar="RECORDING", help="recordings for the best epoch and the bound"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML as config/train.yaml (default: its values)")
    parser.add_argument("--model", choices=LABELS, help="method to train (default: the config's)")
    parser.add_argument(
        "--rigid-body-model",
        choices=("none", "identified"),
        help="what the network corrects: nothing, or a rigid-body model identified from the same recordings (default: "
        "the config's)",
    )
    _urdf(parser, "URDF for the rigid-body model (default: the robot's)")
    _robot_file(parser)
    parser.add_argument("--epochs", type=int, help="passes over the data (default: the config's)")
    parser.add_argument("--seed", type=int, help="of weights and order (default: the config's)")
    _device(parser)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint of a run that was stopped")
    parser.add_argument("--json-progress", action="store_true", help="print one JSON object an epoch instead of a bar")
    _json(parser)
    _force(parser)
    _quiet(parser)


def _identify(parser: argparse.ArgumentParser) -> None:
    _dataset(parser)
    _output(parser, "BUNDLE", "folder to write")
    _urdf(parser, "URDF of the arm (default: the robot's)")
    _robot_file(parser)
    parser.add_argument(
        "--friction-model", choices=FRICTION_MODELS, default="extended", help="terms of friction (default: extended)"
    )
    parser.add_argument("--observer", action="store_true", help="make a momentum observer of what is identified")
    parser.add_argument(
        "--gain",
        type=float,
        metavar="RAD_PER_S",
        help="of the observer; it has reached 63 %% of a step after 1 / gain (default: 20)",
    )
    parser.add_argument(
        "--cutoff",
        type=float,
        metavar="HZ",
        help="low-pass of all signals where the bundle runs, 0 for none (default: 10; of an observer, which is a "
        "low-pass itself, none). Identification itself is from signals below 10 Hz",
    )
    parser.add_argument(
        "--friction-time-constant",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="adaptive friction: coefficients follow the measured torque, which temperature changes, with this time "
        "constant where the bundle runs; 0 keeps them as identified (default: 0; `vastares train --rigid-body-model` "
        "takes 20)",
    )
    parser.add_argument("--test", nargs="+", default=[], metavar="RECORDING", help="recordings to judge the model on")
    parser.add_argument("--validation", nargs="+", default=[], metavar="RECORDING", help="recordings for the bound")
    parser.add_argument(
        "--accept-inverted", action="store_true", help="go on where the sign of effort is seen to be inverted"
    )
    _json(parser)
    _force(parser)
    _quiet(parser)


def _adapt(parser: argparse.ArgumentParser) -> None:
    _bundle(parser, "folder of the parent")
    parser.add_argument("source", type=Path, metavar="RECORDING|DATASET", help="free motion with the new tool")
    _output(parser, "BUNDLE2", "folder to write")
    _topic(parser)
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S", help="how much of the recording (30)")
    _json(parser)
    _force(parser)
    _quiet(parser)


def _evaluate(parser: argparse.ArgumentParser) -> None:
    _bundle(parser)
    parser.add_argument("sources", nargs="+", type=Path, metavar="RECORDING|DATASET", help="what to score on")
    _topic(parser)
    _json(parser)
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="write report.html with pictures of every joint")
    _device(parser)
    _force(parser)
    _quiet(parser)


def _bench(parser: argparse.ArgumentParser) -> None:
    _bundle(parser)
    parser.add_argument("--engine", nargs="+", choices=ENGINES, help="what to measure (default: torch and compiled)")
    parser.add_argument("--samples", type=int, default=2000, help="ticks to measure (default: 2000)")
    _json(parser)
    _force(parser)
    _quiet(parser)


def _compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE", help="bundles to compare")
    parser.add_argument(
        "--on",
        dest="bags",
        nargs="+",
        type=Path,
        required=True,
        metavar="RECORDING",
        help="recordings, one of free motion at least",
    )
    _output(parser, "FOLDER", "figures (comparison.json), pictures, page")
    parser.add_argument("--inject", type=Path, metavar="FILE", help="pushes, YAML as config/wrench_push.yaml")
    parser.add_argument(
        "--free", nargs="+", type=Path, default=[], metavar="RECORDING", help="free motion to set thresholds by"
    )
    _urdf(parser, "URDF for pushes and wrench (default: the bundle's, or the robot's)")
    _topic(parser, "the one the first bundle was trained from")
    parser.add_argument("--valid-only", action="store_true", help="count only estimates that the estimator calls valid")
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (one a core)")
    _force(parser)
    _quiet(parser)


def _experiment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=EXPERIMENT_NAMES, metavar="NAME", help="which, see above")
    _dataset(parser)
    _output(parser, "FOLDER", "tables (NAME.json, NAME.md), pictures, cache")
    held_out = parser.add_mutually_exclusive_group()
    held_out.add_argument(
        "--test",
        nargs="+",
        metavar="RECORDING",
        help="recordings to judge on (default: the last fifth; of physics: each)",
    )
    held_out.add_argument("--split", choices=PAPER_SPLITS, default="", help="split of [1] by samples in order instead")
    parser.add_argument("--validation", nargs="+", default=[], metavar="RECORDING", help="recordings to stop early on")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="seeds 0 to N-1 of every row (3)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (all cores)")
    parser.add_argument("--ray", metavar="ADDRESS", help="Ray cluster to run on, or `local`: one of --jobs workers")
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML as config/train.yaml, of every row")
    parser.add_argument("--tuned", type=Path, metavar="FILE", help="tuned.yaml of `experiment tune`: changes by method")
    parser.add_argument("--epochs", type=int, help="passes over the data (default: the config's)")
    _device(parser)
    _quiet(parser)


def _replay(parser: argparse.ArgumentParser) -> None:
    _bundle(parser)
    parser.add_argument("bag", type=Path, metavar="RECORDING", help=RECORDING)
    _output(parser, "OUT.mcap", "file to write")
    _topic(parser)
    _urdf(parser, "URDF for the wrench (default: the bundle's, or the robot's)")
    parser.add_argument("--tip", default="", metavar="LINK", help="link where forces act (default: the robot's tip)")
    parser.add_argument(
        "--wrench-frame", default="", metavar="LINK", help="frame to give the wrench in (default: the tip)"
    )
    _engine(parser)
    _force(parser)
    _quiet(parser)


def _inject(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, metavar="RECORDING", help=f"of free motion: {RECORDING}")
    parser.add_argument("--wrench", type=Path, required=True, metavar="FILE", help="profile of the pushes, YAML")
    _output(parser, "OUT.mcap", "file to write")
    parser.add_argument("--robot", metavar="NAME|FILE", help="URDF, joint names and meaning of effort, as of prepare")
    _urdf(parser, "URDF (default: the robot's)")
    _topic(parser, DEFAULT_TOPIC)
    _effort(
        parser,
        "published effort times this is the torque in N·m; one factor, or one a joint (default: the robot's, or 1). "
        "It is needed where the driver gives amperes, since only you know the gain of the drives",
    )
    _force(parser)
    _quiet(parser)


def _layout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("viewer", choices=VIEWERS, help="program that the layout is for")
    _bundle(parser)
    _output(parser, "FILE", "file to write")
    parser.add_argument("--namespace", default="", help="of the robot and its estimator (default: none)")
    parser.add_argument("--node", default="estimator", help="name of the estimator node (default: %(default)s)")
    parser.add_argument("--fixed-frame", metavar="FRAME", help="of RViz (default: the robot's base)")
    _force(parser)
    _quiet(parser)


def _play(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, metavar="RECORDING", help=RECORDING)
    _topic(parser, DEFAULT_TOPIC)
    _pace(parser)
    parser.add_argument("--to", metavar="TOPIC", help="topic to publish on (default: the one in the recording)")
    parser.add_argument(
        "--wait", type=float, default=5.0, metavar="S", help="seconds to wait for a subscriber (default: %(default)s)"
    )
    _quiet(parser)


def _parity(parser: argparse.ArgumentParser) -> None:
    _bundle(parser)
    parser.add_argument("bag", type=Path, metavar="RECORDING", help=RECORDING)
    _topic(parser)
    _pace(parser)
    _engine(parser)
    _json(parser)
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the live torques and latencies as Parquet")
    parser.add_argument("--every", action="store_true", help="let the node answer every message, however late")
    _force(parser)
    _quiet(parser)


def _info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, metavar="BUNDLE|DATASET|RECORDING", help="what to look into")


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, default=Path("out/demo"), metavar="FOLDER", help="(out/demo)")
    parser.add_argument("--seed", type=int, default=0, help="of motion, noise, pushes and weights (0)")
    parser.add_argument("--quick", action="store_true", help="too little data to be good: only shows that all runs")
    _force(parser)


def _simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--robot", default="ur5", help="robot with a URDF: a name, or the path of its YAML file (ur5)")
    _output(parser, "FOLDER", "folder to make")
    parser.add_argument("--episodes", type=int, default=4, metavar="N", help="bags of free motion (4)")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="length of each (60)")
    parser.add_argument(
        "--push-seconds", type=float, default=40.0, metavar="S", help="length of the bag of pushes (40)"
    )
    parser.add_argument("--payload", type=float, default=0.0, metavar="KG", help="mass of a tool at the tip (none)")
    parser.add_argument(
        "--payload-com",
        type=float,
        nargs=3,
        default=(0.0, 0.0, 0.05),
        metavar=("X", "Y", "Z"),
        help="its centre in the frame of the tip, in m (0 0 0.05)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of motion, pushes and noise (0)")
    _force(parser)
    _quiet(parser)


def _verb(name: str, summary: str, declare: Declare) -> tuple[str, Verb]:
    return name, Verb(summary, f"vastares_ros.cli.{name}", declare)


VERBS = dict(
    [
        _verb("prepare", "recordings to a dataset", _prepare),
        _verb("doctor", "what the effort of a recording means, and what is wrong with it", _doctor),
        _verb("identify", "a dataset and a URDF to a bundle of rigid-body dynamics", _identify),
        _verb("train", "a dataset to a bundle with a network", _train),
        _verb("adapt", "a bundle and half a minute with a new tool to a bundle that knows it", _adapt),
        _verb("evaluate", "score a bundle on recordings, with an HTML report", _evaluate),
        _verb("compare", "several bundles side by side: errors, contact, delays and cost", _compare),
        _verb("experiment", "the tables and figures of the paper, on your dataset", _experiment),
        _verb("replay", "run a bundle over a recording and write an MCAP to look at", _replay),
        _verb("inject", "add known pushes to a recording of free motion", _inject),
        _verb("layout", "a layout of PlotJuggler, RViz or Foxglove for exactly this robot", _layout),
        _verb("play", "publish a recording over DDS with its own stamps", _play),
        _verb("parity", "play a recording through the live node and compare with offline", _parity),
        _verb("bench", "how long a tick of a bundle takes here, and which rate it holds", _bench),
        _verb("info", "what a bundle, a dataset or a recording holds", _info),
        _verb("demo", "simulate, train and estimate live, from nothing", _demo),
        _verb("simulate", "record bags of a simulated arm", _simulate),
        (
            "estimator",
            Verb("the node that publishes estimated and external torque", "vastares_ros.nodes.estimator"),
        ),
        ("training", Verb("the node that records joint states and trains", "vastares_ros.nodes.training")),
    ]
)
