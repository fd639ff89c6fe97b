# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a node says of what goes wrong, second by second; no graph is needed for that."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from diagnostic_msgs.msg import DiagnosticStatus

from vastares_ros.nodes.diagnostics import Finding, Level, Report, Tally, Watch
from vastares_ros.runtime.estimator import Estimate, Validity


def texts(watch, publishers=("/driver",), missing=()):
    return [finding.text for finding in watch.look(publishers, missing)]


def feed(watch, count=1, good=True, frame="", names=("a",)):
    for _ in range(count):
        watch.message(frame, names)
        watch.sample(good)


def test_silence_is_told_with_the_topic_and_its_publishers_after_two_looks():
    watch = Watch("/joint_states")
    assert texts(watch, ()) == []
    (finding,) = watch.look((), ())
    assert finding.level is Level.STALE
    assert finding.text == (
        "no joint states on /joint_states, which has no publisher: remap joint_states to the robot's topic"
    )


def test_a_publisher_that_publishes_nothing_is_told_apart():
    watch = Watch("/joint_states")
    texts(watch)
    assert texts(watch)[0].endswith("though it has a publisher: is the robot's driver connected?")


def test_all_that_went_wrong_in_a_second_is_told_the_most_frequent_first():
    watch = Watch("/js")
    feed(watch, 10)
    watch.problem("gap", "0.1 s")
    for _ in range(3):
        watch.problem("outside", "elbow")
    assert texts(watch) == ["3 of 10 joint states on /js: outside (elbow)", "1 of 10 joint states on /js: gap (0.1 s)"]
    feed(watch)
    assert texts(watch) == [], "what is over is not told again"


@pytest.mark.parametrize(("good", "level"), [(True, Level.WARN), (False, Level.ERROR)])
def test_it_is_an_error_once_nothing_is_good(good, level):
    watch = Watch("/js")
    feed(watch, 9, good=False)
    feed(watch, 1, good=good)
    watch.problem("outside")
    assert watch.look(("/driver",), ())[0].level is level


def test_joints_that_never_come_are_named_beside_those_that_do():
    watch = Watch("/js")
    for _ in range(2):
        watch.message("", ["a", "gripper"])
        told = texts(watch, missing=["b"])
    assert told == ["joints missing on /js: b; published are a, gripper"]
    assert watch.foreign(["a", "b"]) == ["gripper"]


def test_a_frame_that_changes_is_told():
    watch = Watch("/js")
    feed(watch, 3, frame="base")
    assert texts(watch) == []
    feed(watch, 1, frame="world")
    assert texts(watch)[0].startswith("1 of 1 joint states on /js: frame_id changes (from 'base' to 'world'")


@pytest.mark.parametrize("reason", [Validity.CLOCK_JUMPED, Validity.REPEATED, Validity.WRONG_RATE])
def test_two_publishers_are_told_where_their_stamps_do_not_fit_and_else_not(reason):
    watch = Watch("/js")
    feed(watch)
    assert texts(watch, ("/arm", "/gripper")) == [], "they may publish different joints"
    feed(watch)
    watch.problem(reason.value)
    assert texts(watch, ("/arm", "/sim"))[0] == (
        "2 publishers on /js whose stamps do not fit together (/arm, /sim): end all but one, or remap them"
    )
    feed(watch)
    watch.problem(reason.value)
    assert len(texts(watch, ("/arm",))) == 1


def test_the_status_is_that_of_the_worst_finding():
    findings = [Finding("a", Level.WARN, "first"), Finding("b", Level.ERROR, "worst"), Finding("c", Level.WARN, "last")]
    status = Report(findings, "fine", {"rate_hz": 99.12345678, "robot": "ur5"}).status("/estimator", "ur5")
    assert (status.level, status.message) == (DiagnosticStatus.ERROR, "worst")
    assert (status.name, status.hardware_id) == ("/estimator", "ur5")
    assert [(v.key, v.value) for v in status.values] == [("rate_hz", "99.1235"), ("robot", "ur5")]
    status = Report((), "fine").status("/estimator", "ur5")
    assert (status.level, status.message) == (DiagnosticStatus.OK, "fine")
    assert bytes([Level.STALE]) == DiagnosticStatus.STALE


def estimate(t, validity=Validity.VALID, joints=()):
    nothing = np.zeros(2)
    return Estimate(t, nothing, nothing, nothing, validity, "", joints)


