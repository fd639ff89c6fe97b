# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A ROS domain of its own for every test, and small bundles. Imports no ROS by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from made import WINDOW, made_dataset

from vastares_ros.io.bundles import save_bundle
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.fit import fit


@pytest.fixture(scope="session")
def tiny() -> TrainConfig:
    """A network that trains in a moment."""
    return TrainConfig(network=NetworkConfig(window=WINDOW, hidden=4, hidden_layers=1), epochs=1)


@pytest.fixture(scope="session")
def bundle_path(tmp_path_factory: pytest.TempPathFactory, tiny: TrainConfig) -> Path:
    """A bundle of two joints at 100 Hz."""
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("bundle") / "bundle"
    save_bundle(path, fit(made_dataset(), tiny, torch.device("cpu")))
    return path


@pytest.fixture(scope="session")
def fast_path(tmp_path_factory: pytest.TempPathFactory, tiny: TrainConfig) -> Path:
    """The same at 500 Hz."""
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("fast") / "bundle"
    save_bundle(path, fit(made_dataset(500.0), tiny, torch.device("cpu")))
    return path


class Ros:
    """The test's own node, and the executor that spins it and whatever node is added."""

    def __init__(self, node: Any):
        from rcl_interfaces.msg import Log

        from vastares_ros.nodes.process import make_executor, reliable

        self.node = node
        self.nodes: list[Any] = []
        self.executor = make_executor(node.context)
        self.executor.add_node(node)
        self.logs: list[str] = []
        node.create_subscription(Log, "/rosout", lambda message: self.logs.append(message.msg), reliable(1000))

    def add(self, make: Callable[..., Any], options: dict[str, Any] | None = None, **parameters: Any) -> Any:
        """A node with parameters, and options of `rclpy.node.Node`, in this process."""
        from rclpy.parameter import Parameter

        from vastares_ros.nodes.managed import ManagedNode

        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        options = {"use_global_arguments": False} | (options or {})
        node = make(context=self.node.context, parameter_overrides=overrides, **options)
        self.nodes.append(node)
        self.executor.add_node(node)
        if isinstance(node, ManagedNode):
            node.start()
        return node

    def remove(self, node: Any) -> None:
        """End a node that was added."""
        self.nodes.remove(node)
        self.executor.remove_node(node)
        node.destroy_node()

    def wait(self, condition: Callable[[], Any], seconds: float = 60.0) -> None:
        """Spin until the condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"never came true; logs: {self.logs}"
            self.executor.spin_once(timeout_sec=0.05)

    def logged(self, *parts: str) -> None:
        """Spin until a log line holds all parts."""
        self.wait(lambda: any(all(part in line for part in parts) for line in self.logs))

    def listen(self, kind: Any, topic: str) -> list[Any]:
        """A list that messages of a topic are added to."""
        from vastares_ros.nodes.process import reliable

        messages: list[Any] = []
        self.node.create_subscription(kind, topic, messages.append, reliable(1000))
        return messages

    def call(self, service: str) -> Any:
        """The response of a Trigger service."""
        from std_srvs.srv import Trigger

        return self.ask(Trigger, service, Trigger.Request())

    def set(self, node: str, **values: Any) -> str:
        """Set parameters of a node, all or none; what it says against that."""
        from rcl_interfaces.srv import SetParametersAtomically
        from rclpy.parameter import Parameter

        request = SetParametersAtomically.Request()
        request.parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        result = self.ask(SetParametersAtomically, f"{node}/set_parameters_atomically", request).result
        assert result.successful or result.reason
        return result.reason

    def transition(self, node: str, label: str) -> bool:
        """Ask a lifecycle node for a transition; whether it took place."""
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        request = ChangeState.Request(transition=Transition(label=label))
        return bool(self.ask(ChangeState, f"{node}/change_state", request).success)

    def ask(self, kind: Any, service: str, request: Any) -> Any:
        """The response of a service."""
        client = self.node.create_client(kind, service)
        # The executor does tasks in order, and to begin with a client is one: a reply amid that would be lost.
        self.wait(self.executor.create_task(lambda: None).done)
        self.wait(client.service_is_ready)
        reply = client.call_async(request)
        self.wait(reply.done)
        self.node.destroy_client(client)
        return reply.result()

    def talk(self, topic: str = "/joint_states") -> Any:
        """A publisher of joint states that has a subscriber."""
        from sensor_msgs.msg import JointState

        from vastares_ros.nodes.process import reliable

        publisher = self.node.create_publisher(JointState, topic, reliable(1000))
        self.wait(publisher.get_subscription_count)
        return publisher


@pytest.fixture
def ros() -> Iterator[Ros]:
    """A node in a domain of its own."""
    from vastares_ros.nodes.process import own_domain, ros_node

    with own_domain(), ros_node("tester") as node:
        ros = Ros(node)
        yield ros
        for added in list(ros.nodes):
            ros.remove(added)
        ros.executor.shutdown()
