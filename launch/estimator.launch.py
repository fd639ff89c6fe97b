# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Estimate torques live: `ros2 launch vastares_ros estimator.launch.py bundle:=FOLDER`."""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue

from vastares_ros.nodes.interfaces import ESTIMATOR

CONFIG = Path(__file__).resolve().parents[1] / "config"
PARAMETERS = ("bundle", "robot", "urdf", "frame_prefix", "autostart")  # those that are arguments too
OVERRIDES = {
    **{p.name: (type(p.default), p.description) for p in ESTIMATOR.parameters if p.name in PARAMETERS},
    "use_sim_time": (bool, "If true, time comes from /clock."),
}


def generate_launch_description() -> LaunchDescription:
    """The node `estimator` and its arguments."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value="", description=description)
                for name, (_, description) in OVERRIDES.items()
            ),
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node."),
            DeclareLaunchArgument("joint_states", default_value="joint_states", description="Topic of the robot."),
            DeclareLaunchArgument(
                "params_file",
                default_value="",
                description="File of parameters. The arguments above that are not empty override it. Empty: "
                "config/estimator/ROBOT.yaml, or config/estimator.yaml if the robot has none.",
            ),
            OpaqueFunction(function=_node),
        ]
    )


def _node(context: LaunchContext) -> list[LifecycleNode]:
    overrides = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, (kind, _) in OVERRIDES.items()
        if LaunchConfiguration(name).perform(context)
    }
    return [
        LifecycleNode(
            package="vastares_ros",
            executable="estimator",
            name="estimator",
            namespace=LaunchConfiguration("namespace"),
            parameters=[_params_file(context), *([overrides] if overrides else [])],
            remappings=[("joint_states", LaunchConfiguration("joint_states"))],
            output="screen",
        )
    ]


def _params_file(context: LaunchContext) -> str:
    if given := LaunchConfiguration("params_file").perform(context):
        return given
    of_robot = CONFIG / "estimator" / f"{LaunchConfiguration('robot').perform(context)}.yaml"
    return str(of_robot if of_robot.is_file() else CONFIG / "estimator.yaml")
