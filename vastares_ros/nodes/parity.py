"""Play a bag through the live estimator node over DDS, and compare what it publishes with the same model offline.

The node runs as a process of its own in a ROS domain of its own. The status is 0 if every message that has an estimate
offline has the same one live, to the last bit; else it is 1.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from rcl_interfaces.srv import GetParameters
from rich.table import Table
from sensor_msgs.msg import JointState

from vastares_ros.cli.arguments import add_force, add_json, add_topic, check_json, console, write_json
from vastares_ros.core.errors import VastaresError
from vastares_ros.core.joints import JointAssembler
from vastares_ros.core.samples import Array, seconds
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.folders import check_file
from vastares_ros.nodes.messages import from_stamp, to_joint_state
from vastares_ros.nodes.play import DEPTH, Playback, add_rate, bar, read_playback
from vastares_ros.nodes.process import VASTARES, end, make_executor, own_domain, reliable, ros_node, spawn
from vastares_ros.runtime.bundle import Bundle
from vastares_ros.runtime.device import device_for
from vastares_ros.runtime.estimator import Estimator

TOPICS = ("estimated_torque", "external_torque")
START = 60.0  # seconds for the node to import torch, load and be found
SILENCE = 5.0  # seconds without an answer after which the rest counts as lost


@dataclass(frozen=True)
class Live:
    """What the node said of M messages.

    Attributes:
        tau: tau_free and tau_ext, shape (2, M, J) [N·m or A]; NaN where nothing came.
        latency: from publishing a message to having its estimated torque, shape (M,) [s]; NaN where nothing came.
        strays: answers that fit no message, or a second time.
    """

    tau: Array
    latency: Array
    strays: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder written by `vastares train`")
    parser.add_argument("bag", type=Path, metavar="BAG", help=".bag, .db3, .mcap or a rosbag2 folder")
    add_topic(parser, "the one the bundle was trained from")
    add_rate(parser)
    add_json(parser)
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the live torques and latencies as Parquet")
    add_force(parser)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    check_json(args.json, args.force)
    if args.save:
        check_file(args.save, args.force)
    bundle = load_bundle(args.bundle)
    playback = read_playback(args.bag, args.topic or bundle.topic, args.rate)
    offline = run_offline(bundle, playback)
    live = run_live(args.bundle, bundle.joints, playback, answered(offline))
    figures = {"messages": len(playback.messages), "rate": args.rate, **parity_figures(live, offline)}
    console.print(_table(figures, f"{args.bag} live at {args.rate:g} times its pace, against offline"))
    if args.json:
        write_json(args.json, figures)
    if args.save:
        save(args.save, bundle.joints, playback, live)
    return 0 if figures["equal"] else 1


def answered(tau: Array) -> NDArray[np.bool_]:
    """Which of M messages have torques; tau (2, M, J) -> (2, M)."""
    return np.asarray(np.isfinite(tau).all(axis=2))


def run_offline(bundle: Bundle, playback: Playback) -> Array:
    """What the estimator says of every message, without ROS: tau_free and tau_ext, shape (2, M, J), NaN for nothing.

    Raises:
        VastaresError: it says nothing at all.
    """
    torch.set_num_threads(1)  # as in the node: another number may round otherwise
    estimator = Estimator(bundle, device_for("auto"))
    assembler = JointAssembler(bundle.joints, bundle.effort.scale)
    tau = np.full((2, len(playback.messages), len(bundle.joints)), np.nan)
    why: Counter[str] = Counter()
    for i, (stamp_ns, names, *values) in enumerate(playback.messages):
        try:
            sample = assembler.push(seconds(stamp_ns), names, *values)
        except VastaresError as error:
            why[str(error)] += 1
            continue
        if sample is None:
            why["joints missing"] += 1
            continue
        estimate = estimator.step(sample)
        why[estimate.validity.value] += 1
        tau[:, i] = estimate.tau_free, estimate.tau_ext
    if not answered(tau).any():
        raise VastaresError(f"the bag gives no estimate with this bundle: {why.most_common(1)[0][0]}")
    return tau


def run_live(
    bundle: Path,
    joints: Sequence[str],
    playback: Playback,
    expected: NDArray[np.bool_],
    command: Sequence[str] = (*VASTARES, "estimator"),
) -> Live:
    """Start the estimator node, publish the playback to it, and gather its answers.

    Every message bears its number as `frame_id`, which the node returns, so that answers are told apart even where
    stamps repeat.

    Args:
        bundle: folder of the bundle.
        joints: its J joints.
        playback: the M messages.
        expected: answers worth waiting for at the end, shape (2, M).
        command: what starts the node.

    Raises:
        VastaresError: the node ends by itself, or cannot be found.
    """
    tau = np.full((2, len(playback.messages), len(joints)), np.nan)
    sent, latency = np.full((2, len(playback.messages)), np.nan)
    strays = 0
    last = 0.0

    def take(message: JointState, topic: int) -> None:
        nonlocal strays, last
        last = time.perf_counter()
        i = int(message.header.frame_id)
        known = from_stamp(message.header.stamp) == playback.messages[i][0] and tuple(message.name) == tuple(joints)
        if not known or np.isfinite(tau[topic, i]).any():
            strays += 1
            return
        tau[topic, i] = message.effort
        if topic == 0:
            latency[i] = last - sent[i]

    messages = [to_joint_state(*values, frame_id=str(i)) for i, values in enumerate(playback.messages)]
    with own_domain(), ros_node("parity") as node, _estimator(command, bundle) as check:
        executor = make_executor(node.context)
        executor.add_node(node)
        for k, topic in enumerate(TOPICS):
            node.create_subscription(JointState, f"/estimator/{topic}", partial(take, topic=k), reliable(DEPTH))
        publisher = node.create_publisher(JointState, "/joint_states", reliable(DEPTH))

        def spin_until(done: Callable[[], bool], deadline: Callable[[], float]) -> bool:
            while not done() and time.perf_counter() < deadline():
                executor.spin_once(timeout_sec=0.05)
                check()
            return done()

        # The node learns of our endpoints in the order they are made. The client is the last of them: once the node has
        # answered it, it knows the subscriptions above as well, and its own subscription, made last, is ready.
        client = node.create_client(GetParameters, "/estimator/get_parameters")
        started = time.perf_counter()
        ready = spin_until(client.service_is_ready, lambda: started + START)
        reply = client.call_async(GetParameters.Request(names=["bundle"]))
        ready = ready and spin_until(reply.done, lambda: started + START)
        if not ready or not spin_until(lambda: publisher.get_subscription_count() > 0, lambda: started + START):
            raise VastaresError(f"the estimator node was not found within {START:g} s: is the computer overloaded?")

        with bar("playing", float(playback.due[-1])) as advance:
            start = time.perf_counter()
            for i, (message, due) in enumerate(zip(messages, start + playback.due, strict=True)):
                executor.spin_once(timeout_sec=0)
                while (left := due - time.perf_counter()) > 0:
                    executor.spin_once(timeout_sec=left)
                check()
                sent[i] = time.perf_counter()
                publisher.publish(message)
                advance(playback.due[i])
        last = time.perf_counter()
        spin_until(lambda: bool((answered(tau) >= expected).all()), lambda: last + SILENCE)
        reply = client.call_async(GetParameters.Request())  # behind the last message: what the node had to say, it said
        spin_until(reply.done, lambda: last + SILENCE)
    return Live(tau, latency, strays)


def parity_figures(live: Live, offline: Array) -> dict[str, Any]:
    """Figures of a live run beside offline torques, shape (2, M, J), as written to JSON."""
    here, there = answered(live.tau), answered(offline)
    figures: dict[str, Any] = {}
    for k, topic in enumerate(TOPICS):
        both = here[k] & there[k]
        difference = np.abs(live.tau[k] - offline[k])[both]
        figures[topic] = {
            "expected": int(there[k].sum()),
            "received": int(here[k].sum()),
            "missing": int((there[k] & ~here[k]).sum()),
            "unexpected": int((here[k] & ~there[k]).sum()),
            "max_difference": float(difference.max()) if len(difference) else None,
        }
    latency = live.latency[np.isfinite(live.latency)] * 1e3
    p50, p99 = np.percentile(latency, (50, 99)) if len(latency) else (None, None)
    figures["strays"] = live.strays
    figures["latency_ms"] = {"p50": p50, "p99": p99, "max": float(latency.max()) if len(latency) else None}
    figures["equal"] = live.strays == 0 and np.array_equal(live.tau, offline, equal_nan=True)
    return figures


def save(path: Path, joints: Sequence[str], playback: Playback, live: Live) -> None:
    """Write what was live estimated as Parquet: t [s], tau_free_<joint>, tau_ext_<joint> [N·m or A], latency_ms."""
    came = answered(live.tau)[0]
    columns = {"t": np.array([seconds(stamp_ns) for stamp_ns, *_ in playback.messages])[came]}
    for name, tau in zip(("tau_free", "tau_ext"), live.tau[:, came], strict=True):
        columns |= {f"{name}_{joint}": column for joint, column in zip(joints, tau.T, strict=True)}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns | {"latency_ms": live.latency[came] * 1e3}), path)


@contextmanager
def _estimator(command: Sequence[str], bundle: Path) -> Iterator[Callable[[], None]]:
    """The node as a child process; what it gives raises once the node has ended."""
    quoted = str(bundle.absolute()).replace("'", "''")
    with tempfile.TemporaryFile("w+") as log:
        child = spawn([*command, "--ros-args", "-p", f"bundle:='{quoted}'"], stdout=log, stderr=log)

        def check() -> None:
            if child.poll() is not None:
                log.seek(0)
                said = log.read().strip().splitlines() or ["it said nothing"]
                raise VastaresError(f"the estimator node ended with status {child.returncode}: {said[-1]}")

        try:
            yield check
        finally:
            end(child)


def _table(figures: dict[str, Any], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("topic", no_wrap=True)
    for column in ("expected", "received", "missing", "unexpected", "largest\ndifference"):
        table.add_column(column, justify="right")
    for topic in TOPICS:
        row = figures[topic]
        difference = row["max_difference"]
        counts = [str(row[name]) for name in ("expected", "received", "missing", "unexpected")]
        table.add_row(topic, *counts, "none to compare" if difference is None else f"{difference:g}")
    latency = figures["latency_ms"]
    told = "" if latency["p50"] is None else "latency p50 {p50:.2f}, p99 {p99:.2f}, max {max:.2f} ms".format(**latency)
    verdict = "equal to the last bit" if figures["equal"] else "[bold red]not equal[/bold red]"
    table.caption = f"{figures['messages']} messages, {figures['strays']} strays; {told}; {verdict}"
    table.caption_justify = "left"
    return table