def test_a_tally_counts_rate_losses_latency_and_validity():
    tally = Tally(100.0)
    arrivals = [0.0, 0.01, 0.02, 0.03, 0.055]  # the last came 15 ms after its stamp says
    stamps = [0.0, 0.01, 0.03, 0.04, 0.05]  # one is missing after the second
    ticks = [0.001, 0.002, 0.003, 0.004, 0.02]  # the last took two periods
    reasons = [Validity.VALID, Validity.GAP, Validity.OUTSIDE_RANGE, Validity.OUTSIDE_RANGE, Validity.VALID]
    for t, arrival, tick, reason in zip(stamps, arrivals, ticks, reasons, strict=True):
        joints = ("elbow",) if reason is Validity.OUTSIDE_RANGE else ()
        tally.sample(t, arrival, reason)
        tally.answer(estimate(t, reason, joints), 10 * tick, tick)
    values = tally.values()
    counts = {name: values[name] for name in ("samples", "dropped", "late", "gaps", "missed_deadlines")}
    assert counts == {"samples": 5, "dropped": 1, "late": 1, "gaps": 1, "missed_deadlines": 1}
    assert values["rate_hz"] == pytest.approx(80.0) and values["trained_rate_hz"] == 100.0
    assert (values["tick_p50_us"], values["tick_max_us"]) == (pytest.approx(3000), pytest.approx(20000))
    assert 4000 < values["tick_p99_us"] < 20000
    assert values["age_p50_ms"] == pytest.approx(30) and 40 < values["age_p99_ms"] < 200
    assert values["passed_over"] == values["passed_over_share"] == 0
    assert values["valid_share"] == pytest.approx(0.4)
    assert values["invalid"] == "outside the training range 2, gap in the joint states 1"
    assert values["outside_training_range"] == "elbow 2"
    later = tally.values()
    assert later["samples"] == 5 and later["rate_hz"] == later["tick_p99_us"] == later["valid_share"] == 0.0
    assert later["age_p50_ms"] == later["age_p99_ms"] == 0.0
    assert later["invalid"] == later["outside_training_range"] == "none"


def test_a_pause_or_a_clock_that_jumps_is_neither_a_loss_nor_late():
    tally = Tally(100.0)
    for t, arrival in ((0.0, 0.0), (5.0, 5.0), (4.0, 9.0)):
        tally.sample(t, arrival)
    values = tally.values()
    assert values["dropped"] == values["late"] == 0 and values["rate_hz"] == 0.0


def overloaded(tick, step=2, rate=500.0):
    """What is told of 100 samples, of which every `step`-th came, that took `tick` [s] each."""
    tally = Tally(rate)
    for i in range(0, 100, step):
        tally.sample(i / rate, i / rate)
        tally.answer(estimate(i / rate), tick, tick)
    return tally.overload()


def test_lost_messages_while_estimates_take_longer_than_a_period_are_overload():
    told = overloaded(0.0042)
    assert told.startswith(
        "overload: an estimate takes 4.2 ms and a joint state comes every 4.0 ms, so 49 joint states of the last "
        "second were lost, and estimates are up to 4.2 ms old (p99): use"
    )
    assert "smaller network" in told and "rigid-body model" in told and "`engine`" in told
    assert overloaded(0.0042, step=1) == "", "nothing was lost"
    assert overloaded(0.0005) == "", "a driver at half the rate"


def passing_over(share, refusal=None, speed=8.0):
    """The tally of 500 samples of 125 Hz, played at `speed`, of which a share was passed over."""
    tally = Tally(125.0)
    for i in range(500):
        over = i % 100 >= 100 * (1 - share)
        tally.sample(i / 125, i / 125 / speed, refusal if over else None, passed_over=over)
        if not over:
            tally.answer(estimate(i / 125), 0.005, 0.003)
    return tally


def test_samples_that_are_passed_over_are_counted_and_many_are_overload():
    tally = passing_over(0.75)
    assert tally.overload().startswith(
        "overload: an estimate takes 3.0 ms and a joint state comes every 1.0 ms, so 375 of 500 joint states of the "
        "last second were passed over, and estimates are up to 5.0 ms old (p99): use"
    )
    values = tally.values()
    assert (values["samples"], values["passed_over"], values["passed_over_share"]) == (500, 375, 0.75)
    assert values["dropped"] == values["late"] == 0 and values["rate_hz"] == pytest.approx(125), "they did come"
    assert values["valid_share"] == 1.0, "of those that were answered"
    later = tally.values()
    assert later["passed_over"] == 375 and later["passed_over_share"] == 0.0 and tally.overload() == ""
    assert passing_over(0.04).overload() == "", "now and then is no overload"
    assert passing_over(0.75, Validity.REPEATED).overload() == "", "there is no estimate for them anyway"


def test_a_tally_begins_anew_with_every_look_and_leaves_out_ticks_without_an_estimate():
    tally = Tally(500.0)
    for i in range(100):
        refused = Estimate(i / 250, np.full(2, np.nan), np.full(2, np.nan), np.ones(2), Validity.WRONG_RATE)
        tally.sample(i / 250, i / 250)
        tally.answer(refused if i % 10 else estimate(i / 250), 0.0, 0.0001 if i % 10 else 0.004)
    assert "takes 4.0 ms" in tally.overload()
    tally.values()
    assert tally.overload() == ""


def test_overload_stands_in_place_of_what_follows_from_it():
    watch = Watch("/js")
    feed(watch, 9)
    for key in (Validity.WRONG_RATE, Validity.GAP, Validity.LATE, Validity.NO_EFFORT):
        watch.problem(key.value)
    told = [finding.text for finding in watch.look(("/driver", "/other"), (), "overload: too slow")]
    assert told == ["overload: too slow", "1 of 9 joint states on /js: effort missing"]
