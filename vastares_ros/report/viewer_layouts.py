# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Layouts of PlotJuggler, Foxglove and RViz for one robot: its joints, and the topics of its estimator.

PlotJuggler and Foxglove show the same pages of plots, `pages`; each names a curve in its own way. Joint states hold
their joints in an order of their own, so Foxglove, which finds the numbers of an array by place alone, gets a script
that sorts them by name; both show measured torque with the scale and sign of the bundle.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import yaml

from vastares_ros.io.configs import load_yaml
from vastares_ros.io.robots import config_folder
from vastares_ros.runtime.bundle import Bundle

COLORS = ("#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#17becf", "#e377c2")
SCRIPT_TOPIC = "/studio_script/measured_torque"  # Foxglove demands the prefix


@dataclass(frozen=True)
class Curve:
    """One number over time.

    Attributes:
        topic: where it is published.
        label: what the legend says.
        joint: the name whose `effort` it is, in a JointState; empty in other messages.
        place: of the joint in the message.
        path: of the number in other messages, its fields one by one.
        scale: factor to show it with.
    """

    topic: str
    label: str
    joint: str = ""
    place: int = 0
    path: tuple[str, ...] = ()
    scale: float = 1.0


Pages = Mapping[str, Mapping[str, Sequence[Curve]]]  # title of a page → title of a plot → its curves


@dataclass(frozen=True)
class Topics:
    """Where a robot and its estimator publish."""

    namespace: str = ""
    node: str = "estimator"

    def inside(self, name: str) -> str:
        """A topic of the namespace; an absolute name outside of it moves into it."""
        return "/" + "/".join(part.strip("/") for part in (self.namespace, name) if part.strip("/"))

    def of_node(self, name: str) -> str:
        """A topic of the estimator node, or its own full name where `name` is empty."""
        return self.inside(f"{self.node}/{name}")


def pages(bundle: Bundle, topics: Topics) -> Pages:
    """What there is to see of a bundle's robot, by page and plot."""

    def of(topic: str, label: str, joint: str) -> Curve:
        return Curve(topics.of_node(topic), label, joint, bundle.joints.index(joint))

    torque: dict[str, Sequence[Curve]] = {}
    external: dict[str, Sequence[Curve]] = {}
    for j, (joint, scale) in enumerate(zip(bundle.joints, bundle.effort.scale, strict=True)):
        measured = Curve(topics.inside(bundle.topic), "measured", joint, j, scale=scale)
        torque[joint] = (measured, of("estimated_torque", "estimated", joint))
        external[joint] = (of("external_torque", "external", joint), of("external_torque_bound", "bound", joint))
    contact: dict[str, Sequence[Curve]] = {
        "contact": [of("contact", joint, joint) for joint in bundle.joints],
        "valid": [Curve(topics.of_node("valid"), "valid", "valid")],
    }
    found: dict[str, Mapping[str, Sequence[Curve]]] = {
        f"torque [{bundle.effort.unit}]": torque,
        f"external torque [{bundle.effort.unit}]": external,
    }
    if bundle.effort.unit == "N·m":  # from amperes there is no wrench
        wrench = topics.of_node("external_wrench")
        found["wrench"] = {
            f"{part} [{unit}]": [Curve(wrench, axis, path=("wrench", part, axis)) for axis in "xyz"]
            for part, unit in (("force", "N"), ("torque", "N·m"))
        } | {"singularity": [Curve(topics.of_node("wrench_singularity"), "singularity", "singularity")]}
    return found | {"contact": contact}


def latency(bundle: Bundle, topics: Topics) -> Mapping[str, Sequence[Curve]]:
    """The plots of what the live node says of itself, by the names that PlotJuggler gives to diagnostics."""
    plots = {
        "time of an answer [us]": ("tick_p50_us", "tick_p99_us", "tick_max_us"),
        "rate of the input [Hz]": ("rate_hz", "trained_rate_hz"),
        "share of valid estimates": ("valid_share",),
    }
    status = (bundle.robot, topics.of_node("")) if bundle.robot else (topics.of_node(""),)
    return {title: [Curve("/diagnostics", key, path=(*status, key)) for key in keys] for title, keys in plots.items()}


