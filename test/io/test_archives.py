# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every archive format, built small: units, order of joints, cuts; every wrong file refused by name of its fault."""

import numpy as np
import pytest
from scipy.io import savemat

from vastares_ros.core.errors import ConfigError, DatasetError
from vastares_ros.core.robot import Effort
from vastares_ros.io import folders
from vastares_ros.io.archives import (
    FORMATS,
    KUKA2_TAU,
    RTDE_TORQUE,
    ArchiveRows,
    baxter,
    breaks,
    csv,
    fitted_rate,
    kuka1,
    kuka2,
    npz,
    read_columns,
    recording_from,
    rtde,
    sarcos,
)
from vastares_ros.io.datasets import Dataset
from vastares_ros.io.formats import FORMAT_ROBOTS
from vastares_ros.io.robots import load_robot
from vastares_ros.training.splits import paper_rule, paper_split

NAMES = tuple(f"joint_{j}" for j in range(1, 8))


def motion(samples=600, rate=100.0, joints=7, start=0.0):
    """A smooth motion: q, qd, qdd and tau, shape (N, J) each; every joint has another amplitude."""
    t = start + np.arange(samples)[:, None] / rate
    j = np.arange(1, joints + 1)
    q, qd, qdd = np.sin(j * t / 2), j / 2 * np.cos(j * t / 2), -((j / 2) ** 2) * np.sin(j * t / 2)
    return q / j, qd / j, qdd / j, j * np.cos(t) + 0.1 * q


def broken_motion():
    """Two motions of 300 rows one after the other, far from each other."""
    return [np.concatenate([a, b]) for a, b in zip(motion(300), motion(300, start=9.0), strict=True)]


def rows_of(read, *args, **options):
    (rows,) = read(*args, **options)
    return rows


def refused(pattern, read, *args, **options):
    with pytest.raises(DatasetError, match=pattern):
        read(*args, **options)


def write_kuka2(path, values, delimiter=" "):
    q, qd, qdd, tau = values
    np.savetxt(path, np.concatenate([q, qd, qdd, tau / KUKA2_TAU], axis=1), delimiter=delimiter)
    return path


def write_rtde(path, torque=("actual_current",), delimiter=" ", rate=500.0, **replaced):
    """An RTDE recording whose outputs are in no useful order; torque number k is tau + 100 k."""
    q, qd, _, tau = motion(700, rate, joints=6)
    outputs = {"target_q": q + 7, "actual_qd": qd, "actual_q": q}
    outputs |= {name: tau + 100 * k for k, name in enumerate(torque)} | replaced
    header = [f"{name}_{j}" for name in outputs for j in range(6)]
    stamps = 5000.0 + np.arange(len(q)) / rate
    table = np.column_stack([*outputs.values(), stamps, np.ones(len(q))])
    text = delimiter.join([*header, "timestamp", "robot_mode"])
    np.savetxt(path, table, delimiter=delimiter, header=text, comments="", fmt="%.12g")
    return path, (q, qd, tau)


@pytest.mark.parametrize("delimiter", [" ", ", "])
def test_kuka2_undoes_the_division_of_torque(tmp_path, delimiter):
    values = motion()
    rows = rows_of(kuka2, write_kuka2(tmp_path / "kuka2_offline.txt", values, delimiter))
    np.testing.assert_allclose([rows.q, rows.qd, rows.tau], [values[0], values[1], values[3]], atol=1e-12)
    assert rows.unit == "N·m" and rows.name == "kuka2_offline" and rows.t is None and not rows.notes
    recording = recording_from(rows, NAMES, [2.0] * 7)
    np.testing.assert_allclose(recording.episodes[0].tau, 2 * values[3], atol=1e-12)
    assert recording.episodes[0].joints == NAMES and recording.rate == 100 and recording.time_source == "rows"
    np.testing.assert_allclose(np.diff(recording.episodes[0].t), 0.01)
    assert any("100 Hz fits q and qd best" in line for line in recording.lines())


def test_torque_that_is_not_divided_is_noted(tmp_path):
    q, qd, qdd, tau = motion()
    rows = rows_of(kuka2, write_kuka2(tmp_path / "k.txt", (q, qd, qdd, tau * KUKA2_TAU)))
    assert "undone before" in rows.notes[0]


