# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From message fields to outputs: what is published when, and the swap of a bundle."""

import numpy as np
import pytest
import torch

from vastares_ros.core.errors import VastaresError
from vastares_ros.core.samples import JointSample, seconds
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.runtime.estimator import Estimator, Validity
from vastares_ros.runtime.outputs import OUTPUTS
from vastares_ros.runtime.pipeline import Pipeline
from vastares_ros.runtime.residual import Drift, Zero
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.fit import fit

WINDOW = 8
TORQUES = ["estimated_torque", "external_torque", "external_torque_bound"]


@pytest.fixture(scope="module")
def bundle(dataset):
    return fit(dataset, TrainConfig(network=NetworkConfig(window=WINDOW, hidden=4), epochs=1), torch.device("cpu"))


@pytest.fixture(scope="module")
def other(dataset):
    config = TrainConfig(network=NetworkConfig(window=2 * WINDOW, hidden=4), epochs=1)
    return fit(dataset, config, torch.device("cpu"))


@pytest.fixture(scope="module")
def messages(dataset):
    return [
        (round(s.t * 1e9), dataset.joints, s.q, s.qd, s.tau / np.array(dataset.effort.scale))
        for s in dataset.episodes[0]
    ][:100]


def names(outputs):
    return [output.name for output, _, _ in outputs.published()]


def tau_ext(outputs):
    return np.array([o.estimate.tau_ext for o in outputs])


class Wrenches:
    """Counts how often it is asked."""

    def __init__(self):
        self.asked = 0

    def step(self, q, tau_ext):
        self.asked += 1
        return type("Wrench", (), {"values": np.arange(6.0), "singularity": 0.5})


def test_what_is_published_while_the_window_fills_and_once_it_is_full(bundle, messages):
    pipeline = Pipeline(bundle, wrench=Wrenches())
    outputs = [pipeline.push(*message) for message in messages]
    assert all(names(o) == ["valid"] for o in outputs[: WINDOW - 1])
    full = [o for o in outputs[WINDOW - 1 :] if o.estimate.valid]
    assert full and all(names(o) == [output.name for output in OUTPUTS] for o in full)
    assert [o.stamp_ns for o in outputs] == [message[0] for message in messages]
    for output, labels, values in full[-1].published():
        assert len(values) == output.width(len(bundle.joints))
        assert output.name == "external_wrench" or labels == (output.names or bundle.joints)
        assert np.array_equal(full[-1][output.name], values)


def test_without_effort_there_is_an_estimate_alone_and_outside_the_range_no_contact(bundle, messages):
    pipeline = Pipeline(bundle)
    for message in messages[:20]:
        pipeline.push(*message)
    stamp_ns, joints, q, qd, effort = messages[20]
    outputs = pipeline.push(stamp_ns, joints, q, qd, ())
    assert names(outputs) == ["estimated_torque", "valid"] and outputs["valid"].tolist() == [0.0]
    for stamp_ns, joints, q, qd, effort in messages[21:40]:  # the position is filtered
        outputs = pipeline.push(stamp_ns, joints, q + 20.0, qd, effort)
    assert outputs.estimate.validity is Validity.OUTSIDE_RANGE and names(outputs) == [*TORQUES, "valid"]


def test_only_what_is_wanted_is_computed(bundle, messages):
    wrenches = Wrenches()
    pipeline = Pipeline(bundle, wrench=wrenches)
    *_, outputs = (pipeline.push(*message) for message in messages[:20])
    assert [output.name for output, _, _ in outputs.published({"valid", "contact_markers"})] == ["valid"]
    assert wrenches.asked == 0
    assert {"external_wrench", "wrench_singularity"} <= set(names(outputs)) and wrenches.asked == 1, "once for both"


def test_a_message_that_completes_no_sample_gives_nothing_and_a_joint_twice_is_an_error(bundle, messages):
    pipeline = Pipeline(bundle)
    stamp_ns, joints, q, qd, effort = messages[0]
    assert pipeline.push(stamp_ns, joints[:1], q[:1], qd[:1], effort[:1]) is None
    assert pipeline.missing == joints[1:]
    with pytest.raises(VastaresError, match="twice"):
        pipeline.push(stamp_ns, joints[:1] * 2, q[:2], qd[:2], effort[:2])


