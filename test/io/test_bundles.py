# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import os
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save, save_file

from vastares_ros.core.errors import BundleError, OutputError
from vastares_ros.io import bundles
from vastares_ros.io.bags import write_joint_states
from vastares_ros.io.bundles import is_bundle, load_bundle, read_index, save_bundle
from vastares_ros.io.datasets import load_dataset, write_dataset
from vastares_ros.io.folders import sha256
from vastares_ros.io.mcap import written_mcap
from vastares_ros.io.recorder import EpisodeRecorder
from vastares_ros.models.va_sta_reslstm import NetworkConfig
from vastares_ros.runtime.estimator import Estimator
from vastares_ros.training.config import TrainConfig
from vastares_ros.training.fit import fit


@pytest.fixture(scope="module")
def bundle(dataset):
    config = TrainConfig(network=NetworkConfig(window=8, hidden=4), epochs=1)
    return fit(dataset, config, torch.device("cpu"), test=["three"])


@pytest.fixture
def folder(tmp_path, bundle):
    save_bundle(tmp_path / "b", bundle)
    return tmp_path / "b"


@pytest.fixture(params=[0o022, 0o027])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_files_are_as_readable_as_the_umask_allows(tmp_path, bundle, dataset, umask):
    save_bundle(str(tmp_path / "bundle"), bundle)
    write_dataset(str(tmp_path / "data"), dataset)
    EpisodeRecorder(tmp_path / "live", dataset, "a").move_aside()
    write_joint_states(tmp_path / "bag", {})
    with written_mcap(str(tmp_path / "live.mcap")):
        pass
    written = list(tmp_path.rglob("*"))
    assert {"model.safetensors", "golden.safetensors", "one.parquet", "live.mcap"} <= {p.name for p in written}
    for path in written:
        assert path.stat().st_mode & 0o777 == (0o777 if path.is_dir() else 0o666) & ~umask, path


def test_paths_may_be_text(folder, tmp_path, dataset):
    assert load_bundle(str(folder)).joints == tuple(read_index(str(folder))["joints"]) and is_bundle(str(folder))
    write_dataset(str(tmp_path / "d"), dataset)
    assert load_dataset(str(tmp_path / "d")).joints == dataset.joints


def test_a_bundle_comes_back_as_it_was_written(folder, bundle, dataset):
    read = load_bundle(folder)
    for name in ("robot", "joints", "topic", "effort", "rate", "filter", "residual_source", "dataset_sha256"):
        assert getattr(read, name) == getattr(bundle, name), name
    assert asdict(read.model.config) == asdict(bundle.model.config)
    assert read.training == bundle.training and read.metrics == bundle.metrics
    np.testing.assert_array_equal(read.q_range, bundle.q_range)
    np.testing.assert_array_equal(read.bound, bundle.bound)
    one, other = Estimator(bundle), Estimator(read)
    for sample in dataset.episodes[0]:
        a, b = one.step(sample), other.step(sample)
        np.testing.assert_array_equal(a.tau_ext, b.tau_ext)
    assert np.isfinite(b.tau_ext).all()


def test_the_file_is_readable_and_whole(folder):
    index = yaml.safe_load((folder / "bundle.yaml").read_text())
    assert {p.name for p in folder.iterdir()} == {"bundle.yaml", *index["sha256"]}
    assert {"feature_scaler.mean", "feature_scaler.scale", "torque_scaler.mean", "torque_scaler.scale"} <= set(
        load_file(folder / "model.safetensors")
    )


def test_an_existing_bundle_is_not_overwritten(folder, bundle):
    with pytest.raises(OutputError, match="--force"):
        save_bundle(folder, bundle)
    save_bundle(folder, replace(bundle, robot="other"), force=True)
    assert load_bundle(folder).robot == "other"


@pytest.mark.parametrize("name", ["model.safetensors", "golden.safetensors", "ridge.safetensors"])
def test_an_altered_or_missing_file_is_named(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name} was altered"):
        load_bundle(folder)
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        load_bundle(folder)


def change(folder, place, value, sign=True):
    index = yaml.safe_load((folder / "bundle.yaml").read_text())
    *parents, last = place.split(".")
    part = index
    for parent in parents:
        part = part[parent]
    if value is None:
        del part[last]
    else:
        part[last] = value
    if sign and "sha256" in index:
        index["sha256"]["bundle.yaml"] = bundles._digest(index)
    (folder / "bundle.yaml").write_text(yaml.safe_dump(index))


@pytest.mark.parametrize(
    ("place", "value"), [("joints", ["elbow", "shoulder"]), ("filter.cutoff_hz", 20.0), ("effort.scale", [1.0, -1.0])]
)
def test_an_edited_bundle_is_refused(folder, place, value):
    change(folder, place, value, sign=False)
    with pytest.raises(BundleError, match=r"bundle\.yaml was altered"):
        load_bundle(folder)