def test_rows_that_do_not_follow_start_a_new_episode(tmp_path):
    values = broken_motion()
    recording = recording_from(rows_of(kuka2, write_kuka2(tmp_path / "k.txt", values)), NAMES, [1.0] * 7)
    assert [len(e) for e in recording.episodes] == [300, 300] and recording.gaps == 1
    np.testing.assert_allclose(recording.episodes[1].q, values[0][300:], atol=1e-12)
    assert [e.recording for e in recording.episodes] == ["k", "k"]
    assert any("1 rows do not follow on the row before: 301;" in line for line in recording.lines())
    assert recording.rate == 100, "one break does not change the rate that fits"
    values[1][100, 0] = np.inf
    recording = recording_from(ArchiveRows("k", tmp_path, *values[:2], values[3]), NAMES, [1.0] * 7, rate=100.0)
    assert recording.nan == 1 and [len(e) for e in recording.episodes] == [299, 300], "an infinite speed allows no jump"


def test_a_rate_that_is_given_goes_before_the_one_that_fits(tmp_path):
    rows = rows_of(kuka2, write_kuka2(tmp_path / "k.txt", motion(rate=200.0)))
    assert recording_from(rows, NAMES, [1.0] * 7).rate == 200
    told = recording_from(rows, NAMES, [1.0] * 7, rate=100.0)
    assert told.rate == 100 and "move as at 200.0 Hz, by --rate they are at 100.0 Hz" in told.notes[0]


def test_rows_without_order_are_refused(tmp_path):
    order = np.random.default_rng(0).permutation(600)
    shuffled = rows_of(kuka2, write_kuka2(tmp_path / "k.txt", [x[order] for x in motion()]))
    refused(
        "k.txt: .*(do not follow on each other|in the order of the motion)", recording_from, shuffled, NAMES, [1.0] * 7
    )
    refused("no continuous piece of 1 s in 600 rows", recording_from, shuffled, NAMES, [1.0] * 7, rate=100.0)


def test_a_wrong_kuka2_file_names_line_and_column(tmp_path):
    path = tmp_path / "k.txt"
    good = " ".join(["0.5"] * 28)
    path.write_text(f"{good}\n\n{good} 1\n")
    refused("k.txt, line 3: 29 columns, expected 28", kuka2, path)
    path.write_text(f"{good}\n{good.replace('0.5 0.5', '0.5 far', 1)}\n")
    refused(r"k.txt, line 2, column 2 \(q2\): found 'far', expected a number", kuka2, path)
    path.write_text(good)
    refused("fewer than two rows", kuka2, path)
    path.write_text("\n")
    refused("is empty", kuka2, path)
    path.write_bytes(b"\xff\xfe\x00")
    refused("is no text", kuka2, path)
    refused("none.txt does not exist", kuka2, tmp_path / "none.txt")


def runs_of(name, samples=150, joints=7):
    """Ten runs in the layout of Polydoros et al., each of another length; the file holds 1, 10, 2, …, as theirs."""
    runs = {}
    for i in sorted(range(1, 11), key=str):
        q, qd, _, tau = motion(samples + i + 1, joints=joints, start=i)
        runs[f"{name}{i}"] = np.hstack([x[:-1] for x in (q, qd, tau)] + [q[1:], qd[1:]])
    return runs


def written(path, runs):
    savemat(path, runs)
    return path


@pytest.mark.parametrize(("read", "name"), [(kuka1, "kukatraj"), (baxter, "baxtertraj")])
def test_the_ten_runs_of_polydoros_come_in_the_order_of_their_numbers(tmp_path, read, name):
    file = runs_of(name)
    rows = read(written(tmp_path / "k.mat", file | {"note": "hello"}))
    assert [r.name for r in rows] == [f"{name}{i}" for i in range(1, 11)]
    for r in rows:
        np.testing.assert_array_equal(np.hstack([r.q, r.qd, r.tau]), file[r.name][:, :21])
        recording = recording_from(r, NAMES, [1.0] * 7)
        assert recording.rate == 100 and r.unit == "N·m" and len(recording.episodes) == 1
        assert "100 Hz fits q and qd best" in recording.notes[0]


