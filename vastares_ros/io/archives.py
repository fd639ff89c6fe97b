# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Archives in: public datasets and logs that are no bags. One reader a format (`FORMATS`), all to `ArchiveRows`.

Files with stamps are cut by them, as bags are. Files without are a motion only where neighbouring rows follow on each
other, and q and qd tell: over a period P, q moves by the mean of two velocities times P. The P that fits the rows best
gives the rate (`fitted_rate`). A row whose q differs from that by more than the arm's greatest speed times
(`MAX_GAP` - 1) P breaks the motion and starts a new episode (`breaks`): as in `core.sampling`, one lost row passes.
"""

from __future__ import annotations

import csv as text
import struct
import zlib
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import matfile_version

from vastares_ros.core.arm import joint_limits
from vastares_ros.core.errors import BagError, ConfigError, DatasetError, one_line
from vastares_ros.core.samples import Array, Episode, plausible
from vastares_ros.core.sampling import MAX_GAP, MIN_PIECE, cut, measured_rate, same_rate
from vastares_ros.io.folders import check_unpacked
from vastares_ros.io.formats import FORMAT_NAMES, FORMAT_ROBOTS, RTDE_TORQUE
from vastares_ros.io.robots import load_robot

KUKA2_TAU = (40.0, 40.0, 20.0, 20.0, 4.0, 4.0, 2.0)  # what the torques of Meier's real robot are divided by [N·m]
SARCOS_RATE = 100.0  # as its authors recorded it [Hz]
RUNS = {"kuka1": "kukatraj", "baxter": "baxtertraj"}  # format -> what its runs are called, before their numbers
N_RUNS = 10
CSV_FIELDS = ("t", "q", "qd", "tau")

_APART = 10.0  # periods between pieces that a file does not set apart in time
_TURNS = 4 * np.pi  # no arm turns farther than twice around; degrees do [rad]
_SHOWN = 8  # places named in a note
_SAME = 1e-6  # rad and rad/s: two copies of a value differ by less
_COMPRESSED = 15  # kind of an element of a MATLAB file
_PIECE = 2**20  # bytes that are unpacked at once
_STOP = 0.01  # rad: a joint at its stop may read this much beyond it


@dataclass(frozen=True)
class ArchiveRows:
    """One recording as an archive holds it: N rows of J joints.

    Attributes:
        name: of the recording.
        path: the file.
        q: shape (N, J) [rad].
        qd: shape (N, J) [rad/s].
        tau: shape (N, J) [`unit`], before any scale of the user's.
        t: stamps, shape (N,) [s]; None where there are none.
        starts: whether the file says that a row starts a new piece, shape (N,); None where it says nothing.
        joints: J names, or none where the file names none.
        unit: of tau, where the format defines it.
        gravity_compensated: whether gravity is already taken out of tau.
        rate: that of the format, where it is known [Hz].
        rate_fits: whether the rate may be that of `fitted_rate`.
        notes: what a user should know, one line each.
    """

    name: str
    path: Path
    q: Array
    qd: Array
    tau: Array
    t: Array | None = None
    starts: NDArray[np.bool_] | None = None
    joints: tuple[str, ...] = ()
    unit: str = ""
    gravity_compensated: bool = False
    rate: float | None = None
    rate_fits: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ArchiveRecording:
    """Continuous episodes of one recording, and the count of all that is not in them.

    Every row is counted once: `rows = nan + repeats + short + samples`.

    Attributes:
        name: of the recording.
        path: the file.
        episodes: continuous pieces of at least `MIN_PIECE` seconds.
        rate: samples per second [Hz].
        time_source: "stamps", or "rows" where time was made from the rate.
        rows: in the file.
        nan: rows dropped because a value is missing or not plausible.
        repeats: rows dropped because they repeat the stamp before.
        short: rows dropped because their piece is too short.
        jumps: backward jumps of the stamps.
        gaps: where rows are missing, or do not follow on each other.
        notes: what else a user should know, one line each.
    """

    name: str
    path: Path
    episodes: tuple[Episode, ...]
    rate: float
    time_source: str
    rows: int
    nan: int
    repeats: int
    short: int
    jumps: int
    gaps: int
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """What was read, dropped and split, and why, for people."""
        samples, pieces = sum(len(e) for e in self.episodes), len(self.episodes)
        duration = sum(e.duration for e in self.episodes)
        found = f"{self.rows} rows: {samples} samples at {self.rate:.1f} Hz"
        lines = [f"{found} in {pieces} piece{'s' * (pieces > 1)} ({duration:.1f} s)"]
        dropped = {
            "rows with a missing, non-finite or absurd value": self.nan,
            "rows that repeat a stamp": self.repeats,
            f"rows in pieces shorter than {MIN_PIECE:g} s": self.short,
        }
        split = {"gaps": self.gaps, "backward jumps of the clock": self.jumps}
        for verb, counts in (("left out", dropped), ("split at", split)):
            if found := ", ".join(f"{n} {what}" for what, n in counts.items() if n):
                lines.append(f"{verb} {found}")
        return [f"{self.name}: {line}" for line in (*lines, *self.notes)]


def recording_from(
    rows: ArchiveRows, joints: Sequence[str], scale: Sequence[float], rate: float | None = None
) -> ArchiveRecording:
    """Name the joints, scale the torque, find the time of every row, cut into continuous pieces.

    Args:
        rows: what the file holds.
        joints: J names, in the order of the columns.
        scale: shape (J,), tau in the file × scale = tau.
        rate: of files without stamps [Hz]; the format's, or the one that fits, if None.

    Raises:
        DatasetError: another number of joints, a joint without values, no rate, another rate than the format's, rows
            that are no motion, or no continuous piece left.
    """
    if rows.q.shape[1] != len(joints):
        raise DatasetError(
            f"{rows.path}: {rows.q.shape[1]} joints, expected {len(joints)} ({', '.join(joints)}): name as many "
            "with --joints"
        )
    finite = _finite(rows, joints)
    notes = list(rows.notes)
    notes += [
        f"q of {joint} reaches {most:.0f} rad: is it in degrees? Then convert the file first"
        for joint, most in zip(joints, np.abs(rows.q[finite]).max(axis=0, initial=0), strict=True)
        if most > _TURNS
    ]
    fitted = fitted_rate(rows.q[finite], rows.qd[finite])
    fits = "do not follow on each other" if fitted is None else f"move as at {fitted:.1f} Hz"
    starts = np.zeros(len(rows.q), dtype=np.bool_) if rows.starts is None else rows.starts
    if rows.t is None:
        rate = rate or _known_rate(rows, fitted, fits, notes)
        broken = breaks(rows.q, rows.qd, 1 / rate)
        if broken.any():
            at = ", ".join(str(i + 1) for i in np.flatnonzero(broken)[:_SHOWN])
            more = ", …" * (int(broken.sum()) > _SHOWN)
            notes.append(f"{broken.sum()} rows do not follow on the row before: {at}{more}; each starts a new piece")
        t, starts = np.arange(len(rows.q)) / rate, starts | broken
    else:
        try:
            t, rate = rows.t, measured_rate(rows.t[np.isfinite(rows.t)])
        except BagError as error:
            raise DatasetError(f"{rows.path}: {error}", **error.about | {"path": rows.path}) from None
    if fitted is None or not same_rate(fitted, rate):
        source = "--rate" if rows.t is None else "their stamps"
        notes.append(
            f"by q and qd the rows {fits}, by {source} they are at {rate:.1f} Hz: is qd or time scaled wrongly?"
        )
    t = _apart(t, starts, rate)
    tau = rows.tau * np.asarray(scale, dtype=np.float64)
    episodes, cuts = cut(rows.name, joints, rate, t[finite], rows.q[finite], rows.qd[finite], tau[finite])
    if not episodes:
        raise DatasetError(
            f"{rows.path}: no continuous piece of {MIN_PIECE:g} s in {len(t)} rows at {rate:g} Hz ({cuts.gaps} gaps, "
            f"{cuts.jumps} backward jumps): are the rows in the order of the motion?",
            path=rows.path,
        )
    counts = (cuts.repeats, cuts.short, cuts.jumps, cuts.gaps)
    source = "rows" if rows.t is None else "stamps"
    nan = int((~finite).sum())
    return ArchiveRecording(rows.name, rows.path, episodes, rate, source, len(t), nan, *counts, tuple(notes))


def fitted_rate(q: Array, qd: Array) -> float | None:
    """The rate at which positions q (N, J) [rad] move as velocities qd (N, J) [rad/s] say [Hz]; None if there is none.

    The period is the one that makes the sum of |step of q - mean qd × period| least, so a few breaks do not matter.
    """
    step, speed = np.diff(q, axis=0).ravel(), ((qd[1:] + qd[:-1]) / 2).ravel()
    moving = speed != 0
    if not moving.any():
        return None
    period = step[moving] / speed[moving]
    order = np.argsort(period)
    weight = np.cumsum(np.abs(speed[moving][order]))
    best = float(period[order][np.searchsorted(weight, weight[-1] / 2)])
    return 1 / best if best > 0 else None


def breaks(q: Array, qd: Array, period: float) -> NDArray[np.bool_]:
    """Which rows do not follow on the row before by the rule of this module, shape (N,).

    Args:
        q: positions, shape (N, J) [rad].
        qd: velocities, shape (N, J) [rad/s].
        period: between rows [s].
    """
    qd = np.where(np.isfinite(qd), qd, np.nan)
    missed = np.abs(np.diff(q, axis=0) - (qd[1:] + qd[:-1]) / 2 * period)
    allowed = (MAX_GAP - 1) * period * np.nanmax(np.abs(qd))
    return np.concatenate([[False], (missed > allowed).any(axis=1)])


def kuka1(path: str | Path) -> list[ArchiveRows]:
    """`KukaDirectDynamics.mat` of Polydoros et al., KUKA-I of [1]: the runs `kukatraj1` to `kukatraj10` of an LWR.

    They come in the order of their numbers (the file has 1, 10, 2, …), by which the split of [1] counts samples.

    Raises:
        DatasetError: see `_runs`.
    """
    return _runs(Path(path), _mat(Path(path)), "kuka1")


def baxter(path: str | Path) -> list[ArchiveRows]:
    """The .mat files of Polydoros et al. that are of a Baxter.

    `BaxterDirectDynamics.mat` has the layout of `kuka1`, with the runs `baxtertraj1` to `baxtertraj10`.
    `BaxterRand.mat` and `BaxterRhythmic.mat` have pairs: `X_train` of 21 columns (q, qd, qdd) and `Y_train` of 7 (tau),
    and likewise `X_test` and `Y_test`; each pair is a recording.

    Raises:
        DatasetError: see `_runs`; or the two of a pair do not fit.
    """
    path = Path(path)
    arrays = _mat(path)
    pairs = {name: f"Y{name[1:]}" for name in arrays if name.startswith("X") and f"Y{name[1:]}" in arrays}
    if not pairs:
        return _runs(path, arrays, "baxter")
    recordings = []
    for x, y in pairs.items():
        _check_width(path, x, arrays[x], 21, "q, qd and qdd of 7 joints")
        _check_width(path, y, arrays[y], 7, "tau of 7 joints")
        if len(arrays[x]) != len(arrays[y]):
            raise DatasetError(f"{path}: {x} has {len(arrays[x])} rows and {y} {len(arrays[y])}: not a pair")
        name = "-".join(filter(None, (path.stem, x[1:].strip("_"))))
        q, qd, _ = np.split(arrays[x], 3, axis=1)
        recordings.append(ArchiveRows(name, path, q, qd, arrays[y], unit="N·m", rate_fits=True))
    return recordings


def _runs(path: Path, arrays: Mapping[str, NDArray[Any]], kind: str) -> list[ArchiveRows]:
    """The runs of a robot of `RUNS`, in the order of their numbers: q, qd, tau, and q and qd of the next row.

    Raises:
        DatasetError: a run is missing, has another number of columns, goes beyond the stops of the robot, or has a row
            that is not the one that the row before says comes next.
    """
    names = [f"{RUNS[kind]}{i}" for i in range(1, N_RUNS + 1)]
    if others := [other for other, run in RUNS.items() if other != kind and any(n.startswith(run) for n in arrays)]:
        raise DatasetError(f"{path}: its runs are called {RUNS[others[0]]}…: give --format {others[0]}", path=path)
    if absent := [name for name in names if name not in arrays]:
        there = f"run {', '.join(absent)} is missing" if len(absent) < N_RUNS else f"no runs, only {_shapes(arrays)}"
        raise DatasetError(
            f"{path}: {there}; {kind} has {names[0]} to {names[-1]}: take the whole file, as published",
            path=path,
            recording=absent[0],
        )
    robot = load_robot(FORMAT_ROBOTS[kind])
    joints = robot.drivers[0].joints
    lower, upper, _ = joint_limits(robot, joints)
    recordings = []
    for name in names:
        _check_width(path, name, arrays[name], 35, "q, qd, tau, next q and next qd of 7 joints")
        q, qd, tau, next_q, next_qd = np.split(arrays[name], 5, axis=1)
        said, followed = np.hstack([next_q, next_qd])[:-1], np.hstack([q, qd])[1:]
        if len(lost := np.flatnonzero(~np.isclose(said, followed, 0, _SAME, equal_nan=True).all(axis=1))):
            more = f", and {len(lost) - 1} more rows like it" * (len(lost) > 1)
            raise DatasetError(
                f"{path}: {name}, row {lost[0] + 2} is not the row that row {lost[0] + 1} says comes next{more}: take "
                "the rows in the order of the motion, as published",
                path=path,
                recording=name,
            )
        beyond = (q < lower - _STOP) | (q > upper + _STOP)
        if beyond.any():
            row, j = np.argwhere(beyond)[0]
            raise DatasetError(
                f"{path}: {name}, row {row + 1}: joint {j + 1} is at {q[row, j]:.2f} rad, but {joints[j]} of robot "
                f"{robot.name} turns from {lower[j]:.2f} to {upper[j]:.2f}: is it another robot?",
                path=path,
                recording=name,
                joint=joints[j],
                value=q[row, j],
                lower=lower[j],
                upper=upper[j],
            )
        recordings.append(ArchiveRows(name, path, q, qd, tau, unit="N·m", rate_fits=True))
    return recordings


def kuka2(path: str | Path) -> list[ArchiveRows]:
    """A text file of Meier et al. 2014: rows of q, qd, qdd and tau of 7 joints, tau divided by `KUKA2_TAU`.

    Raises:
        DatasetError: it is no text, or a row is not 28 numbers.
    """
    path = Path(path)
    names = [f"{field}{j}" for field in ("q", "qd", "qdd", "tau") for j in range(1, 8)]
    rows = ((number, line.replace(",", " ").split()) for number, line in _lines(path))
    q, qd, _, tau = np.split(_table(path, rows, names, range(28), 28), 4, axis=1)
    most = float(np.nanmax(np.abs(tau), initial=0))
    high = f"tau in the file reaches {most:.0f} where about 1 is usual: was the division by {KUKA2_TAU} undone before?"
    notes = (high,) if most > 5 else ()
    return [ArchiveRows(path.stem, path, q, qd, tau * KUKA2_TAU, unit="N·m", rate_fits=True, notes=notes)]


def sarcos(path: str | Path) -> list[ArchiveRows]:
    """`sarcos_inv.mat`, or its test file: one matrix of q, qd, qdd and tau of 7 joints, at 100 Hz.

    The public test file is every tenth row of the training motion, nearly all of them in `sarcos_inv.mat` itself. At
    100 Hz its rows are no motion, so it is refused; at a rate that the user insists on it is read with a warning.

    Raises:
        DatasetError: it is no MATLAB file, or holds another variable or shape.
    """
    path = Path(path)
    arrays = _mat(path)
    name = next((n for n in ("sarcos_inv", "sarcos_inv_test") if n in arrays), "")
    if not name:
        raise DatasetError(f"{path}: no variable sarcos_inv, only {_shapes(arrays)}")
    _check_width(path, name, arrays[name], 28, "q, qd, qdd and tau of 7 joints")
    q, qd, _, tau = np.split(arrays[name], 4, axis=1)
    leak = (
        "it is every tenth row of sarcos_inv.mat, so scores on it are optimistic: hold out a part of that file instead"
    )
    notes = (leak,) if name == "sarcos_inv_test" else ()
    return [ArchiveRows(path.stem, path, q, qd, tau, unit="N·m", rate=SARCOS_RATE, notes=notes)]


def rtde(path: str | Path, torque: str | None = None) -> list[ArchiveRows]:
    """A recording of Universal Robots' RTDE outputs: timestamp, actual_q_0 to _5, actual_qd_0 to _5 and a torque.

    Args:
        path: text with a header, separated by spaces, commas, semicolons or tabs.
        torque: one of `RTDE_TORQUE`; if None, actual_current_as_torque where it is there, else actual_current.

    Raises:
        DatasetError: a column is missing, or a row does not fit.
    """
    path = Path(path)
    header, rows = _with_header(path)
    torque = torque or ("actual_current_as_torque" if "actual_current_as_torque_0" in header else "actual_current")
    names = ["timestamp", *(f"{field}_{j}" for field in ("actual_q", "actual_qd", torque) for j in range(6))]
    if absent := [name for name in names if name not in header]:
        others = [field for field in RTDE_TORQUE if f"{field}_0" in header]
        instead = f", or use --torque with {' or '.join(others)}" if torque in absent[0] and others else ""
        raise DatasetError(
            f"{path}, line {rows[0][0]}: no column {absent[0]!r}: record that RTDE output{instead}",
            path=path,
            field=absent[0],
        )
    values = _table(path, rows[1:], names, [header.index(name) for name in names], len(header))
    unit, compensated = RTDE_TORQUE[torque]
    notes = [f"tau is {torque} [{unit}]"]
    if torque == "target_moment":
        notes.append("target_moment is what the controller's model asks for, no measurement: a contact may not show")
    t, q, qd, tau = values[:, 0], values[:, 1:7], values[:, 7:13], values[:, 13:]
    return [ArchiveRows(path.stem, path, q, qd, tau, t, unit=unit, gravity_compensated=compensated, notes=tuple(notes))]


def csv(path: str | Path, columns: Mapping[str, Sequence[str]]) -> list[ArchiveRows]:
    """Any text with a header, separated by commas, semicolons, tabs or spaces.

    Args:
        path: the file.
        columns: `CSV_FIELDS` -> names in the header, as of `read_columns`.

    Raises:
        DatasetError: a column is missing or there twice, or a row does not fit.
    """
    path = Path(path)
    header, rows = _with_header(path)
    names = [name for field in CSV_FIELDS for name in columns.get(field, ())]
    for name in names:
        if header.count(name) != 1:
            times = "is there twice" if name in header else f"is missing, it has {', '.join(header)}"
            raise DatasetError(
                f"{path}, line {rows[0][0]}: column {name!r} {times}: see --columns", path=path, field=name
            )
    values = _table(path, rows[1:], names, [header.index(name) for name in names], len(header))
    stamped, joints = "t" in columns, tuple(columns["q"])
    q, qd, tau = np.split(values[:, int(stamped) :], 3, axis=1)
    return [ArchiveRows(path.stem, path, q, qd, tau, values[:, 0] if stamped else None, joints=joints)]


def read_columns(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Columns of `csv` from words such as `q=q1,q2`.

    Raises:
        ConfigError: a word is wrong, q, qd or tau is missing, or they are of different numbers of joints.
    """
    columns: dict[str, tuple[str, ...]] = {}
    for word in words:
        field, equals, names = word.partition("=")
        if field not in CSV_FIELDS or not equals or not all(names.split(",")) or field in columns:
            raise ConfigError(
                f"--columns {word!r} is wrong: write t=TIME q=Q1,Q2 qd=QD1,QD2 tau=TAU1,TAU2, each once",
                field="--columns",
                value=word,
            )
        columns[field] = tuple(names.split(","))
    if absent := [field for field in ("q", "qd", "tau") if field not in columns]:
        raise ConfigError(
            f"--columns names no {absent[0]}: write t=TIME q=Q1,Q2 qd=QD1,QD2 tau=TAU1,TAU2", field="--columns"
        )
    counts = {field: len(names) for field, names in columns.items()}
    if counts.get("t", 1) != 1 or len({counts[field] for field in ("q", "qd", "tau")}) > 1:
        counted = ", ".join(f"{n} of {field}" for field, n in counts.items())
        raise ConfigError(
            f"--columns names {counted}: name one t, and a q, a qd and a tau for every joint", field="--columns"
        )
    return columns


