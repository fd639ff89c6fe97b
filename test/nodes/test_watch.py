"""What a node says of what goes wrong, look by look."""

from vastares_ros.nodes.watch import Watch


def look(watch, publishers=1, missing=()):
    return watch.look(publishers, missing)


def test_silence_is_told_with_the_topic_and_its_publishers_after_two_looks():
    watch = Watch("/joint_states", 5.0)
    assert look(watch, 0) == ""
    assert look(watch, 0) == (
        "no joint states on /joint_states, which has no publisher: remap joint_states to the robot's topic"
    )


def test_a_publisher_that_publishes_nothing_is_told_apart():
    watch = Watch("/joint_states", 5.0)
    look(watch)
    assert look(watch).endswith("though it has a publisher: is the robot's driver connected?")


def test_complaints_pause_for_the_period_and_then_count_what_happened_meanwhile():
    watch = Watch("/js", 3.0)
    told = []
    for _ in range(4):
        for _ in range(10):
            watch.message(["a"])
            watch.sample()
            watch.problem("not at the trained rate", "50 Hz")
        told.append(look(watch))
    assert told[0] == "10 of 10 joint states on /js: not at the trained rate (50 Hz)"
    assert told[1:3] == ["", ""]
    assert told[3].startswith("30 of 30 joint states")


def test_nothing_is_said_while_all_is_well():
    watch = Watch("/js", 5.0)
    for _ in range(5):
        watch.message(["a"])
        watch.sample()
        assert look(watch) == ""


def test_the_most_frequent_reason_is_told():
    watch = Watch("/js", 5.0)
    for reason in ("gap", "repeat", "repeat"):
        watch.message(["a"])
        watch.sample()
        watch.problem(reason)
    assert look(watch) == "2 of 3 joint states on /js: repeat"


def test_joints_that_never_come_are_named_beside_those_that_do():
    watch = Watch("/js", 5.0)
    for _ in range(2):
        watch.message(["a", "gripper"])
        told = look(watch, 1, ["b"])
    assert told == "joints missing on /js: b; published are a, gripper"