def test_the_file_of_the_paper_has_20068_rows_and_its_split_ends_within_run_8(data):
    runs = kuka1(data / "kuka1" / "KukaDirectDynamics.mat")
    recordings = [recording_from(rows, NAMES, [1.0] * 7) for rows in runs]
    assert [r.name for r in recordings] == [f"kukatraj{i}" for i in range(1, 11)]
    episodes = tuple(e for r in recordings for e in r.episodes)
    assert len(episodes) == 10 and sum(map(len, episodes)) == sum(r.rows for r in recordings) == 20_068
    whole = Dataset("lwr", tuple(NAMES), "/joint_states", Effort("N·m", (1.0,) * 7), 100.0, episodes)
    training, tested = paper_split(whole, "kuka1")
    assert (sum(map(len, training)), sum(map(len, tested))) == (16_000, 4_000)
    assert training[-1].recording == tested[0].recording == "kukatraj8" and len(tested[0]) == 52
    assert tested[-1].recording == "kukatraj10" and len(tested[-1]) == len(episodes[9]) - 68
    said = "it cuts kukatraj8 52 samples before its end, so that 52 of the 4000 are of a recording that was trained on"
    assert said in paper_rule(whole, "kuka1")
    refused("its runs are called kukatraj…: give --format kuka1", baxter, data / "kuka1" / "KukaDirectDynamics.mat")


def test_a_run_that_is_missing_or_of_another_robot_is_named(tmp_path):
    path = tmp_path / "k.mat"
    runs = runs_of("kukatraj")
    some = {n: r for n, r in runs.items() if n not in ("kukatraj3", "kukatraj9")}
    refused(
        r"k.mat: run kukatraj3, kukatraj9 is missing; kuka1 has kukatraj1 to kukatraj10", kuka1, written(path, some)
    )
    refused("its runs are called baxtertraj…: give --format baxter", kuka1, written(path, runs_of("baxtertraj")))
    refused("its runs are called kukatraj…: give --format kuka1", baxter, written(path, runs))
    six = runs_of("kukatraj", joints=6)
    refused(r"variable kukatraj1 of 151 × 30, expected 35 columns \(.*of 7 joints", kuka1, written(path, six))
    seven = runs | {"kukatraj4": runs["kukatraj4"][:, :28]}
    refused("variable kukatraj4 of 154 × 28, expected 35", kuka1, written(path, seven))
    refused(
        r"no runs, only text of 1 \(<U5\), dt of 1 × 1; kuka1 has", kuka1, written(path, {"text": "hello", "dt": 0.1})
    )
    refused("no runs, only dt of 1 × 1; baxter has baxtertraj1 to", baxter, written(path, {"dt": 0.1}))


def test_rows_of_a_run_that_are_permuted_or_lost_are_named(tmp_path):
    path = tmp_path / "k.mat"
    runs = runs_of("kukatraj")
    swapped = runs["kukatraj7"].copy()
    swapped[[40, 90]] = swapped[[90, 40]]
    refused(
        "kukatraj7, row 41 is not the row that row 40 says comes next, and 3 more",
        kuka1,
        written(path, runs | {"kukatraj7": swapped}),
    )
    lost = np.delete(runs["kukatraj10"], 100, axis=0)
    refused(
        "kukatraj10, row 101 is not the row that row 100 says comes next: take",
        kuka1,
        written(path, runs | {"kukatraj10": lost}),
    )


def test_a_joint_beyond_the_stops_of_the_robot_is_named(tmp_path):
    runs = runs_of("kukatraj")
    far = runs["kukatraj2"].copy()
    far[:, [3, 24]] += 2.5
    path = written(tmp_path / "k.mat", runs | {"kukatraj2": far})
    with pytest.raises(
        DatasetError, match=r"kukatraj2, row 1: joint 4 .* lwr_a3_joint of robot lwr turns from -2.09 to"
    ):
        kuka1(path)
    farther = {name: run + 2.0 for name, run in runs_of("baxtertraj").items()}
    assert len(baxter(written(path, farther))) == 10, "no stops of a Baxter are known"


