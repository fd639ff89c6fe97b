# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import platform
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from one_seed import signals, train

from vastares_ros.core import scratch
from vastares_ros.core.errors import ConfigError, DatasetError, DeviceError
from vastares_ros.core.signals import windows
from vastares_ros.models.networks import NetworkModel
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.runtime.device import device_for
from vastares_ros.training import seeds, torch_settings
from vastares_ros.training import windows as windows_module
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.seeds import SeedRun
from vastares_ros.training.torch_settings import quick_products
from vastares_ros.training.windows import Windows

CPU = torch.device("cpu")
RATE = 125.0
SMALL = TrainConfig(network=NetworkConfig(window=8, hidden=8), epochs=3, batch=64)


def same_model(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_the_network_learns(dataset):
    losses = []
    train(dataset.episodes, (), RATE, replace(SMALL, epochs=8), CPU, lambda p: losses.append(p.loss))
    assert losses[-1] < 0.3 * losses[0] and losses[-1] < 0.1


def test_the_same_seed_gives_the_same_model_and_another_seed_another(dataset):
    models = [train(dataset.episodes[:1], (), RATE, replace(SMALL, seed=s), CPU) for s in (1, 1, 2)]
    assert same_model(models[0], models[1]) and not same_model(models[0], models[2])


def test_a_run_that_was_stopped_goes_on_to_the_same_model(tmp_path, dataset):
    class Stopped(Exception):
        pass

    def stop_after_two(progress):
        if progress.epoch == 2:
            raise Stopped

    arguments = (dataset.episodes[:2], dataset.episodes[2:], RATE, SMALL, CPU)
    whole = train(*arguments)
    checkpoint = tmp_path / "run.checkpoint"
    with pytest.raises(Stopped):
        train(*arguments, stop_after_two, checkpoint)
    epochs = []
    resumed = train(*arguments, lambda p: epochs.append(p.epoch), checkpoint)
    assert epochs == [2, 3], "the epoch that was not finished is done again"
    assert same_model(whole, resumed)
    with pytest.raises(DatasetError, match="belongs to a run with another configuration"):
        train(*arguments[:3], replace(SMALL, seed=5), CPU, checkpoint=checkpoint)
    one, two, three = dataset.episodes
    for split in (((one, three), (two,)), ((two, one), (three,)), ((one, replace(two, tau=two.tau + 1)), (three,))):
        with pytest.raises(DatasetError, match="another configuration, dataset or split"):
            train(*split, *arguments[2:], checkpoint=checkpoint)
    checkpoint.write_bytes(b"rubbish")
    with pytest.raises(DatasetError, match="not a checkpoint"):
        train(*arguments, checkpoint=checkpoint)
    for state in ([1, 2], {"run": 3}, {"epoch": 1}):
        torch.save(state, checkpoint)
        with pytest.raises(DatasetError, match="delete it to start afresh"):
            train(*arguments, checkpoint=checkpoint)
    assert [p.name for p in tmp_path.iterdir()] == ["run.checkpoint"]


@pytest.mark.parametrize("patience", [0, 2])
def test_the_rate_is_reduced_on_a_plateau(dataset, monkeypatch, patience):
    """Every batch holds all windows and no step is taken, so the loss stays the same but for rounding."""
    monkeypatch.setattr(SeedRun, "step", lambda self: None)
    rates = []
    config = replace(
        SMALL, epochs=9, batch=1000, learning_rate=0.5, plateau_patience=patience, plateau_factor=0.2
    )  # an episode has fewer than 1000 windows
    train(dataset.episodes[:1], (), RATE, config, CPU, lambda p: rates.append(p.learning_rate))
    # The first epoch is progress. Then every `patience + 1` epochs without progress reduce the rate, down to 1e-5.
    expected = [max(0.5 * 0.2 ** (epoch // (patience + 1)), 1e-5) for epoch in range(9)]
    assert rates == pytest.approx(expected)


def test_the_rate_stays_while_the_loss_falls(dataset):
    """Small steps on all windows at once: every epoch is progress."""
    seen = []
    config = replace(SMALL, epochs=4, batch=1000, learning_rate=0.002, plateau_patience=0)
    train(dataset.episodes[:1], (), RATE, config, CPU, seen.append)
    assert all(b.loss < 0.999 * a.loss for a, b in pairwise(seen)), "else the test says nothing of it"
    assert [p.learning_rate for p in seen] == [0.002] * 4


def test_joints_are_trained_as_if_alone(dataset):
    """A joint's model must not change when another joint's torque does."""
    episode = dataset.episodes[0]
    other = replace(episode, tau=episode.tau * np.array([1.0, 0.0]) + np.sin(episode.q) * np.array([0.0, 3.0]))
    config = replace(SMALL, epochs=2)
    a, b = (train([e], (), RATE, config, CPU) for e in (episode, other))
    x = signals(episode, RATE, config)[0]
    np.testing.assert_array_equal(a.predict(x)[:, 0], b.predict(x)[:, 0])
    assert not np.array_equal(a.predict(x)[:, 1], b.predict(x)[:, 1])


def upside_down(episode, joints):
    """The episode with torques of the other sign at some joints: the more is learned, the worse it is predicted."""
    return replace(episode, tau=episode.tau * np.where(np.isin(np.arange(2), joints), -1.0, 1.0))


def test_training_ends_once_validation_stands_still(dataset):
    seen = []
    config = replace(SMALL, epochs=40, early_stopping=2)
    opposite = tuple(upside_down(e, [0, 1]) for e in dataset.episodes)
    model = train(dataset.episodes, opposite, RATE, config, CPU, seen.append)
    assert seen[0].validation < seen[1].validation < seen[2].validation, "else the test says nothing of it"
    assert len(seen) == 3, "the best epoch and two that are no better"
    first = train(dataset.episodes, (), RATE, replace(config, epochs=1), CPU)
    assert same_model(model, first)


def test_training_goes_on_while_one_joint_gets_better(dataset):
    seen = []
    half_opposite = tuple(upside_down(e, [1]) for e in dataset.episodes)
    train(dataset.episodes, half_opposite, RATE, replace(SMALL, epochs=3, early_stopping=1), CPU, seen.append)
    assert len(seen) == 3, "joint 1 got worse in the second epoch, and joint 0 got better"


def test_validation_keeps_the_best_epoch_of_each_joint(dataset):
    seen = []
    config = replace(SMALL, epochs=2)
    half_opposite = tuple(upside_down(e, [1]) for e in dataset.episodes)
    model = train(dataset.episodes, half_opposite, RATE, config, CPU, seen.append)
    first, last = (train(dataset.episodes, (), RATE, replace(config, epochs=n), CPU) for n in (1, 2))
    for name, kept in model.network.state_dict().items():
        expected = [last.network.state_dict()[name][0], first.network.state_dict()[name][1]]
        assert torch.equal(kept, torch.stack(expected)), f"{name}: joint 0 got better, joint 1 got worse"
    held_out = Windows(half_opposite, RATE, config.filter, model).to(model)
    with torch.inference_mode():
        x, tau = held_out.take(torch.arange(len(held_out)))
        loss = (model.network(x) - tau).square().mean()
    assert float(loss) < min(p.validation for p in seen), "the best of both joints is better than any epoch"


def test_a_run_that_diverges_says_so(dataset):
    with pytest.raises(ConfigError, match=r"diverged in epoch 1 .*: lower learning_rate"):
        train(dataset.episodes[:1], (), RATE, replace(SMALL, learning_rate=1e30), CPU)


def test_windows_span_no_two_episodes_and_end_with_their_target(dataset):
    model = train(dataset.episodes[:1], (), RATE, replace(SMALL, epochs=1), CPU)
    data = Windows(dataset.episodes, RATE, SMALL.filter, model)
    assert len(data) == sum(len(e) - 7 for e in dataset.episodes)
    data.to(model)
    x, tau = data.take(torch.arange(len(data)))
    expected_x = np.concatenate([windows(signals(e, RATE, SMALL)[0], 8) for e in dataset.episodes])
    expected_tau = np.concatenate([signals(e, RATE, SMALL)[1][7:] for e in dataset.episodes])
    np.testing.assert_allclose(model.feature_scaler.inverse(x).numpy(), expected_x, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(model.torque_scaler.inverse(tau).numpy(), expected_tau, rtol=1e-4, atol=1e-4)


def test_a_dataset_too_short_for_a_window(make_episode):
    with pytest.raises(DatasetError, match="longest of 1 episodes has 5 samples, a window takes 8"):
        Windows([make_episode(samples=5)], RATE, SMALL.filter, NetworkModel(2, SMALL.network))


def test_devices():
    assert device_for("cpu") == CPU
    assert device_for("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(DeviceError, match="'abacus' is unknown"):
        device_for("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="'cuda' cannot be used here"):
            device_for("cuda")


def test_a_pass_draws_no_more_windows_than_told(dataset):
    few, many = [], []
    for epoch_windows, seen in ((128, few), (20_000, many)):
        config = replace(SMALL, epochs=6, epoch_windows=epoch_windows)
        train(dataset.episodes, (), RATE, config, CPU, seen.append)
    assert few[-1].loss > many[-1].loss, "six passes of 128 windows learn less than six of all"


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 0},
        {"batch": 1},
        {"learning_rate": 0.0},
        {"plateau_factor": 1.0},
        {"weight_decay": -1.0},
        {"seed": -1},
        {"seed": 2**32},
    ],
)
def test_a_wrong_field_is_named(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        TrainConfig(**values)


KEEPING = """
import ctypes
import gc
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import torch

from vastares_ros.training.torch_settings import kept_memory


def new():
    for times in (20, 10):  # first until the blocks lie well
        before = getrusage(RUSAGE_SELF).ru_minflt
        for _ in range(times):
            torch.ones(2**24)
    return getrusage(RUSAGE_SELF).ru_minflt - before


def held():
    return int(Path("/proc/self/statm").read_text().split()[1])


ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: with huge pages there would be few faults to count
outside = new()
with kept_memory():
    within, kept = new(), held()
    assert gc.get_freeze_count() > 0
assert gc.get_freeze_count() == 0
print(outside, within, kept - held())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory")
@pytest.mark.process
def test_memory_is_kept_while_it_trains_and_given_back_after():
    # a process of its own: in the threads of another allocator arena nothing is kept
    out = subprocess.run([sys.executable, "-c", KEEPING], capture_output=True, text=True, check=True).stdout
    outside, within, given_back = map(int, out.split())  # pages, of ten times 64 MiB
    assert within < outside / 100
    assert given_back > outside / 20


def test_quick_products_are_exact_and_leave_the_setting_as_it_was():
    settings = getattr(torch.backends.mkldnn, "matmul", None)
    before = getattr(settings, "fp32_precision", None)
    a, b = torch.randn(3, 200, 40), torch.randn(3, 40, 50)
    with pytest.raises(KeyError), quick_products():
        torch.testing.assert_close(torch.bmm(a, b).double(), a.double() @ b.double(), rtol=1e-5, atol=2e-5)
        raise KeyError
    assert getattr(settings, "fp32_precision", None) == before


def test_quick_products_are_not_taken_where_they_would_cost_precision(monkeypatch):
    settings = getattr(torch.backends.mkldnn, "matmul", None)
    if getattr(settings, "fp32_precision", None) is None:
        pytest.skip("this torch has no such setting")
    before = settings.fp32_precision
    monkeypatch.setattr(torch_settings, "_exact_by_onednn", lambda: False)
    with quick_products():
        assert settings.fp32_precision == before


def test_windows_in_files_are_those_in_memory(dataset, monkeypatch):
    config = replace(SMALL, epochs=2)
    whole = train(dataset.episodes[:2], dataset.episodes[2:], RATE, config, CPU)
    in_memory = Windows(dataset.episodes, RATE, SMALL.filter, whole).to(whole)
    monkeypatch.setattr(scratch, "LARGE", 1000)
    monkeypatch.setattr(scratch, "BLOCK", 100)
    monkeypatch.setattr(windows_module, "TOUCHED", 50)
    files = len(scratch._maps)
    in_files = Windows(dataset.episodes, RATE, SMALL.filter, whole).to(whole)
    assert len(scratch._maps) == files + 4, "features and torque, as they are and standardised"
    which = torch.randperm(1000).view(2, -1)
    for one, other in zip(in_memory.take(which), in_files.take(which), strict=True):
        assert torch.equal(one, other)
    assert same_model(whole, train(dataset.episodes[:2], dataset.episodes[2:], RATE, config, CPU))


@pytest.mark.parametrize("windows", [63, 64, 65, 1000])
@pytest.mark.parametrize("epoch_windows", [20, 5000])
def test_every_window_is_taken_once_in_a_shuffled_order(monkeypatch, windows, epoch_windows):
    monkeypatch.setattr(seeds, "SHUFFLED", 64)
    monkeypatch.setattr(seeds, "GROUP", 64)
    monkeypatch.setattr(seeds, "RUN", 8)
    config = replace(SMALL, batch=4, epoch_windows=epoch_windows)
    run = SeedRun(torch.nn.Linear(2, 2), 3, 0, 2, config)
    parts = [list(run.batches(windows, epoch)) for epoch in (0, 0, 1)]
    first, again, other = (torch.cat(p).flatten().tolist() for p in parts)
    assert first == again != other
    assert len(set(first)) == len(first) and set(first) <= set(range(windows))
    assert min(windows, epoch_windows) - 4 * len(parts[0]) < len(first) <= epoch_windows, "but for what fills no batch"
    assert np.mean(np.abs(np.diff(first)) > 8) > 0.5, "neighbours do not follow each other"
