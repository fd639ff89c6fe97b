# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The sign of everything: equation (1) of [1], `M qdd + V + G + F_r = tau + tau_ext`."""

from .samples import Array


def external_torque(tau_free: Array, tau_meas: Array) -> Array:
    """External joint torque [N·m]: positive is torque that the environment applies to the robot.

    Args:
        tau_free: torque that this motion would need without contact, shape (..., J).
        tau_meas: measured torque, shape (..., J).
    """
    return tau_free - tau_meas