def test_it_is_estimator_zero_and_drift_in_this_order_and_reset_is_a_fresh_one(bundle, messages, dataset):
    settings = {"contact_factor": 1000.0, "zero_duration": 0.1, "drift_time": 0.5, "drift_limit": 0.5}
    pipeline = Pipeline(bundle, **settings)
    estimator, zero = Estimator(bundle), Zero(bundle.joints, 0.1)
    drift = Drift(bundle.joints, bundle.rate, 0.5, 0.5)
    outputs, expected = [], []
    for i, (message, sample) in enumerate(zip(messages, dataset.episodes[0], strict=False)):
        if i == 50:
            assert np.array_equal(pipeline.set_zero(100.0), zero.set(100.0))
            drift.reset()
        outputs.append(pipeline.push(*message))
        sample = outputs[-1].sample
        expected.append(drift.step(sample, zero.step(sample, estimator.step(sample)), 1000.0))
    assert np.array_equal(tau_ext(outputs), [e.tau_ext for e in expected], equal_nan=True)
    assert pipeline.drift.bias.any() and pipeline.zero.bias.any()
    pipeline.reset()
    again = [pipeline.push(*message) for message in messages]
    fresh = Pipeline(bundle, **settings)
    assert np.array_equal(tau_ext(again), tau_ext([fresh.push(*m) for m in messages]), equal_nan=True)


def test_the_next_estimator_fills_its_window_beside_and_takes_over_without_a_gap(bundle, other, messages):
    pipeline = Pipeline(bundle, drift_time=0.5, contact_factor=1000.0)
    outputs = [pipeline.push(*message) for message in messages[:40]]
    pipeline.zero.bias = np.array([5.0, 5.0])
    pipeline.replace_by(Estimator(other))
    for message in messages[40 : 40 + 2 * WINDOW - 1]:
        outputs.append(pipeline.push(*message))
        assert pipeline.bundle is bundle and "warming up" in pipeline.next_problem
    assert pipeline.zero.bias.any() and pipeline.drift.bias.any()
    outputs += [pipeline.push(*message) for message in messages[40 + 2 * WINDOW - 1 :]]
    assert pipeline.bundle is other and pipeline.next is None and pipeline.next_problem == ""
    assert not pipeline.zero.bias.any()
    estimator, drift = Estimator(other), Drift(other.joints, other.rate, 0.5, 0.5)
    estimates = [estimator.step(o.sample) for o in outputs[40:]]
    begun = 2 * WINDOW - 1
    expected = [drift.step(o.sample, e, 1000.0) for o, e in zip(outputs[40 + begun :], estimates[begun:], strict=True)]
    assert np.array_equal(tau_ext(outputs[40 + begun :]), [e.tau_ext for e in expected])
    assert all("estimated_torque" in names(o) for o in outputs[WINDOW - 1 :])


def test_the_next_estimator_can_be_called_off(bundle, other, messages):
    pipeline = Pipeline(bundle)
    pipeline.replace_by(Estimator(other))
    pipeline.push(*messages[0])
    pipeline.replace_by(None)
    for message in messages[1:]:
        pipeline.push(*message)
    assert pipeline.bundle is bundle


# Passing over


def in_batches(pipeline, messages, sizes):
    """The outputs where so many messages wait at a time, by the number of the message that each answers."""
    answers, i = {}, 0
    for size in sizes:
        taken = [pipeline.take(*message) for message in messages[i : i + size]]
        i += size
        if newest := pipeline.newest:
            answers[i - size + taken.index(newest)] = pipeline.answer()
            assert pipeline.newest is None
    return answers


def same_answers(answers, outputs):
    for i, answer in answers.items():
        assert (answer.stamp_ns, answer.estimate.validity) == (outputs[i].stamp_ns, outputs[i].estimate.validity)
        assert np.array_equal(answer.estimate.tau_free, outputs[i].estimate.tau_free, equal_nan=True)
        assert np.array_equal(answer.estimate.tau_ext, outputs[i].estimate.tau_ext, equal_nan=True)


class Asked:
    """An engine that counts how often it is asked for the torque."""

    def __init__(self, engine):
        self._engine, self.count = engine, 0
        self.push = engine.push

    def torque(self):
        self.count += 1
        return self._engine.torque()


@pytest.mark.parametrize("sizes", [[3] * 20, [1, 30, 1, 1, 20, 7], [60]])
def test_the_newest_is_answered_with_the_bits_of_who_answers_all_and_only_it_is_estimated(bundle, messages, sizes):
    every, newest = Pipeline(bundle), Pipeline(bundle)
    newest._estimator.engine = Asked(newest._estimator.engine)
    answers = in_batches(newest, messages, sizes)
    same_answers(answers, [every.push(*message) for message in messages[:60]])
    assert list(answers) == [int(i) - 1 for i in np.cumsum(sizes)]
    assert newest._estimator.engine.count == sum(i >= WINDOW - 1 for i in answers)


