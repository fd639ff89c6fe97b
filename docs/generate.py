# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Write what is said about parameters from the one place where it stands.

The tables of `vastares_ros/nodes/interfaces.py` give `docs/reference/nodes.md`, `config/estimator.yaml` and
`config/training.yaml`. The docstrings of the configuration classes give `docs/reference/training.md` and
`config/train.yaml`. A test compares the files with what this program writes.
"""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from vastares_ros.models.methods import METHODS, network_config
from vastares_ros.nodes import estimator, training
from vastares_ros.nodes.interfaces import DIAGNOSTICS, INTERFACES, Change, Interface, Parameter, Topic, Unset
from vastares_ros.training.config import TrainConfig

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 120  # of comments [characters]
DEPTHS = {"estimator": estimator.DEPTH, "training": training.DEPTH}
MARKS = {Change.LIVE: "[live] ", Change.START: "[start] ", Change.UNCONFIGURED: ""}
NODES_HEAD = """# Nodes

Both nodes are lifecycle nodes. They have the services `~/change_state`, `~/get_state` and so on, and publish
`~/transition_event`. Like every node, they have the parameter `use_sim_time`.

A name that begins with `~/` is below the name of the node, for example `/estimator/valid`. All other names but
`/diagnostics` are below its namespace. Every output of the estimator but `/diagnostics` has the stamp of the joint
state that it answers.

In the column QoS, the number is the depth of the queue. A topic is reliable and volatile where nothing else is written.
Where it says *overridable*, the parameters `qos_overrides.TOPIC.publisher.depth`, `.history` and `.reliability` apply
(for a subscription, `.subscription.` instead of `.publisher.`)."""
TRAINING_HEAD = """# Training configuration

`vastares train --config FILE` and the parameter `train_config` of the node `training` take a YAML file with these
fields. A field that is left out has its default. `config/train.yaml` has all of them, to copy. [1] is the
[paper of the network](../research/paper.md)."""
YAML_HEAD = {
    "estimator": """\
# Parameters of the node `estimator`, with their defaults. config/estimator/ has a file for each robot.
#   ros2 run vastares_ros estimator --ros-args --params-file config/estimator.yaml -p bundle:=out/bundle
""",
    "training": """\
