# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is published in answer to a sample, and when: the one table of outputs.

The node publishes the table, `vastares replay` writes it, `vastares parity` compares it, and the descriptions of the
node's topics are made from it. A new output is one more line of `OUTPUTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vastares_ros.core.samples import Array, JointSample, all_finite

if TYPE_CHECKING:  # the table is read for help, too, which must not wait for torch
    from vastares_ros.physics.wrench import Wrench, WrenchEstimator

    from .estimator import Estimate

JOINT_STATE = "sensor_msgs/msg/JointState"
WRENCH = "geometry_msgs/msg/WrenchStamped"


@dataclass(frozen=True)
class Output:
    """One output of the estimator.

    Attributes:
        name: of the topic, below the name of the node.
        kind: type of the message, `JOINT_STATE` (the values are in `effort`) or `WRENCH`.
        holds: what it holds, with units and sign.
        when: when it is published.
        values: its values in answer to a sample, None where it is not published.
        names: names of the values of a `JOINT_STATE`; empty for the joints.
    """

    name: str
    kind: str
    holds: str
    when: str
    values: Callable[[Outputs], Array | None]
    names: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """What it holds and when it is published, in one line."""
        return f"{self.holds} Published {self.when}."

    def width(self, joints: int) -> int:
        """The number of its values for an arm of so many joints."""
        return 6 if self.kind == WRENCH else len(self.names) or joints


@dataclass(frozen=True)
class Outputs:
    """What is published in answer to one sample; each output is computed when it is asked for.

    Attributes:
        stamp_ns: stamp of the message that completed the sample [ns].
        joints: J joint names, the order of every array.
        sample: what the estimate answers.
        estimate: the estimate, less zero and drift.
        contact_factor: a joint is in contact where its external torque exceeds its bound times this.
        wrench_estimator: gives the wrench at the tip; None for no wrench.
    """

    stamp_ns: int
    joints: tuple[str, ...]
    sample: JointSample
    estimate: Estimate
    contact_factor: float = 1.0
    wrench_estimator: WrenchEstimator | None = None

    def __getitem__(self, name: str) -> Array | None:
        """The values of an output by name; None where it is not published.

        Raises:
            KeyError: there is no output of this name.
        """
        return BY_NAME[name].values(self)

    def published(self, wanted: Collection[str] | None = None) -> Iterator[tuple[Output, tuple[str, ...], Array]]:
        """What is published, in the order of the table: output, names of its values, values.

        Args:
            wanted: names of the outputs that somebody listens to; None for all. The others are not computed.
        """
        for output in OUTPUTS:
            if wanted is None or output.name in wanted:
                values = output.values(self)
                if values is not None:
                    yield output, output.names or self.joints, values

    @cached_property
    def has_torque(self) -> bool:
        """Whether the torque of contact-free motion is known for every joint."""
        return all_finite(self.estimate.tau_free)

    @cached_property
    def has_external_torque(self) -> bool:
        """Whether the external torque is known for every joint."""
        return self.has_torque and all_finite(self.estimate.tau_ext)

    @cached_property
    def wrench(self) -> Wrench | None:
        """The wrench at the tip; None without a wrench estimator or external torque."""
        if self.wrench_estimator is None or not self.has_external_torque:
            return None
        return self.wrench_estimator.step(self.sample.q, self.estimate.tau_ext)

    @property
    def contact(self) -> NDArray[np.bool_]:
        """Which joints are in contact, shape (J,)."""
        return self.estimate.contact(self.contact_factor)


OUTPUTS = (
    Output(
        "estimated_torque",
        JOINT_STATE,
        "Torque that the motion needs without contact, as effort.",
        "once the window is full",
        lambda o: o.estimate.tau_free if o.has_torque else None,
    ),
    Output(
        "external_torque",
        JOINT_STATE,
        "External torque as effort: positive is what the environment applies to the robot.",
        "with estimated_torque where effort is measured",
        lambda o: o.estimate.tau_ext if o.has_external_torque else None,
    ),
    Output(
        "external_torque_bound",
        JOINT_STATE,
        "What the external torque stays below in 99 % of free motion, as effort.",
        "with external_torque",
        lambda o: o.estimate.bound if o.has_external_torque else None,
    ),
    Output(
        "external_wrench",
        WRENCH,
        "Force [N] and torque [N·m] that the environment applies to the tip; NaN in directions that the joints cannot "
        "feel, near a singularity.",
        "with external_torque where there is a URDF and torque is in N·m",
        lambda o: o.wrench.values if o.wrench else None,
    ),
    Output(
        "wrench_singularity",
        JOINT_STATE,
        "Smallest over largest singular value of the Jacobian, as effort of the name singularity: 0 in a singularity.",
        "with external_wrench",
        lambda o: np.array([o.wrench.singularity]) if o.wrench else None,
        ("singularity",),
    ),
    Output(
        "contact",
        JOINT_STATE,
        "1 or 0 for each joint, as effort: 1 where the external torque exceeds the bound times contact_factor.",
        "only while the estimate is valid",
        lambda o: o.contact.astype(np.float64) if o.estimate.valid else None,
    ),
    Output(
        "valid",
        JOINT_STATE,
        "1 or 0 as effort of the name valid: whether to trust the estimate.",
        "for every sample that is answered, after all other outputs",
        lambda o: np.array([float(o.estimate.valid)]),
        ("valid",),
    ),
)
BY_NAME = {output.name: output for output in OUTPUTS}
