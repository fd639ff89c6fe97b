"""Record and train: `ros2 launch vastares_ros training.launch.py dataset:=FOLDER bundle:=FOLDER`."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue


def generate_launch_description() -> LaunchDescription:
    """The node `training` and its arguments (`--show-args` lists them)."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("dataset", description="folder that recordings are added to"),
            DeclareLaunchArgument("bundle", default_value="", description="folder that training writes"),
            DeclareLaunchArgument("robot", default_value="", description="robot of config/robots, for example ur3"),
            DeclareLaunchArgument("namespace", default_value="", description="namespace of the node"),
            DeclareLaunchArgument("joint_states", default_value="joint_states", description="topic of the robot"),
            DeclareLaunchArgument("use_sim_time", default_value="false", description="take time from /clock"),
            Node(
                package="vastares_ros",
                executable="training",
                name="training",
                namespace=LaunchConfiguration("namespace"),
                parameters=[
                    {
                        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                        for name, kind in {"dataset": str, "bundle": str, "robot": str, "use_sim_time": bool}.items()
                    }
                ],
                remappings=[("joint_states", LaunchConfiguration("joint_states"))],
                output="screen",
            ),
        ]
    )