# Parameters of the node `training`, with their defaults. Those without a default are commented out.
#   ros2 run vastares_ros training --ros-args --params-file config/training.yaml -p dataset:=out/dataset
# Quote joint names: an unquoted y, n, on or off is a truth value in YAML. Write numbers with a point: 1.0.
""",
}
YAML_NOTE = """\
# [live]: can be set while the node runs. [start]: is read when the node starts. All others can be set while the node is
# unconfigured. Written by docs/generate.py from vastares_ros/nodes/interfaces.py.
/**:  # the node under any name, in any namespace
  ros__parameters:
"""
TRAIN_HEAD = """\
# Training configuration for `vastares train --config FILE` and the node `training`: every field, with its default.
# [1] is Huang et al. 2024, the paper of the network. docs/reference/training.md has the fields of the other methods.
# Written by docs/generate.py from the docstrings of the configuration classes.
"""


def main() -> None:
    """Write all files."""
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


def files() -> dict[Path, str]:
    """Every file that is written, and its text."""
    nodes = [NODES_HEAD, *(_node(name, interface) for name, interface in INTERFACES.items())]
    return {
        ROOT / "docs/reference/nodes.md": "\n\n".join(nodes) + "\n",
        ROOT / "docs/reference/training.md": "\n".join([TRAINING_HEAD, "", *_training()]),
        ROOT / "config/train.yaml": TRAIN_HEAD + "\n" + "\n".join(_yaml(TrainConfig(), "")),
        **{ROOT / f"config/{name}.yaml": _parameter_file(name) for name in INTERFACES},
    }


def field_texts(config: type) -> dict[str, str]:
    """The text of each field, from `Attributes:` in the docstrings of a configuration class and of its bases."""
    texts: dict[str, str] = {}
    for cls in reversed(config.__mro__):
        _, _, section = (inspect.cleandoc(cls.__doc__ or "")).partition("Attributes:\n")
        for entry in re.split(r"\n(?=    \w)", "\n" + section):
            name, colon, text = entry.strip().partition(":")
            if colon and name.isidentifier():
                texts[name] = " ".join(text.split())
    return texts


def qos(node: str, topic: Topic) -> tuple[int, str, bool]:
    """How a topic is published or subscribed to.

    Returns:
        The depth of its queue; the parameter that sets the reliability, or "" for reliable; whether it is latched.
    """
    if topic.name in ("robot_description", "~/coverage"):
        return 1, "", True
    if topic.name == "joint_states":
        return DEPTHS[node], "reliability", False
    if node == "estimator" and topic != DIAGNOSTICS:
        return DEPTHS[node], "output_reliability", False
    return 10, "", False


def _node(name: str, interface: Interface) -> str:
    parameters = [
        f"| `{p.name}` | {p.type} | {_default(p)} | {_range(p)} | {p.change.value} | {p.description} |"
        for p in interface.parameters
    ]
    topics = [
        f"| `{t.name}` | {t.type} | {'out' if t.published else 'in'} | {_qos(name, t)} | {t.description} |"
        for t in interface.topics
    ]
    services = [f"| `{s.name}` | {s.type} | {s.description} |" for s in interface.services]
    return "\n".join(
        [
            f"## {name}",
            "",
            f"`config/{name}.yaml` has every parameter with its default, to copy.",
            "",
            f"### Parameters of {name}",
            "",
            "| parameter | type | default | range | can be set | meaning |",
            "|---|---|---|---|---|---|",
            *parameters,
            "",
            f"### Topics of {name}",
            "",
            "| topic | type | | QoS | meaning |",
            "|---|---|---|---|---|",
            *topics,
            "",
            f"### Services of {name}",
            "",
            "| service | type | does |",
            "|---|---|---|",
            *services,
        ]
    )


def _default(parameter: Parameter) -> str:
    return "unset" if isinstance(parameter.default, Unset) else f"`{json.dumps(parameter.default)}`"


def _range(parameter: Parameter) -> str:
    if parameter.limits:
        return "{:g} to {:g}".format(*parameter.limits)
    return ", ".join(f"`{choice}`" for choice in parameter.choices)


def _qos(node: str, topic: Topic) -> str:
    depth, parameter, latched = qos(node, topic)
    words = [str(depth), f"as `{parameter}`, overridable" if parameter else "", "latched (transient local)" * latched]
    return ", ".join(word for word in words if word)


def _parameter_file(node: str) -> str:
    entries = []
    for parameter in INTERFACES[node].parameters:
        choices = f" One of: {', '.join(parameter.choices)}." if parameter.choices else ""
        limits = " From {:g} to {:g}.".format(*parameter.limits) if parameter.limits else ""
        comment = _comment(MARKS[parameter.change] + parameter.description + choices + limits, "    ")
        unset = isinstance(parameter.default, Unset)
        value = f"# {parameter.name}: {parameter.example}" if unset else f"{parameter.name}: {_json(parameter.default)}"
        entries.append(f"{comment}    {value}\n")
    return YAML_HEAD[node] + YAML_NOTE + "\n".join(entries)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _comment(text: str, indent: str) -> str:
    lines = textwrap.wrap(text, WIDTH - len(indent) - 2, break_long_words=False, break_on_hyphens=False)
    return "".join(f"{indent}# {line}\n" for line in lines)


def _own_first(config: Any) -> list[str]:
    """The fields of a configuration; those that every method has come last."""
    return [f.name for f in sorted(fields(config), key=lambda f: f.kw_only is True)]


def _yaml(config: Any, indent: str) -> Iterator[str]:
    """One text for each field: its comment and its default."""
    texts = field_texts(type(config))
    for name in _own_first(config):
        value = getattr(config, name)
        comment = _comment(texts[name], indent)
        if is_dataclass(value):
            yield f"{comment}{indent}{name}:\n" + "".join(_yaml(value, indent + "  "))
        else:
            yield f"{comment}{indent}{name}: {value if isinstance(value, str) else _json(value)}\n"


def _training() -> Iterator[str]:
    default = TrainConfig()
    yield from _table("", default)
    for name in ("rigid_body_model", "filter"):
        yield from (f"## Fields of `{name}`", "", *_table("", getattr(default, name)))
    yield from ("## Fields of `network`", "")
    yield from ("Each method has fields of its own. A field that a method does not have is refused.", "")
    shown: dict[type, list[str]] = {}
    for name, method in METHODS.items():
        shown.setdefault(method.config, []).append(name)
    for names in shown.values():
        yield from (f"### {', '.join(f'`{name}`' for name in names)}", "")
        yield from _table(names[0], network_config(names[0], {}))


def _table(method: str, config: Any) -> Iterator[str]:
    fixed = METHODS[method].fixed if method else {}
    texts = field_texts(type(config))
    yield from ("| field | default | meaning |", "|---|---|---|")
    for name in _own_first(config):
        value = getattr(config, name)
        default = "see below" if is_dataclass(value) else f"`{value if isinstance(value, str) else _json(value)}`"
        if name not in fixed:
            yield f"| `{name}` | {default} | {texts[name]} |"
    yield ""


if __name__ == "__main__":
    main()