def npz(path: str | Path) -> list[ArchiveRows]:
    """A NumPy archive of q, qd and tau, shape (N, J), and where there are any t [s] and seg, shape (N,).

    Rows of another seg than the row before start a new piece.

    Raises:
        DatasetError: it is no .npz, holds pickled objects, or an array is missing or of the wrong shape.
    """
    path = Path(path)
    _check_file(path)
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            check_unpacked(path, sum(member.file_size for member in file.zip.infolist()))
            arrays = _floats({name: file[name] for name in file.files})
    except DatasetError:
        raise
    except Exception as error:  # whatever numpy, zipfile and zlib say of a file that is damaged or foreign
        raise DatasetError(
            f"{path} is no .npz of plain arrays ({one_line(error)}): save q, qd and tau by np.savez"
        ) from error
    return [_named(path, arrays)]


FORMATS: dict[str, Callable[..., list[ArchiveRows]]] = dict(
    zip(FORMAT_NAMES, (kuka1, baxter, kuka2, sarcos, rtde, csv, npz), strict=True)
)


def _known_rate(rows: ArchiveRows, fitted: float | None, fits: str, notes: list[str]) -> float:
    """The rate of rows without stamps where the user gave none [Hz]."""
    if rows.rate_fits and fitted:
        rate = round(fitted) or fitted
        notes.append(f"there is no time in the file: {rate:g} Hz fits q and qd best (--rate overrides)")
        return rate
    if rows.rate and fitted and same_rate(fitted, rows.rate):
        return rows.rate
    expected = f"expected {rows.rate:g} Hz, but" if rows.rate else "there is no time in the file;"
    hint = "".join(f"; {note}" for note in rows.notes)
    raise DatasetError(
        f"{rows.path}: {expected} by q and qd its rows {fits}: pass --rate if you know it{hint}",
        path=rows.path,
        field="--rate",
        value=fitted,
    )


