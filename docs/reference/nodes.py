"""Write docs/reference/nodes.md: parameters, topics and services of the nodes, from the tables in their classes."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from vastares_ros.nodes import estimator, training
from vastares_ros.nodes.managed import DIAGNOSTICS, ManagedNode, Parameter, Topic

PAGE = Path(__file__).with_name("nodes.md")
NODES = {"estimator": estimator.EstimatorNode, "training": training.TrainingNode}
CONFIG = "../../config/{}.yaml"
HEAD = """# Reference of the nodes

Written by `python docs/reference/nodes.py` from the tables in the code. A name that begins with `~/` is under the name
of the node, for example `/estimator/valid`; all others but `/diagnostics` are under its namespace. Every output of the
estimator but `/diagnostics` bears the stamp of the joint state that it answers.

Both are lifecycle nodes, so they have the services `~/change_state`, `~/get_state` and so on, and publish
`~/transition_event`; like every node they have `use_sim_time`. In the column QoS, a number is how many messages wait;
a topic is reliable and volatile where nothing else is said. Those that are overridable take
`qos_overrides.TOPIC.publisher.depth` (or `.subscription.`; also `.history` and `.reliability`) as parameters."""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)


def page() -> str:
    """The whole page, as Markdown."""
    return "\n\n".join([HEAD, *(_node(name, kind) for name, kind in NODES.items())]) + "\n"


def qos(node: str, topic: Topic) -> tuple[int, str, bool]:
    """How a topic is published or subscribed to.

    Returns:
        How many messages wait; the parameter that sets the reliability, or "" for reliable; whether it is latched.
    """
    if topic.name in ("robot_description", "~/coverage"):
        return 1, "", True
    depth = {"estimator": estimator.DEPTH, "training": training.DEPTH}[node]
    if topic.name == "joint_states":
        return depth, "reliability", False
    if node == "estimator" and topic != DIAGNOSTICS:
        return depth, "output_reliability", False
    return 10, "", False


def _node(name: str, kind: type[ManagedNode]) -> str:
    parameters = [
        f"| `{p.name}` | {_type(p)} | {_default(p)} | {_range(p)} | {p.change.value} | {p.description} |"
        for p in kind.PARAMETERS
    ]
    topics = [
        f"| `{t.name}` | {t.type} | {'out' if t.published else 'in'} | {_qos(name, t)} | {t.description} |"
        for t in kind.TOPICS
    ]
    services = [f"| `{s.name}` | {s.type} | {s.description} |" for s in kind.SERVICES]
    return "\n".join(
        [
            f"## {name}",
            "",
            f"Every parameter with its default, to copy: [{name}.yaml]({CONFIG.format(name)}).",
            "",
            "### Parameters",
            "",
            "| parameter | type | default | range | can be set | meaning |",
            "|---|---|---|---|---|---|",
            *parameters,
            "",
            "### Topics",
            "",
            "| topic | type | | QoS | meaning |",
            "|---|---|---|---|---|",
            *topics,
            "",
            "### Services",
            "",
            "| service | type | does |",
            "|---|---|---|",
            *services,
        ]
    )


def _type(parameter: Parameter) -> str:
    if isinstance(parameter.default, Enum):
        return parameter.default.name.replace("_", " ").lower()
    return {bool: "bool", str: "string", float: "double", int: "integer"}[type(parameter.default)]


def _default(parameter: Parameter) -> str:
    if isinstance(parameter.default, Enum):
        return "unset"
    text = str(parameter.default)
    return f"`{text.lower() if isinstance(parameter.default, bool) else text or repr('')}`"


def _range(parameter: Parameter) -> str:
    if parameter.limits:
        low, high = parameter.limits
        return f"{low:g} to {high:g}"
    return ", ".join(f"`{choice}`" for choice in parameter.choices)


def _qos(node: str, topic: Topic) -> str:
    depth, parameter, latched = qos(node, topic)
    words = [str(depth), f"as `{parameter}`, overridable" if parameter else "", "latched (transient local)" * latched]
    return ", ".join(word for word in words if word)


if __name__ == "__main__":
    main()
