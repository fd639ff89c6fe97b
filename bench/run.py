# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Run the programs beside this one, one after the other, and write out/bench.json: their figures, goals and machine.

A goal is a ratio within one run, or a time, that docs/performance.md explains. Use an idle computer. A program that
fails has its error in place of figures, and does not stop the others; one that lacks a device has the reason.
"""

import argparse
import json
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import machine

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Goal:
    """A range that a figure should be in.

    Attributes:
        name: what is measured; with its unit, where it has one.
        program: that measures it.
        path: where it stands among the figures of the program.
        at_least: the least that is wanted.
        at_most: the most that is wanted.
    """

    name: str
    program: str
    path: tuple[str | int, ...]
    at_least: float = -math.inf
    at_most: float = math.inf

    @property
    def wanted(self) -> str:
        """The range, in words."""
        bounds = (("at least", self.at_least), ("at most", self.at_most))
        return " and ".join(f"{words} {bound:g}" for words, bound in bounds if math.isfinite(bound))

    def judged(self, figures: Any) -> dict[str, Any]:
        """The value among the figures of the program, and whether it is in the range.

        A value that the program did not give does not meet the goal. Where the program was `skipped`, for want of a
        device, the goal is neither met nor missed: `met` is None, and `why` has the reason.
        """
        if "skipped" in figures:
            return {"value": None, "goal": self.wanted, "met": None, "why": f"not measured: {figures['skipped']}"}
        value = figures
        for key in self.path:
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                why = figures.get("error", "no such figure")
                return {"value": None, "goal": self.wanted, "met": False, "why": why}
        return {"value": value, "goal": self.wanted, "met": self.at_least <= value <= self.at_most}


FIRST = ("sizes", 0)  # of network_tick and gpu: the default network
BEYOND = ("start_up_s", "beyond_imports")  # of node_load
GOALS = (
    Goal("network: times a loop over torch modules", "network_tick", (*FIRST, "times_as_long", "modules"), at_least=20),
    Goal("network: times ONNX Runtime", "network_tick", (*FIRST, "times_as_long", "onnx"), at_least=4),
    Goal("network: times torch, batched", "network_tick", (*FIRST, "times_as_long", "torch"), at_least=8),
    Goal("signal chain, extended friction: times before", "chain_cost", ("extended", "ratio"), at_least=4),
    Goal("node at 1 kHz: added latency p50 [ms]", "node_load", ("added_ms", "p50"), at_most=0.4),
    Goal("node at 1 kHz: added latency p99 [ms]", "node_load", ("added_ms", "p99"), at_most=1),
    Goal("node at 1 kHz: lost beyond a republisher", "node_load", ("lost_beyond_republisher",), at_most=0),
    Goal("node at 1 kHz: share of a core", "node_load", ("node", "cpu"), at_most=0.6),
    Goal("node at 1 kHz: start-up beyond imports [s]", "node_load", ("node", *BEYOND), at_most=3),
    Goal("overload: age p99, in ticks", "node_load", ("slow", "overload", "age_p99_ticks"), at_most=2),
    Goal("overload: recovered after [ms]", "node_load", ("node", "overload", "recovered_after_ms"), at_most=100),
    Goal("training: times a loop over torch modules", "training_speed", ("ratio",), at_least=3),
    Goal("CUDA graph tick p50 [us]", "gpu", (*FIRST, "cuda_graph", "tick_us", "p50"), at_most=120),
    Goal("CUDA graph tick p99 [us]", "gpu", (*FIRST, "cuda_graph", "tick_us", "p99"), at_most=200),
)


def figures_of(program: Path) -> Any:
    """What a program prints."""
    done = subprocess.run([sys.executable, program], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return {"error": f"ended with status {done.returncode}"}
    return json.loads(done.stdout)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    programs = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in ("run", "machine"))
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"of {', '.join(programs)} (all)")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/bench.json"))
    args = parser.parse_args()
    if unknown := set(args.programs) - set(programs):
        parser.error(f"there is no program {min(unknown)}")
    figures: dict[str, Any] = {}
    for name in args.programs or programs:
        print(name, file=sys.stderr)
        figures[name] = figures_of(HERE / f"{name}.py")
    goals = {goal.name: goal.judged(figures[goal.program]) for goal in GOALS if goal.program in figures}
    for name, goal in goals.items():
        verdict = {True: "met", False: "missed", None: ""}[goal["met"]]
        value = goal["why"] if goal["value"] is None else f"{goal['value']:.1f}"
        print(f"{name:<48} {goal['goal']:<14} {value:>8}  {verdict}".rstrip(), file=sys.stderr)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(
        json.dumps({"machine": machine(), "goals": goals, "figures": figures}, indent=1), encoding="utf-8"
    )
    print(args.output)


if __name__ == "__main__":
    main()