def test_partial_messages_behind_the_newest_sample_do_not_cost_its_answer(bundle, messages):
    halves = []
    for stamp, joints, q, qd, tau in messages[:20]:
        halves += [(stamp, joints[j : j + 1], q[j : j + 1], qd[j : j + 1], tau[j : j + 1]) for j in range(2)]
    every, newest = Pipeline(bundle), Pipeline(bundle)
    outputs = [every.push(*half) for half in halves]
    answers = in_batches(newest, halves, [25, 1, 13, 1])  # the first batch ends with half a sample
    assert list(answers) == [23, 25, 37, 39]
    same_answers(answers, outputs)


@pytest.mark.parametrize("left_out", ["repeated", "without velocity"])
def test_a_sample_that_is_left_out_does_not_take_the_place_of_one_that_is_not(bundle, messages, left_out):
    stamp, joints, q, qd, tau = messages[19]
    more = (stamp, joints, q + 1, qd, tau) if left_out == "repeated" else (stamp + 1, joints, q, qd * np.nan, tau)
    stream = [*messages[:20], more, more, *messages[20:40]]
    every, newest = Pipeline(bundle), Pipeline(bundle)
    outputs = [every.push(*message) for message in stream]
    answers = in_batches(newest, stream, [21, 1, 20])
    assert list(answers) == [19, 21, 41]
    assert answers[21].estimate.validity is outputs[21].estimate.validity, "alone, it is answered"
    assert not answers[21].estimate.valid
    same_answers(answers, outputs)
    assert list(in_batches(Pipeline(bundle), stream[20:], [3])) == [2], "nor where it came first"


def test_zero_and_drift_see_what_is_answered_or_refused_and_nothing_else(bundle, dataset):
    settings = {"contact_factor": 1000.0, "zero_duration": 0.1, "drift_time": 0.5}
    stream = [
        (round(s.t * 1e9) + 10**9 * (i >= 400), dataset.joints, s.q, s.qd, s.tau)  # a gap before the 400th
        for i, s in enumerate(dataset.episodes[0])
    ]
    pipeline, estimator = Pipeline(bundle, **settings), Estimator(bundle)
    zero, drift = Zero(bundle.joints, 0.1), Drift(bundle.joints, bundle.rate, 0.5)
    answers = in_batches(pipeline, stream, [1] * 100 + [2] * 140 + [50, *[2] * 35])
    followed = 0
    for i, message in enumerate(stream):
        sample = JointSample(seconds(message[0]), *message[2:])
        estimate = estimator.step(sample)
        if i in answers or np.isnan(estimate.tau_free).all():
            estimate = drift.step(sample, zero.step(sample, estimate), 1000.0)
            followed += not drift.frozen
        if i in answers:
            assert np.array_equal(answers[i].estimate.tau_ext, estimate.tau_ext, equal_nan=True)
    assert followed and np.array_equal(pipeline.drift.bias, drift.bias)
    told = []
    for set_zero in (pipeline.set_zero, zero.set):
        with pytest.raises(VastaresError) as refused:
            set_zero(0.0)
        told.append(str(refused.value))
    assert told[0] == told[1]


def test_a_gap_among_what_is_passed_over_is_no_rest_for_the_zero(bundle, messages):
    pipeline = Pipeline(bundle, zero_duration=0.1)
    in_batches(pipeline, messages, [1] * 40)
    late = [(m[0] + 10**8, *m[1:]) for m in messages[40:60]]
    (answer,) = in_batches(pipeline, late, [20]).values()
    assert answer.estimate.valid
    with pytest.raises(VastaresError, match=r"not valid in the last 0\.1 s: (gap|warming up)"):
        pipeline.set_zero(1e6)


def test_the_next_estimator_takes_over_though_samples_are_passed_over(bundle, other, messages):
    pipeline = Pipeline(bundle)
    in_batches(pipeline, messages, [1] * 40)
    pipeline.replace_by(Estimator(other))
    in_batches(pipeline, messages[40:], [7, 7])
    assert pipeline.bundle is bundle and "warming up (14 of 16" in pipeline.next_problem
    answer = in_batches(pipeline, messages[54:], [7])[6]
    assert pipeline.bundle is other and pipeline.next is None
    alone = Pipeline(other)
    expected = [alone.push(*message) for message in messages[40:61]][-1]
    assert np.array_equal(answer.estimate.tau_free, expected.estimate.tau_free)


def test_an_estimator_that_comes_between_a_sample_and_its_answer_waits_for_the_next_one(bundle, other, messages):
    pipeline = Pipeline(bundle)
    in_batches(pipeline, messages, [1] * 40)
    pipeline.take(*messages[40])
    pipeline.replace_by(Estimator(other))
    assert pipeline.answer().estimate.valid and pipeline.bundle is bundle


def test_reset_forgets_what_waits_for_its_answer(bundle, messages):
    pipeline = Pipeline(bundle)
    pipeline.take(*messages[0])
    pipeline.reset()
    assert pipeline.newest is None
