# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Record and train: `ros2 launch vastares_ros training.launch.py dataset:=FOLDER bundle:=FOLDER robot:=ur5e`."""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue

from vastares_ros.nodes.interfaces import TRAINING

SHARE = Path(__file__).resolve().parents[1]
PARAMETERS = ("dataset", "bundle", "robot", "contact_topic", "estimator", "autostart")  # those that are arguments too
OVERRIDES = {
    **{p.name: (type(p.default), p.description) for p in TRAINING.parameters if p.name in PARAMETERS},
    "use_sim_time": (bool, "If true, time comes from /clock."),
}


def generate_launch_description() -> LaunchDescription:
    """The node `training` and its arguments."""
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
                default_value=str(SHARE / "config" / "training.yaml"),
                description="File of parameters. The arguments above that are not empty override it.",
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
            executable="training",
            name="training",
            namespace=LaunchConfiguration("namespace"),
            parameters=[LaunchConfiguration("params_file"), *([overrides] if overrides else [])],
            remappings=[("joint_states", LaunchConfiguration("joint_states"))],
            output="screen",
        )
    ]