def test_pairs_of_a_baxter_are_a_recording_each(tmp_path):
    q, qd, qdd, tau = motion()
    x = np.concatenate([q, qd, qdd], axis=1)
    path = tmp_path / "BaxterRand.mat"
    first, second = baxter(written(path, {"X_train": x, "Y_train": tau, "X_test": x[:200] + 1, "Y_test": tau[:200]}))
    assert (first.name, second.name) == ("BaxterRand-train", "BaxterRand-test")
    np.testing.assert_array_equal([first.q, first.qd, first.tau], [q, qd, tau])
    np.testing.assert_array_equal(second.q, q[:200] + 1)
    refused("variable X of 50 × 20, expected 21 columns", baxter, written(path, {"X": x[:50, :20], "Y": tau[:50]}))
    refused("X has 50 rows and Y 49", baxter, written(path, {"X": x[:50], "Y": tau[:49]}))


def test_what_is_no_matlab_file_of_a_version_that_is_read_is_refused(tmp_path):
    path = tmp_path / "k.mat"
    path.write_text("hello, this is no MATLAB file, but it is long enough to look into, all 128 bytes" * 3)
    refused("k.mat is no MATLAB file", kuka1, path)
    header = b"MATLAB 7.3 MAT-file".ljust(124) + bytes([0, 2]) + b"IM"
    path.write_bytes(header + b"\x89HDF\r\n\x1a\n")
    refused("version 7.3", kuka1, path)
    refused("does not exist", kuka1, tmp_path / "none.mat")


def test_an_archive_that_unpacks_to_far_more_than_recordings_do_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "SMALL", 2**20)
    zeros = np.zeros((100_000, 28))
    savemat(tmp_path / "sarcos_inv.mat", {"sarcos_inv": zeros}, do_compression=True)
    refused(r"sarcos_inv\.mat unpacks to 0\.0 GB or more, 200 times its size", sarcos, tmp_path / "sarcos_inv.mat")
    np.savez_compressed(tmp_path / "a.npz", q=zeros, qd=zeros, tau=zeros)
    refused(r"a\.npz unpacks to 0\.1 GB or more", npz, tmp_path / "a.npz")
    values = np.random.default_rng(0).random((10_000, 28))
    savemat(tmp_path / "sarcos_inv.mat", {"sarcos_inv": values}, do_compression=True)
    np.testing.assert_array_equal(rows_of(sarcos, tmp_path / "sarcos_inv.mat").q, values[:, :7])


@pytest.mark.parametrize("place", ["method", "data"])
def test_a_damaged_npz_is_one_line(tmp_path, place):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, q=np.random.default_rng(0).random((600, 7)))
    content = bytearray(path.read_bytes())
    if place == "method":  # of compression, as the directory at the end says: zipfile knows none of this number
        content[content.rindex(b"PK\x01\x02") + 10] = 97
    else:
        content[200:400] = bytes(200)
    path.write_bytes(content)
    refused(r"a\.npz is no \.npz of plain arrays \(", npz, path)


def test_sarcos_is_100_hz_and_in_the_order_of_its_columns(tmp_path):
    q, qd, qdd, tau = motion()
    savemat(tmp_path / "sarcos_inv.mat", {"sarcos_inv": np.concatenate([q, qd, qdd, tau], axis=1)})
    rows = rows_of(sarcos, tmp_path / "sarcos_inv.mat")
    np.testing.assert_array_equal([rows.q, rows.qd, rows.tau], [q, qd, tau])
    recording = recording_from(rows, NAMES, [1.0] * 7)
    assert recording.rate == 100 and rows.unit == "N·m" and not recording.notes


def test_the_test_file_of_sarcos_is_no_motion_at_100_hz(tmp_path):
    values = [x[::10] for x in motion(6000)]
    savemat(tmp_path / "sarcos_inv_test.mat", {"sarcos_inv_test": np.concatenate(values, axis=1)})
    rows = rows_of(sarcos, tmp_path / "sarcos_inv_test.mat")
    line = r"expected 100 Hz, but by q and qd its rows move as at .* Hz: .*every tenth row"
    refused(line, recording_from, rows, NAMES, [1.0] * 7)
    recording = recording_from(rows, NAMES, [1.0] * 7, rate=10.0)
    assert recording.rate == 10 and "optimistic" in recording.notes[0]