def _apart(t: Array, starts: NDArray[np.bool_], rate: float) -> Array:
    """Stamps (N,) with a gap before every start (N,), so that the one rule of `core.sampling` cuts there."""
    step = np.diff(t, prepend=-np.inf)
    return t + np.cumsum(starts & (step >= 0) & (step * rate <= MAX_GAP)) * _APART / rate


def _finite(rows: ArchiveRows, joints: Sequence[str]) -> NDArray[np.bool_]:
    """Which rows are whole, shape (N,); an error where a joint has no value at all."""
    whole = np.ones(len(rows.q), dtype=np.bool_) if rows.t is None else np.isfinite(rows.t)
    for name in ("q", "qd", "tau"):
        finite = plausible(getattr(rows, name))
        if len(none := np.flatnonzero(~finite.any(axis=0))):
            raise DatasetError(
                f"{rows.path}: no {name} of {joints[none[0]]}: every value is missing, not finite or absurd",
                path=rows.path,
                field=name,
                joint=joints[none[0]],
            )
        whole &= finite.all(axis=1)
    if not np.any(rows.tau):
        raise DatasetError(
            f"{rows.path}: tau is 0 in every row: choose another column, or record torque or current",
            path=rows.path,
            field="tau",
        )
    return whole


def _named(path: Path, arrays: Mapping[str, Any], **known: Any) -> ArchiveRows:
    """Make rows of arrays called q, qd, tau, and perhaps t and seg."""
    for name in ("q", "qd", "tau"):
        if name not in arrays:
            why = ": poses without motion teach no dynamics" * (name == "qd")
            raise DatasetError(f"{path}: no array {name!r}{why}; it has {_shapes(arrays)}", path=path, field=name)
    shape = arrays["q"].shape
    for name in ("q", "qd", "tau"):
        if len(shape) != 2 or arrays[name].shape != shape or arrays[name].dtype.kind != "f":
            raise DatasetError(
                f"{path}: array {_shapes({name: arrays[name]})}, expected numbers, rows × joints, like q",
                path=path,
                field=name,
            )
    for name in ("t", "seg"):
        if name in arrays and (arrays[name].size != shape[0] or arrays[name].dtype.kind != "f"):
            raise DatasetError(
                f"{path}: array {_shapes({name: arrays[name]})}, expected {shape[0]} numbers, one a row",
                path=path,
                field=name,
            )
    t = arrays["t"].ravel() if "t" in arrays else None
    starts = np.concatenate([[False], np.diff(arrays["seg"].ravel()) != 0]) if "seg" in arrays else None
    return ArchiveRows(path.stem, path, arrays["q"], arrays["qd"], arrays["tau"], t, starts, **known)


