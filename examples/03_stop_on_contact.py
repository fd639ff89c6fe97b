# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Let a trajectory controller hold its position as soon as the estimator reports contact.

THIS IS NO SAFETY FUNCTION. An estimate can be wrong or late, and messages can be lost. It does not replace the
protective stop of the robot, and it must not protect people.

The node listens to ~/contact and ~/valid of the estimator and to joint_states. If some joint is in contact in several
successive messages while the estimate is valid, it sends the joint_trajectory_controller of ros2_control a trajectory
of one point, which is the position at that moment, with zero velocity. It replaces the running trajectory. (A
trajectory without points does not: since version 2.33 of Humble and 4.5 of Jazzy the controller refuses it.) Whoever
sent the running trajectory is not told. With --stop-service, a std_srvs/Trigger service is called as well, for example
/dashboard_client/stop of a UR.

It stops once. Then call ~/arm (std_srvs/Trigger), so that the next contact stops the arm again:
ros2 service call /stop_on_contact/arm std_srvs/srv/Trigger
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import rclpy
from builtin_interfaces.msg import Duration
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.task import Future
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint


class StopOnContact(Node):
    """Watches the contact of one estimator, and stops one controller.

    Attributes:
        armed: whether the next contact stops the arm.
        positions: newest position of each joint [rad].
    """

    def __init__(self, settings: argparse.Namespace, **options: Any):
        """Listen.

        Args:
            settings: of the command line, see `parser`.
            options: of `rclpy.node.Node`.
        """
        super().__init__("stop_on_contact", **options)
        self.armed = True
        self.positions: dict[str, float] = {}
        self._settings = settings
        self._valid = False
        self._count = 0  # successive messages with contact
        self._trajectory = self.create_publisher(JointTrajectory, f"{settings.controller}/joint_trajectory", 10)
        self._stop = self.create_client(Trigger, settings.stop_service) if settings.stop_service else None
        self.create_subscription(JointState, f"{settings.estimator}/contact", self._on_contact, 10)
        self.create_subscription(JointState, f"{settings.estimator}/valid", self._on_valid, 10)
        self.create_subscription(JointState, "joint_states", self._on_joint_states, qos_profile_sensor_data)
        self.create_service(Trigger, "~/arm", self._on_arm)
        self.get_logger().warning(
            f"armed: contact in {settings.samples} successive messages of {settings.estimator}/contact stops "
            f"{settings.controller}. This is no safety function"
        )

    def _on_joint_states(self, message: JointState) -> None:
        self.positions.update(zip(message.name, message.position, strict=False))

    def _on_valid(self, message: JointState) -> None:
        self._valid = bool(message.effort[0])
        if not self._valid:
            self._count = 0

    def _on_contact(self, message: JointState) -> None:
        touched = [name for name, contact in zip(message.name, message.effort, strict=True) if contact]
        self._count = self._count + 1 if touched and self._valid else 0
        if self.armed and self._count >= self._settings.samples:
            self._stop_arm(message.name, touched)

    def _stop_arm(self, joints: Sequence[str], touched: Sequence[str]) -> None:
        log = self.get_logger()
        if unknown := [joint for joint in joints if joint not in self.positions]:
            log.error(f"contact, but the position of {unknown[0]} is not known: no trajectory is sent")
        else:
            self._trajectory.publish(self._hold(joints))
        if self._stop:
            self._stop.call_async(Trigger.Request()).add_done_callback(self._on_stopped)
        self.armed = bool(unknown) and not self._stop  # then nothing was done
        if not self.armed:
            log.warning(f"contact at {', '.join(touched)}: stop requested; call ~/arm before the next motion")

    def _hold(self, joints: Sequence[str]) -> JointTrajectory:
        """The trajectory that ends where the arm is."""
        seconds, rest = divmod(round(self._settings.stop_time * 1e9), 1_000_000_000)
        point = JointTrajectoryPoint(
            positions=[self.positions[joint] for joint in joints],
            velocities=[0.0] * len(joints),
            time_from_start=Duration(sec=seconds, nanosec=rest),
        )
        return JointTrajectory(joint_names=list(joints), points=[point])

    def _on_stopped(self, reply: Future) -> None:
        response = reply.result()
        if response and not response.success:
            self.get_logger().error(f"{self._settings.stop_service} failed: {response.message}")

    def _on_arm(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.armed, self._count = True, 0
        response.success, response.message = True, "the next contact stops the arm; this is no safety function"
        return response


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    made = argparse.ArgumentParser(
        description=__doc__,
        epilog="ROS arguments come last: --ros-args -r joint_states:=/arm/joint_states",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--estimator", default="/estimator", help="name of the node (%(default)s)")
    made.add_argument("--controller", default="/joint_trajectory_controller", help="name of the node (%(default)s)")
    made.add_argument("--samples", type=int, default=3, help="successive messages with contact (%(default)s)")
    made.add_argument("--stop-time", type=float, default=0.2, help="time to reach the position [s] (%(default)s)")
    made.add_argument("--stop-service", default="", help="a std_srvs/Trigger service to call as well")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the node until Ctrl-C."""
    given = list(sys.argv[1:] if argv is None else argv)
    command_line = parser()
    settings = command_line.parse_args(remove_ros_args(given))
    if settings.samples < 1 or settings.stop_time <= 0:
        command_line.error("--samples must be 1 or more, and --stop-time above 0")
    rclpy.init(args=given)
    node = StopOnContact(settings)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