def test_a_wrong_sarcos_file_is_refused(tmp_path):
    path = tmp_path / "s.mat"
    savemat(path, {"sarcos": np.ones((50, 28))})
    refused("no variable sarcos_inv, only sarcos of 50 × 28", sarcos, path)
    savemat(path, {"sarcos_inv": np.ones((50, 21))})
    refused("sarcos_inv of 50 × 21, expected 28 columns", sarcos, path)


@pytest.mark.parametrize("delimiter", [" ", ",", "\t"])
def test_rtde_takes_columns_by_name(tmp_path, delimiter):
    path, (q, qd, tau) = write_rtde(tmp_path / "robot.csv", delimiter=delimiter)
    rows = rows_of(rtde, path)
    np.testing.assert_allclose([rows.q, rows.qd, rows.tau], [q, qd, tau], atol=1e-9)
    recording = recording_from(rows, NAMES[:6], [1.0] * 6)
    assert recording.rate == pytest.approx(500) and recording.time_source == "stamps" and rows.unit == "A"
    assert recording.episodes[0].t[0] == 5000.0


def test_rtde_knows_what_each_torque_is(tmp_path):
    path, (*_, tau) = write_rtde(tmp_path / "robot.csv", torque=tuple(RTDE_TORQUE))
    for k, (name, (unit, compensated)) in enumerate(RTDE_TORQUE.items()):
        rows = rows_of(rtde, path, torque=name)
        np.testing.assert_allclose(rows.tau, tau + 100 * k, atol=1e-9)
        assert (rows.unit, rows.gravity_compensated) == (unit, compensated) and name in rows.notes[0]
    np.testing.assert_allclose(rows_of(rtde, path).tau, tau)  # the measured torque, where it is there
    assert "no measurement" in rows_of(rtde, path, torque="target_moment").notes[1]


def test_a_wrong_rtde_file_names_its_column(tmp_path):
    path, _ = write_rtde(tmp_path / "robot.csv")
    refused(
        "line 1: no column 'target_moment_0'.*or use --torque with actual_current", rtde, path, torque="target_moment"
    )
    text = path.read_text()
    path.write_text(text.replace("actual_qd_3", "actual_dq_3", 1))
    refused("line 1: no column 'actual_qd_3': record that RTDE output$", rtde, path)
    lines = text.splitlines()
    lines[4] = lines[4].replace(" ", " x", 1)
    path.write_text("\n".join(lines))
    assert len(rows_of(rtde, path).q) == 700, "a column that is not asked for may hold anything"
    lines[5] += " 1"
    path.write_text("\n".join(lines))
    refused("line 6: 27 columns, expected 26", rtde, path)


def test_csv_maps_columns(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(
        "# time;tau a;'q;b';q a;dq_a;dq_b;tau_b\n".replace("'", '"')
        + "0,0;0;0;0;0;0;0\n".replace(",", ".")
        + "".join(f"{i / 50};{i};{-i / 50};{i / 50};1;-1;{-i}\n" for i in range(1, 100))
        + "2;;0;0;0;0;0\n"
    )
    columns = read_columns(["q=q a,q;b", "t=time", "tau=tau a,tau_b", "qd=dq_a,dq_b"])
    rows = rows_of(csv, path, columns)
    assert rows.joints == ("q a", "q;b") and rows.unit == "" and rows.t is not None
    np.testing.assert_allclose(rows.q[50], [1, -1])
    np.testing.assert_allclose(rows.tau[50], [50, -50])
    recording = recording_from(rows, ["b", "a"], [1.0, 3.0])
    assert recording.nan == 1 and recording.rate == pytest.approx(50)
    np.testing.assert_allclose(recording.episodes[0].tau[50], [50, -150])


def test_a_wrong_csv_file_names_the_fault(tmp_path):
    path = tmp_path / "log.csv"
    columns = read_columns(["q=q1", "qd=v1", "tau=m1"])
    path.write_text("q1,v1,m2\n1,2,3\n4,5,6\n")
    refused("line 1: column 'm1' is missing, it has q1, v1, m2", csv, path, columns)
    path.write_text("q1,v1,m1,q1\n1,2,3,4\n")
    refused("line 1: column 'q1' is there twice", csv, path, columns)
    path.write_text("q1,v1,m1\n1,2,3\n\n1,2,3 N\n")
    refused(r"line 4, column 3 \(m1\): found '3 N', expected a number", csv, path, columns)
    path.write_text("q1,v1,m1\n1,2,3\n1,2\n")
    refused("line 3: 2 columns, expected 3", csv, path, columns)
    path.write_text("q1,v1,m1\n" + "".join(f"{i},1,1\n" for i in range(200)))
    rows = rows_of(csv, path, columns)
    refused("there is no time in the file; .* 1.0 Hz: pass --rate", recording_from, rows, ["a"], [1.0])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["q=a", "qd=b", "speed=c"], "'speed=c' is wrong"),
        (["q=a,", "qd=b", "tau=c"], "'q=a,' is wrong"),
        (["q=a", "q=b"], "'q=b' is wrong"),
        (["q=a", "tau=c"], "names no qd"),
        ([], "names no q"),
        (["q=a,b", "qd=c,d", "tau=e"], "2 of q, 2 of qd, 1 of tau"),
        (["t=a,b", "q=a", "qd=c", "tau=e"], "2 of t"),
    ],
)
def test_wrong_columns_are_told(words, said):
    with pytest.raises(ConfigError, match=said):
        read_columns(words)


