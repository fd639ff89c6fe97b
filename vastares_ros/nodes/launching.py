# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the launch files of the nodes share; only they import this, since it needs `launch` and `launch_ros`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue

from .interfaces import Parameter


def node_description(
    name: str,
    parameters: Sequence[Parameter],
    arguments: Collection[str],
    default_file: Callable[[LaunchContext], str],
    default_words: str,
) -> LaunchDescription:
    """A lifecycle node of this package with its launch arguments.

    Besides those for parameters, the arguments are use_sim_time, namespace, joint_states and params_file. An argument
    for a parameter that is not empty overrides the file of parameters.

    Args:
        name: of the node, and of its executable.
        parameters: all parameters of the node.
        arguments: names of those parameters that are launch arguments too.
        default_file: path of the file of parameters where the argument params_file is empty.
        default_words: the same in words, for `--show-args`.
    """
    overrides = {
        **{p.name: (type(p.default), p.description) for p in parameters if p.name in arguments},
        "use_sim_time": (bool, "If true, time comes from /clock."),
    }

    def node(context: LaunchContext) -> list[LifecycleNode]:
        given = {
            argument: ParameterValue(LaunchConfiguration(argument), value_type=kind)
            for argument, (kind, _) in overrides.items()
            if LaunchConfiguration(argument).perform(context)
        }
        file = LaunchConfiguration("params_file").perform(context) or default_file(context)
        return [
            LifecycleNode(
                package="vastares_ros",
                executable=name,
                name=name,
                namespace=LaunchConfiguration("namespace"),
                parameters=[file, *([given] if given else [])],
                remappings=[("joint_states", LaunchConfiguration("joint_states"))],
                output="screen",
            )
        ]

    texts = {argument: description for argument, (_, description) in overrides.items()} | {
        "namespace": "Namespace of the node.",
        "joint_states": "Topic of the robot.",
        "params_file": "File of parameters. The arguments above that are not empty override it. "
        f"Empty: {default_words}.",
    }
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(
                    argument,
                    default_value="joint_states" if argument == "joint_states" else "",
                    description=description,
                )
                for argument, description in texts.items()
            ),
            OpaqueFunction(function=node),
        ]
    )
