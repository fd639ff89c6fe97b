# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Run the programs beside this one, one after the other, and write out/bench.json: their figures, goals and machine.

A goal is a ratio within one run, or a time, that docs/performance.md explains. Use an idle computer. A program that
fails has its error in place of figures, and does not stop the others.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machine import machine

HERE = Path(__file__).resolve().parent
GOALS: dict[str, tuple[str, tuple[str | int, ...], float]] = {
    "network: times a loop over torch modules": ("network_tick", ("sizes", 0, "times_as_long", "modules"), 20.0),
    "network: times ONNX Runtime": ("network_tick", ("sizes", 0, "times_as_long", "onnx"), 4.0),
    "network: times torch, batched": ("network_tick", ("sizes", 0, "times_as_long", "torch"), 8.0),
    "signal chain, extended friction: times before": ("chain_cost", ("extended", "ratio"), 4.0),
    "training: times a loop over torch modules": ("training_speed", ("ratio",), 3.0),
}
"""Goal -> program, where its value is in the figures, and the least that is wanted."""


def figures_of(program: Path) -> Any:
    """What a program prints."""
    done = subprocess.run([sys.executable, program], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return {"error": f"ended with status {done.returncode}"}
    return json.loads(done.stdout)


def reached(figures: dict[str, Any], program: str, path: Sequence[str | int]) -> float | None:
    """A figure by its place; None where the program did not give it."""
    found: Any = figures.get(program)
    for key in path:
        try:
            found = found[key]
        except (KeyError, IndexError, TypeError):
            return None
    return float(found)


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
    goals = {}
    for goal, (program, path, wanted) in GOALS.items():
        if program in figures:
            value = reached(figures, program, path)
            goals[goal] = {"value": value, "goal": wanted, "met": value is not None and value >= wanted}
            print(f"{goal:<48} {'none' if value is None else f'{value:.1f}':>7}  goal {wanted:g}", file=sys.stderr)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(
        json.dumps({"machine": machine(), "goals": goals, "figures": figures}, indent=1), encoding="utf-8"
    )
    print(args.output)


if __name__ == "__main__":
    main()