@pytest.mark.parametrize("row", ["1," + "x" * 200_000, '1,"\\0"' + "y" * 200_000])
def test_a_csv_with_a_cell_without_end_is_one_line(tmp_path, row):
    (tmp_path / "a.csv").write_text(f"q,qd\n1,2\n{row}\n")
    refused(r"a\.csv, line 3: field larger than field limit", csv, tmp_path / "a.csv", {"q": ["q"], "qd": ["qd"]})


def test_npz_with_stamps_and_segments(tmp_path):
    q, qd, _, tau = motion(600, 200.0)
    seg = np.repeat([0, 1, 2], [300, 10, 290])
    np.savez(tmp_path / "a.npz", q=q.astype(np.float32), qd=qd, tau=tau, seg=seg, t=np.arange(600) / 200, names=["x"])
    recording = recording_from(rows_of(npz, tmp_path / "a.npz"), NAMES, [1.0] * 7)
    assert [len(e) for e in recording.episodes] == [300, 290] and recording.rate == pytest.approx(200)
    assert recording.short == 10 and recording.gaps == 2
    np.testing.assert_allclose(recording.episodes[1].q, q[310:], atol=1e-6)
    assert recording.episodes[0].q.dtype == np.float64


def test_npz_without_stamps_needs_a_rate(tmp_path):
    q, qd, _, tau = motion()
    np.savez(tmp_path / "a.npz", q=q, qd=qd, tau=tau)
    rows = rows_of(npz, tmp_path / "a.npz")
    refused(
        "there is no time in the file; by q and qd its rows move as at 100.0 Hz: pass --rate",
        recording_from,
        rows,
        NAMES,
        [1.0] * 7,
    )
    assert recording_from(rows, NAMES, [1.0] * 7, rate=100.0).episodes[0].t[-1] == pytest.approx(5.99)


def test_an_absurd_value_is_left_out(tmp_path):
    q, qd, _, tau = motion()
    tau[300, 2] = 1e30
    np.savez(tmp_path / "a.npz", q=q, qd=qd, tau=tau, t=np.arange(600) / 100)
    recording = recording_from(rows_of(npz, tmp_path / "a.npz"), NAMES, [1.0] * 7)
    assert recording.nan == 1 and max(np.abs(e.tau).max() for e in recording.episodes) < 1e6


def test_a_wrong_npz_names_its_array(tmp_path):
    q, qd, _, tau = motion()
    path = tmp_path / "a.npz"
    np.savez(path, q=q, tau=tau)
    refused(
        "a.npz: no array 'qd': poses without motion teach no dynamics; it has q of 600 × 7, tau of 600 × 7", npz, path
    )
    np.savez(path, q=q, qd=qd[:, :6], tau=tau)
    refused("array qd of 600 × 6, expected numbers", npz, path)
    np.savez(path, q=q, qd=qd, tau=tau, t=np.arange(5))
    refused("array t of 5, expected 600 numbers, one a row", npz, path)
    np.savez(path, q=q, qd=qd, tau=np.array([None]))
    refused("is no .npz of plain arrays .*pickle", npz, path)
    np.save(tmp_path / "b.npy", q)
    refused("b.npy is no .npz", npz, tmp_path / "b.npy")
    path.write_bytes(b"PK\x03\x04 cut off")
    refused("a.npz is no .npz", npz, path)
    refused("does not exist", npz, tmp_path / "none.npz")


