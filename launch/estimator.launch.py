"""Estimate torques live: `ros2 launch vastares_ros estimator.launch.py bundle:=FOLDER`."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare


def generate_launch_description() -> LaunchDescription:
    """The node `estimator` and its arguments (`--show-args` lists them)."""
    config = PathJoinSubstitution([FindPackageShare("vastares_ros"), "config", "estimator.yaml"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("bundle", description="folder of the trained bundle"),
            DeclareLaunchArgument("namespace", default_value="", description="namespace of the node"),
            DeclareLaunchArgument("joint_states", default_value="joint_states", description="topic of the robot"),
            DeclareLaunchArgument("params_file", default_value=config, description="parameters of the node"),
            DeclareLaunchArgument("use_sim_time", default_value="false", description="take time from /clock"),
            Node(
                package="vastares_ros",
                executable="estimator",
                name="estimator",
                namespace=LaunchConfiguration("namespace"),
                parameters=[
                    LaunchConfiguration("params_file"),
                    {
                        "bundle": ParameterValue(LaunchConfiguration("bundle"), value_type=str),
                        "use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool),
                    },
                ],
                remappings=[("joint_states", LaunchConfiguration("joint_states"))],
                output="screen",
            ),
        ]
    )
