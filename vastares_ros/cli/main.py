"""`vastares VERB …`: the table of verbs, and how every one of them ends.

A verb's module is imported only when the verb is asked for, so that help is quick and a verb without ROS runs without
ROS. A verb module has a docstring (its description), `add_arguments(parser)` and `run(args) -> status`; the nodes have
`main(args) -> status` instead and take ROS arguments as they are.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence

from vastares_ros import __version__
from vastares_ros.core.errors import VastaresError

VERBS = {
    "prepare": ("vastares_ros.cli.prepare", "bags to a dataset"),
    "train": ("vastares_ros.cli.train", "a dataset to a bundle"),
    "identify": ("vastares_ros.cli.identify", "a dataset and a URDF to a bundle of rigid-body dynamics"),
    "adapt": ("vastares_ros.cli.adapt", "a bundle and half a minute with a new tool to a bundle that knows it"),
    "evaluate": ("vastares_ros.cli.evaluate", "score a bundle on bags or a dataset, with an HTML report"),
    "compare": ("vastares_ros.cli.compare", "several bundles side by side: errors, contact, delays and cost"),
    "experiment": ("vastares_ros.cli.experiment", "the tables and figures of the paper, on your dataset"),
    "replay": ("vastares_ros.cli.replay", "run a bundle over a bag and write an MCAP to look at"),
    "inject": ("vastares_ros.cli.inject", "add known pushes to a recording of free motion"),
    "layout": ("vastares_ros.cli.layout", "a layout of PlotJuggler, RViz or Foxglove for exactly this robot"),
    "play": ("vastares_ros.cli.play", "publish a bag over DDS with its own stamps"),
    "parity": ("vastares_ros.cli.parity", "play a bag through the live node and compare with offline"),
    "info": ("vastares_ros.cli.info", "what a bundle, a dataset or a bag holds"),
    "demo": ("vastares_ros.cli.demo", "simulate, train and estimate live, from nothing"),
    "simulate": ("vastares_ros.cli.simulate", "record bags of a simulated arm"),
    "estimator": ("vastares_ros.nodes.estimator", "the node that publishes estimated and external torque"),
    "training": ("vastares_ros.nodes.training", "the node that records joint states and trains"),
}
NODES = ("estimator", "training")

_ROS = (
    "this verb needs ROS 2: source your ROS installation, or pip install 'ros-jazzy-rclpy[fastrtps]' "
    "ros-common-interfaces"
)
_ROS_PACKAGES = (
    "rclpy",
    "builtin_interfaces",
    "diagnostic_msgs",
    "geometry_msgs",
    "lifecycle_msgs",
    "rcl_interfaces",
    "sensor_msgs",
    "std_msgs",
    "std_srvs",
    "visualization_msgs",
)
_INSTALL = dict.fromkeys(_ROS_PACKAGES, _ROS) | {
    "pinocchio": "this verb needs pinocchio: pip install pin",
    "matplotlib": "this verb needs matplotlib: pip install matplotlib",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        argv: the verb and its arguments; those of the process if None.

    Returns:
        The exit status: that of the verb; 2 after an error, told in one line; 130 after Ctrl-C.

    Raises:
        SystemExit: by argparse, after help (0) and wrong arguments (2).
    """
    verb, *args = (sys.argv[1:] if argv is None else argv) or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no "·" or "²" shows a question mark
    try:
        try:
            return _run(verb, args)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough (`| head`); Python must not flush into the pipe again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except VastaresError as error:
        message = str(error)
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _INSTALL:
            raise
        message = f"{_INSTALL[package]} ({str(error).splitlines()[0]})"
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        message = f"{what}: check the path, who may use it, and the free space"
    print(f"vastares {verb}: error: {message}", file=sys.stderr)
    return 2


def _run(verb: str, args: Sequence[str]) -> int:
    if verb not in VERBS:
        return _without_verb(verb)
    if verb in NODES:
        return _run_node(verb, args)
    module = importlib.import_module(VERBS[verb][0])
    return module.run(_parser(verb).parse_args(args))


def _parser(verb: str) -> argparse.ArgumentParser:
    module = importlib.import_module(VERBS[verb][0])
    parser = argparse.ArgumentParser(
        prog=f"vastares {verb}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return parser


def help_of(verb: str) -> str:
    """The text of `vastares VERB --help`, for the documentation."""
    if verb in NODES:
        from vastares_ros.nodes.interfaces import help_text

        return help_text(verb)
    return _parser(verb).format_help()


def _run_node(verb: str, args: Sequence[str]) -> int:
    if "-h" in args or "--help" in args:
        from vastares_ros.nodes.interfaces import help_text  # needs neither ROS nor torch

        print(help_text(verb))
        return 0
    return importlib.import_module(VERBS[verb][0]).main(list(args))


def _without_verb(argument: str) -> int:
    table = "\n".join(f"  {verb:<11} {summary}" for verb, (_, summary) in VERBS.items())
    if not argument.startswith("-"):
        print(f"vastares: error: there is no verb {argument!r}, but these:\n{table}", file=sys.stderr)
        return 2
    parser = argparse.ArgumentParser(
        prog="vastares",
        usage="vastares VERB ...",
        description="External torque sensing for any arm with /joint_states.",
        epilog=f"verbs:\n{table}\n\nvastares VERB --help tells the rest.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"vastares {__version__}")
    parser.parse_args([argument])
    return 0
