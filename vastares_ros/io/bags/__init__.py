# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Bags: `decode` (bytes ↔ columns), `read` (a file → columns → a `Recording`), `write` (columns → a file)."""

from vastares_ros.io.formats import DEFAULT_TOPIC

from .decode import JOINT_STATE, Collector, JointStates, MessageTable, in_order, iter_messages
from .read import (
    BagFacts,
    JointStateFacts,
    PublishedSamples,
    Recording,
    all_topics,
    bag_facts,
    joint_state_topics,
    published_names,
    published_samples,
    read_joint_states,
    read_recording,
    recording_from,
)
from .write import write_joint_states

__all__ = [
    "BagFacts",
    "Collector",
    "DEFAULT_TOPIC",
    "JOINT_STATE",
    "JointStateFacts",
    "JointStates",
    "MessageTable",
    "PublishedSamples",
    "Recording",
    "all_topics",
    "bag_facts",
    "in_order",
    "iter_messages",
    "joint_state_topics",
    "published_names",
    "published_samples",
    "read_joint_states",
    "read_recording",
    "recording_from",
    "write_joint_states",
]
