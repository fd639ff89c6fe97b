# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Asking a running estimator, through its own parameter service, to take another bundle."""

from __future__ import annotations

import time
from pathlib import Path

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from rclpy.task import Future

PATIENCE = 10.0  # seconds that the service may take to be found and to answer


class BundleRequest:
    """One request, asked by `poll` as soon as the service is found."""

    def __init__(self, node: Node, estimator: str, bundle: Path):
        """Ask node `estimator`, of this namespace unless it begins with a slash, to load `bundle`."""
        self._node, self._estimator, self._bundle = node, estimator, bundle
        self._client = node.create_client(SetParameters, f"{estimator}/set_parameters")
        self._until = time.monotonic() + PATIENCE
        self._answer: Future | None = None

    def poll(self) -> tuple[bool, str] | None:
        """None while it goes on; then whether the estimator accepted the bundle, in words too."""
        if self._answer is None and self._client.service_is_ready():
            value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=str(self._bundle))
            self._answer = self._client.call_async(
                SetParameters.Request(parameters=[Parameter(name="bundle", value=value)])
            )
        if self._answer is None or not self._answer.done():
            if time.monotonic() < self._until:
                return None
            return False, f"{self._estimator} does not answer, so it was not given {self._bundle}: is it running?"
        result = self._answer.result().results[0]
        if result.successful:
            return True, f"{self._estimator} accepted {self._bundle}"
        return False, f"{self._estimator} refused {self._bundle}: {result.reason}"

    def close(self) -> None:
        """Remove the client of the parameter service; an answer that is still to come is ignored."""
        self._node.destroy_client(self._client)
