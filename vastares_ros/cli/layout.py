# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Write a layout for exactly the joints of a bundle: what PlotJuggler, RViz or Foxglove is to show of them.

Open it in PlotJuggler with "Load layout", in Foxglove with "Import from file", in RViz with `rviz2 -d FILE`. It
fits the live node and what `vastares replay` writes, but for latency: that only the live node tells, on /diagnostics.
"""

from __future__ import annotations

import argparse

from vastares_ros.cli.console import console
from vastares_ros.core.errors import RobotError
from vastares_ros.io.bundles import load_bundle
from vastares_ros.io.folders import check_file
from vastares_ros.io.robots import bundle_arm
from vastares_ros.report.viewer_layouts import Topics, foxglove, plotjuggler, rviz
from vastares_ros.runtime.bundle import Bundle


def run(args: argparse.Namespace) -> int:
    """Write the layout of a bundle for the program that `args` name; the exit status is 0."""
    check_file(args.output, args.force)
    bundle = load_bundle(args.bundle)
    topics = Topics(args.namespace, args.node)
    if args.viewer == "rviz":
        text = rviz(bundle, topics, args.fixed_frame or _base(bundle))
    else:
        text = {"plotjuggler": plotjuggler, "foxglove": foxglove}[args.viewer](bundle, topics)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(text, encoding="utf-8")
    console.print(f"{args.output}: a layout of {args.viewer} for {', '.join(bundle.joints)}")
    return 0


def _base(bundle: Bundle) -> str:
    """The root link of the arm where its URDF is at hand."""
    try:
        return bundle_arm(bundle).root
    except RobotError:
        return "base_link"
