# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`vastares VERB …`: how every verb begins and ends.

A verb's module is imported only when the verb runs, so that help is quick and a verb without ROS runs without ROS. It
has a docstring (its description) and `run(args) -> status`; its arguments stand in `verbs`. The nodes have
`main(args) -> status` instead and take ROS arguments as they are.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import current_thread, main_thread

from vastares_ros import __version__
from vastares_ros.core.errors import VastaresError, printable

from .verbs import VERBS, Parser, help_of, parser_of

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
        The exit status: that of the verb; 2 after an error, which takes one line; 130 after Ctrl-C.

    Raises:
        SystemExit: by argparse, after help (0) and wrong arguments (2).
    """
    complete()
    with _ended_by_sigterm():
        return _main(argv)


def _main(argv: Sequence[str] | None) -> int:
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
    print(printable(f"vastares {verb}: error: {message}"), file=sys.stderr)
    return 2


def _run(verb: str, args: Sequence[str]) -> int:
    if verb not in VERBS:
        return _without_verb(verb)
    entry = VERBS[verb]
    if entry.declare is None:  # a node: it takes ROS arguments as they are
        if "-h" in args or "--help" in args:
            print(help_of(verb))
            return 0
        return int(importlib.import_module(entry.module).main(list(args)))
    parsed = parser_of(verb).parse_args(args)
    module = importlib.import_module(entry.module)
    from .console import output_as

    with output_as(quiet=getattr(parsed, "quiet", False), json=getattr(parsed, "json", None)):
        return int(module.run(parsed))


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the process like an error does, so that nothing half written is left behind."""
    if current_thread() is not main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _without_verb(argument: str) -> int:
    table = "\n".join(f"  {name:<11} {verb.summary}" for name, verb in VERBS.items())
    if not argument.startswith("-"):
        print(f"vastares: error: there is no verb {argument!r}, but these:\n{table}", file=sys.stderr)
        return 2
    _program(table).parse_args([argument])
    return 0


def _program(table: str) -> Parser:
    parser = Parser(
        prog="vastares",
        usage="vastares VERB ...",
        description="External torque sensing for any arm with /joint_states.",
        epilog=f"verbs:\n{table}\n\nvastares VERB --help explains a verb. Completion in bash: "
        'eval "$(register-python-argcomplete vastares)"',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"vastares {__version__}")
    return parser


def complete() -> None:
    """Answer a shell that asks for completions of the present command line; return at once where none does."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    import argcomplete

    whole = argparse.ArgumentParser(prog="vastares")
    verbs = whole.add_subparsers()
    for name, verb in VERBS.items():
        parser = verbs.add_parser(name)
        if verb.declare is not None:
            verb.declare(parser)
    argcomplete.autocomplete(whole)