def plotjuggler(bundle: Bundle, topics: Topics) -> str:
    """The layout as PlotJuggler's XML."""
    root = ElementTree.Element("root")
    tabs = ElementTree.SubElement(root, "tabbed_widget", {"name": "Main Window", "parent": "main_window"})
    for title, plots in {**pages(bundle, topics), "latency": latency(bundle, topics)}.items():
        tab = ElementTree.SubElement(tabs, "Tab", tab_name=title, containers="1")
        rows = _splitter(ElementTree.SubElement(tab, "Container"), "-", (len(plots) + 1) // 2)
        for i, (name, curves) in enumerate(plots.items()):
            if i % 2 == 0:
                row = _splitter(rows, "|", min(2, len(plots) - i))
            plot = ElementTree.SubElement(
                ElementTree.SubElement(row, "DockArea", name=name), "plot", mode="TimeSeries", style="Lines"
            )
            ElementTree.SubElement(plot, "range", left="0", right="30", bottom="-1", top="1")
            ElementTree.SubElement(plot, "limitY")
            for curve, color in zip(curves, _colors(len(curves)), strict=True):
                element = ElementTree.SubElement(plot, "curve", name=plotjuggler_name(curve), color=color)
                if curve.scale != 1:
                    transform = ElementTree.SubElement(
                        element, "transform", name="Scale/Offset", alias=f"{curve.joint} {curve.label}"
                    )
                    factors = {"time_offset": "0", "value_offset": "0", "value_scale": f"{curve.scale:.12g}"}
                    ElementTree.SubElement(transform, "options", factors)
    ElementTree.SubElement(tabs, "currentTabIndex", index="0")
    ElementTree.SubElement(root, "use_relative_time_offset", enabled="1")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def plotjuggler_name(curve: Curve) -> str:
    """The name that PlotJuggler gives to a curve."""
    return "/".join((curve.topic, curve.joint, "effort") if curve.joint else (curve.topic, *curve.path))


def foxglove(bundle: Bundle, topics: Topics) -> str:
    """The layout as Foxglove's JSON."""
    measured = topics.inside(bundle.topic)
    configs: dict[str, Any] = {}
    tabs = []
    for title, plots in pages(bundle, topics).items():
        panels = []
        for name, curves in plots.items():
            panels.append(f"Plot!{len(configs)}")
            paths = [
                {
                    "value": foxglove_path(curve, SCRIPT_TOPIC if curve.topic == measured else curve.topic),
                    "label": curve.label,
                    "color": color,
                    "enabled": True,
                    "timestampMethod": "receiveTime",
                }
                for curve, color in zip(curves, _colors(len(curves)), strict=True)
            ]
            configs[panels[-1]] = {
                "foxglovePanelTitle": name,
                "paths": paths,
                "showLegend": True,
                "legendDisplay": "floating",
                "showPlotValuesInLegend": False,
                "showXAxisLabels": True,
                "showYAxisLabels": True,
                "isSynced": True,
                "xAxisVal": "timestamp",
                "sidebarDimension": 240,
            }
        tabs.append({"title": title, "layout": _mosaic(panels)})
    configs["DiagnosticSummary!health"] = {"topicToRender": "/diagnostics", "minLevel": 0, "sortByLevel": True}
    tabs.append({"title": "health", "layout": "DiagnosticSummary!health"})
    configs["Tab!pages"] = {"activeTabIdx": 0, "tabs": tabs}
    script = {"name": "measured_torque", "sourceCode": _script(bundle, measured)}
    layout = {
        "configById": configs,
        "globalVariables": {},
        "userNodes": {"measured-torque": script},
        "playbackConfig": {"speed": 1},
        "layout": "Tab!pages",
    }
    return json.dumps(layout, indent=2, ensure_ascii=False) + "\n"


def foxglove_path(curve: Curve, topic: str) -> str:
    """The message path by which Foxglove finds a curve on a topic."""
    return f"{topic}.effort[{curve.place}]" if curve.joint else ".".join((topic, *curve.path))


def rviz(bundle: Bundle, topics: Topics, fixed_frame: str) -> str:
    """The layout as RViz' YAML: that of `config/rviz`, with the topics and the fixed frame of this robot."""
    layout = load_yaml(config_folder() / "rviz" / "estimator.rviz")
    manager = layout["Visualization Manager"]
    manager["Global Options"]["Fixed Frame"] = fixed_frame
    shown = {display["Name"]: display for display in manager["Displays"]}
    shown["Robot"]["Description Topic"]["Value"] = topics.inside("robot_description")
    shown["External wrench"]["Topic"]["Value"] = topics.of_node("external_wrench")
    shown["Contact by joint"]["Topic"]["Value"] = topics.of_node("contact_markers")
    if bundle.effort.unit != "N·m":
        manager["Displays"].remove(shown["External wrench"])
    return yaml.safe_dump(layout, sort_keys=False, allow_unicode=True)


def _colors(count: int) -> list[str]:
    return [COLORS[i % len(COLORS)] for i in range(count)]


def _splitter(parent: ElementTree.Element, orientation: str, count: int) -> ElementTree.Element:
    sizes = ";".join([f"{1 / count:.6f}"] * count)
    return ElementTree.SubElement(parent, "DockSplitter", orientation=orientation, count=str(count), sizes=sizes)


def _mosaic(panels: Sequence[str], direction: str = "column") -> Any:
    """Panels in a tree of halves, as Foxglove wants them, cut across and along by turns."""
    if len(panels) == 1:
        return panels[0]
    half, other = (len(panels) + 1) // 2, {"column": "row", "row": "column"}[direction]
    return {
        "direction": direction,
        "first": _mosaic(panels[:half], other),
        "second": _mosaic(panels[half:], other),
        "splitPercentage": 100 * half / len(panels),
    }


def _script(bundle: Bundle, topic: str) -> str:
    joints = json.dumps(bundle.joints, ensure_ascii=False)
    return f"""// Measured torque in the order of the bundle's joints, with its scale and sign.
import {{ Input }} from "./types";

type Output = {{ effort: number[] }};

const joints = {joints};
const scale = {json.dumps(bundle.effort.scale)};

export const inputs = [{json.dumps(topic)}];
export const output = {json.dumps(SCRIPT_TOPIC)};

export default function script(event: Input<{json.dumps(topic)}>): Output {{
  const {{ name, effort }} = event.message;
  return {{ effort: joints.map((joint, i) => (scale[i] ?? 1) * (effort[name.indexOf(joint)] ?? NaN)) }};
}}
"""