def _floats(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The same with every number a float64; anything else stays what it is."""
    return {name: a.astype(np.float64) if a.dtype.kind in "fiu" else a for name, a in arrays.items()}


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise DatasetError(f"{path} does not exist or is a folder: give a file", path=path)


def _mat(path: Path) -> dict[str, NDArray[Any]]:
    """The variables of a MATLAB file."""
    _check_file(path)
    try:
        version = matfile_version(str(path))[0]
        hdf5 = version == 2
        if version == 1:
            _check_mat(path)
        arrays = {} if hdf5 else loadmat(path)
    except DatasetError:
        raise
    except Exception as error:  # whatever scipy says of a file that is damaged or foreign
        raise DatasetError(f"{path} is no MATLAB file ({one_line(error)}): give a .mat file") from error
    if hdf5:
        raise DatasetError(f"{path} is a MATLAB file of version 7.3 (HDF5): save it in MATLAB with -v7")
    return _floats({name: np.asarray(a) for name, a in arrays.items() if not name.startswith("__")})


def _check_mat(path: Path) -> None:
    """Unpack a MATLAB file of version 5 piece by piece, keep none of it, and refuse what becomes too large."""
    unpacked = 0
    with path.open("rb") as file:
        file.seek(126)
        element = struct.Struct("<II" if file.read(2) == b"IM" else ">II")  # kind, and bytes that follow
        while len(tag := file.read(element.size)) == element.size:
            kind, left = element.unpack(tag)
            if kind != _COMPRESSED:
                file.seek(left, 1)
                continue
            unpacker = zlib.decompressobj()
            while left and (packed := file.read(min(left, _PIECE))):
                left -= len(packed)
                while packed:
                    unpacked += len(unpacker.decompress(packed, _PIECE))
                    packed = unpacker.unconsumed_tail
                    check_unpacked(path, unpacked)


def _check_width(path: Path, name: str, matrix: NDArray[Any], width: int, what: str) -> None:
    if matrix.ndim != 2 or matrix.shape[1] != width or matrix.dtype.kind != "f":
        raise DatasetError(f"{path}: variable {_shapes({name: matrix})}, expected {width} columns ({what})")


def _shapes(arrays: Mapping[str, NDArray[Any]]) -> str:
    return (
        ", ".join(f"{n} of {' × '.join(map(str, a.shape)) or 'one'}{_kind(a)}" for n, a in arrays.items()) or "nothing"
    )


def _kind(a: NDArray[Any]) -> str:
    return "" if a.dtype.kind == "f" else f" ({a.dtype})"


def _lines(path: Path) -> list[tuple[int, str]]:
    """Lines that are not empty, with their numbers from 1."""
    _check_file(path)
    try:
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is no text: give a text file") from error
    lines = [(number, line.strip()) for number, line in enumerate(content.splitlines(), 1) if line.strip()]
    if not lines:
        raise DatasetError(f"{path} is empty: give a text file with rows of numbers")
    return lines


def _with_header(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Column names, and the cells of every line with its number, the header first."""
    lines = _lines(path)
    head = lines[0][1].lstrip("# ")  # numpy.savetxt writes a header so
    delimiter = next((d for d in ",;\t" if d in head), " ")
    cells = text.reader([head, *(line for _, line in lines[1:])], delimiter=delimiter, skipinitialspace=True)
    try:
        rows = [(number, row) for (number, _), row in zip(lines, cells, strict=False)]
    except text.Error as error:
        raise DatasetError(
            f"{path}, line {lines[min(cells.line_num, len(lines)) - 1][0]}: {error}: give rows of numbers", path=path
        ) from error
    return [name.strip() for name in rows[0][1]], rows


def _table(
    path: Path, rows: Iterable[tuple[int, list[str]]], names: Sequence[str], places: Sequence[int], width: int
) -> Array:
    """Numbers of the columns at `places`, shape (N, len(names)); an empty cell is NaN.

    Raises:
        DatasetError: a row has another number of cells than `width`, or a cell is no number.
    """
    values = array("d")
    for number, cells in rows:
        if len(cells) != width:
            raise DatasetError(f"{path}, line {number}: {len(cells)} columns, expected {width}")
        try:
            values.extend([float(cells[i]) if cells[i] else np.nan for i in places])
        except ValueError:
            name, i = next((n, i) for n, i in zip(names, places, strict=True) if not _is_number(cells[i]))
            raise DatasetError(
                f"{path}, line {number}, column {i + 1} ({name}): found {cells[i]!r}, expected a number"
            ) from None
    if len(values) < 2 * len(names):
        raise DatasetError(f"{path}: fewer than two rows of numbers")
    return np.array(values).reshape(-1, len(names))


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True