def test_the_layout_of_the_file_does_not_count(folder):
    index = yaml.safe_load((folder / "bundle.yaml").read_text())
    (folder / "bundle.yaml").write_text("# a comment\n" + yaml.safe_dump(index, sort_keys=True))
    load_bundle(folder)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("schema", 1, "schema is 1, this version reads 2: train the bundle anew"),
        ("schema", None, "schema is None"),
        ("sha256", None, "field sha256 is missing"),
        ("rate_hz", None, "'rate_hz' is missing"),
        ("rate_hz", 0, "rate_hz is 0"),
        ("rate_tolerance", 0.5, r"rate_tolerance is 0\.5"),
        ("effort.unit", "furlong", "unit 'furlong' is unknown"),
        ("effort.scale", [1.0], "effort.scale has 1 entries for 2 joints"),
        ("filter.cutoff", 3.0, r"unknown field filter\.cutoff"),
        ("model.name", "oracle", "model 'oracle' is unknown"),
        ("model.network.window", 0, r"network\.window is 0"),
        ("model.network.hidden", 7, r"in model\.safetensors has shape \(.*, and by bundle\.yaml \("),
        ("model.network.hidden", 1024, "has shape"),
        ("model.network.rescale", False, "no longer gives the output"),
        ("joints", ["shoulder"], "has shape"),
        ("joints", ["shoulder", "shoulder"], "different names"),
        ("joints", ["shoulder", 7], "different names"),
        ("joints", [f"j{i}" for i in range(100_000)], "joints must be 1 to 64 different names"),
        ("topic", None, "'topic' is missing"),
        ("rate_hz", float("inf"), "rate_hz is inf"),
        ("rate_hz", 10**400, "too large"),
        ("training.split", None, "'split' is missing"),
        ("training.split.training", "one", r"training\.split\.training must list recordings"),
        ("training.config", 3, r"training\.config must be a mapping"),
        ("metrics.of", None, "'of' is missing"),
        ("metrics.of", "nothing", "'nothing' is missing"),
        ("metrics.nmse_mean", None, "'nmse_mean' is missing"),
        ("metrics.nmse_mean.ridge", None, "'ridge' is missing"),
        ("metrics.rmse.model.elbow", "low", "metrics of model must be numbers"),
        ("metrics.samples", None, "'samples' is missing"),
        ("training_range.qd", [[1, 1], [0, 2]], "must hold the lowest values, then the highest"),
        ("training_range.q", [[0, 0]], r"training_range\.q must hold 2 x 2"),
        ("free_motion_residual.quantiles", {}, "'0.5' is missing"),
    ],
)
def test_a_wrong_field_is_named(folder, place, value, message):
    change(folder, place, value)
    with pytest.raises(BundleError, match=message) as caught:
        load_bundle(folder)
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)


def test_weights_of_another_model_are_seen_by_the_golden_output(folder):
    weights = load_file(folder / "model.safetensors")
    weights["network.head.bias"] = weights["network.head.bias"] + 1
    save_file(weights, folder / "model.safetensors")
    change(folder, "sha256", yaml.safe_load((folder / "bundle.yaml").read_text())["sha256"] | {
        "model.safetensors": sha256(folder / "model.safetensors")})  # fmt: skip
    with pytest.raises(BundleError, match="no longer gives the output"):
        load_bundle(folder)


def replaced(folder, name, content):
    (folder / name).write_bytes(content)
    hashes = yaml.safe_load((folder / "bundle.yaml").read_text())["sha256"]
    change(folder, "sha256", hashes | {name: sha256(folder / name)})


def test_shapes_are_compared_before_tensors_are_read(folder):
    golden = load_file(folder / "golden.safetensors")
    replaced(folder, "golden.safetensors", save({**golden, "input": golden["input"].repeat(1000, 1, 1)}))
    with pytest.raises(BundleError, match=r"input in golden\.safetensors has shape \(1000, 8, 4\), and by .*\(1,"):
        load_bundle(folder)
    replaced(folder, "golden.safetensors", save(golden | {"more": golden["output"].clone()}))
    with pytest.raises(BundleError, match=r"more in golden\.safetensors has shape \(1, 2\), and by bundle\.yaml none"):
        load_bundle(folder)
    replaced(folder, "golden.safetensors", (99_000_000).to_bytes(8, "little") + b"{")
    with pytest.raises(BundleError, match=r"golden\.safetensors has a header of 99000000 bytes"):
        load_bundle(folder)
    replaced(folder, "golden.safetensors", (6).to_bytes(8, "little") + b"[" * 6)
    with pytest.raises(BundleError, match=r"bundle\.yaml: .*: train the bundle anew"):
        load_bundle(folder)


def test_a_huge_file_is_not_even_hashed(folder):
    os.truncate(folder / "model.safetensors", 60_000_000_000)  # it has no blocks on the disk
    with pytest.raises(BundleError, match=r"model\.safetensors has 60\.0 GB"):
        load_bundle(folder)


def test_a_bound_below_zero_is_refused(folder):
    quantiles = yaml.safe_load((folder / "bundle.yaml").read_text())["free_motion_residual"]["quantiles"]
    change(folder, "free_motion_residual.quantiles", quantiles | {"0.99": [-1.0, 1.0]})
    with pytest.raises(BundleError, match="a bound below 0"):
        load_bundle(folder)


def test_the_index_alone_is_read_without_a_look_at_the_files(folder):
    (folder / "model.safetensors").unlink()
    assert read_index(folder, whole=False)["robot"] == "twolink"
    with pytest.raises(BundleError, match=r"model\.safetensors is missing"):
        read_index(folder)


@pytest.mark.parametrize("path", ["x" * 5000, "/".join(["x" * 200] * 50)])
def test_a_path_that_is_too_long_is_told(path):
    with pytest.raises(BundleError, match=r"cannot be read \(File name too long\)"):
        load_bundle(path)


def test_what_is_no_bundle(tmp_path):
    with pytest.raises(BundleError, match="does not exist"):
        load_bundle(tmp_path / "none")
    with pytest.raises(BundleError, match=r"no bundle\.yaml"):
        load_bundle(tmp_path)
    (tmp_path / "bundle.yaml").write_text("a: [")
    with pytest.raises(BundleError, match="not valid YAML"):
        load_bundle(tmp_path)
    (tmp_path / "bundle.yaml").write_text("hello")
    with pytest.raises(BundleError, match="schema is None"):
        load_bundle(tmp_path)