def test_values_that_are_missing_are_told(tmp_path):
    q, qd, _, tau = motion()
    t = np.arange(600) / 100
    tau[200:210, 2] = np.nan
    recording = recording_from(ArchiveRows("a", tmp_path, q, qd, tau, t), NAMES, [1.0] * 7)
    assert recording.nan == 10 and [len(e) for e in recording.episodes] == [200, 390]
    assert "a: left out 10 rows with a missing, non-finite or absurd value" in recording.lines()
    assert "a: split at 1 gaps" in recording.lines()
    qd[:, 3] = np.inf
    refused(
        "no qd of joint_4: every value is missing",
        recording_from,
        ArchiveRows("a", tmp_path, q, qd, tau, t),
        NAMES,
        [1.0] * 7,
    )
    still = ArchiveRows("a", tmp_path, q, q, 0 * q, t)
    refused("tau is 0 in every row", recording_from, still, NAMES, [1.0] * 7)
    refused("7 joints, expected 2 \\(a, b\\)", recording_from, still, ["a", "b"], [1.0] * 2)
    standing = ArchiveRows("a", tmp_path, *motion()[:2], motion()[3], np.zeros(600))
    refused("fewer than two different stamps", recording_from, standing, NAMES, [1.0] * 7)


def test_units_that_look_wrong_are_noted(tmp_path):
    q, qd, _, tau = motion()
    t = np.arange(600) / 100
    degrees = recording_from(ArchiveRows("a", tmp_path, np.degrees(q), np.degrees(qd), tau, t), NAMES, [1.0] * 7)
    assert "q of joint_1 reaches 57 rad: is it in degrees?" in degrees.notes[0]
    fast = recording_from(ArchiveRows("a", tmp_path, q, 5 * qd, tau, t), NAMES, [1.0] * 7)
    assert "by q and qd the rows move as at 500.0 Hz, by their stamps they are at 100.0 Hz" in fast.notes[0]
    still = recording_from(ArchiveRows("a", tmp_path, q, 0 * qd, tau, t), NAMES, [1.0] * 7)
    assert "do not follow on each other" in still.notes[0]


def test_one_lost_row_passes_and_two_fast_ones_do_not():
    t = np.arange(100)[:, None] / 100
    q, qd = t * 2.0, np.full_like(t, 2.0)
    assert fitted_rate(q, qd) == pytest.approx(100)
    for lost, broken in ((1, []), (2, [50])):
        keep = np.r_[:50, 50 + lost : 100]
        assert np.flatnonzero(breaks(q[keep], qd[keep], 0.01)).tolist() == broken


def test_formats_are_those_of_the_command_line():
    assert all(load_robot(robot).drivers[0].effort.unit == "N·m" for robot in FORMAT_ROBOTS.values())
    assert list(FORMATS) == ["kuka1", "baxter", "kuka2", "sarcos", "rtde", "csv", "npz"]


def test_real_archives(data):
    for path in sorted((data / "iiwa").glob("*_dynamic.npz")):
        recording = recording_from(rows_of(npz, path), NAMES, [1.0] * 7)
        assert len(recording.episodes) == 1 and recording.rate == pytest.approx(200) and not recording.notes
    odd = recording_from(rows_of(npz, data / "iiwa" / "dynamic_test.npz"), NAMES, [1.0] * 7)
    assert "move as at 100" in odd.notes[0], "its velocities are five times what its positions and stamps say"
    refused("no array 'qd'", npz, data / "iiwa" / "static_poses.npz")
    unstamped = rows_of(npz, data / "lbr_med" / "lbr_med_tau_ext.npz")
    refused("move as at 100.0 Hz: pass --rate", recording_from, unstamped, NAMES, [1.0] * 7)
    told = recording_from(unstamped, NAMES, [1.0] * 7, rate=100.0)
    assert sum(len(e) for e in told.episodes) == told.rows == 10007 and not told.notes
