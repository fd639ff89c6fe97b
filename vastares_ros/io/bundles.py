# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Bundles on disk: the deployable model. There is no pickle, and what is missing or altered is an error.

`bundle.yaml` says what the model is for, `model.safetensors` has the weights and the standardisation,
`ridge.safetensors` the linear baseline, `golden.safetensors` one input and its output, recomputed at load. Identified
dynamics add `robot.urdf`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import load_file, save

from vastares_ros import __version__
from vastares_ros.core.arm import Arm
from vastares_ros.core.config import from_mapping
from vastares_ros.core.errors import BundleError, one_line
from vastares_ros.core.robot import Effort
from vastares_ros.core.samples import Array
from vastares_ros.core.sampling import RATE_TOLERANCE
from vastares_ros.core.signals import FilterConfig
from vastares_ros.models.baselines import Ridge, trigonometric
from vastares_ros.models.identified_dynamics import IdentifiedDynamics
from vastares_ros.models.kinds import KINDS, make_model
from vastares_ros.models.methods import network_config
from vastares_ros.models.model import Model
from vastares_ros.models.networks import Correction, NetworkModel
from vastares_ros.physics.friction import TERMS
from vastares_ros.runtime.bundle import QUANTILES, RESIDUAL_SOURCES, Bundle, Parent, ResidualSource

from .configs import load_yaml
from .folders import sha256, written_folder
from .robots import read_urdf

SCHEMA = 2
INDEX = "bundle.yaml"
URDF = "robot.urdf"
WEIGHTS, RIDGE, GOLDEN = "model.safetensors", "ridge.safetensors", "golden.safetensors"
REQUIRED = (
    *("robot", "joints", "topic", "effort", "rate_hz", "rate_tolerance", "filter", "model", "rigid_body_model"),
    *("training_range", "free_motion_residual", "training", "metrics", "dataset_sha256"),
)
LARGEST = 2**30  # bytes of a file; the largest network of seven joints that anybody trained takes a hundredth
LARGEST_HEADER = 2**20  # bytes of what a safetensors file says of its tensors
MOST_JOINTS = 64
HIGHEST_RATE = 1e5  # Hz
GOLDEN_TOLERANCE = 1e-3  # of each joint's training standard deviation: other processors round otherwise


def save_bundle(path: str | Path, bundle: Bundle, force: bool = False) -> None:
    """Write a bundle folder, whole or not at all.

    Raises:
        OutputError: the folder exists and `force` is not given, or it is not a bundle.
    """
    with written_folder(Path(path), INDEX, force) as folder:
        _write_tensors(folder / WEIGHTS, {k: v.contiguous() for k, v in bundle.model.state_dict().items()})
        ridge = {"coefficients": bundle.ridge.coefficients, "intercept": bundle.ridge.intercept}
        _write_tensors(folder / RIDGE, {k: torch.as_tensor(np.ascontiguousarray(v)) for k, v in ridge.items()})
        shape = (1, bundle.model.config.window, bundle.model.feature_scaler.mean.numel())
        window = bundle.model.feature_scaler.inverse(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
        dynamics = bundle.model.dynamics
        golden = {"input": window, "output": _run(bundle.model, window).clone()}
        if dynamics:
            (folder / URDF).write_text(dynamics.arm.urdf, encoding="utf-8")
            rows = torch.randn((len(window[0]), len(bundle.joints)), generator=torch.Generator().manual_seed(1))
            golden["motion"] = window[0, :, : bundle.model.n_motion_features].double().contiguous()
            golden["tau"] = bundle.model.torque_scaler.inverse(rows).double()
            golden["physics"] = _run_physics(bundle.model, bundle.rate, golden)
        _write_tensors(folder / GOLDEN, golden)
        index: dict[str, Any] = {
            "schema": SCHEMA,
            "package_version": __version__,
            "robot": bundle.robot,
            "joints": list(bundle.joints),
            "topic": bundle.topic,
            "effort": asdict(bundle.effort) | {"scale": list(bundle.effort.scale)},
            "rate_hz": bundle.rate,
            "rate_tolerance": RATE_TOLERANCE,
            "filter": asdict(bundle.filter),
            "model": {"name": bundle.method, "kind": bundle.model.kind, "network": asdict(bundle.model.config)}
            | ({"correction": True} if "correction.coefficients" in bundle.model.state_dict() else {}),
            "rigid_body_model": dynamics
            and {
                "urdf": URDF,
                "joints": list(dynamics.arm.joints),
                "tip": dynamics.arm.tip,
                "gravity": dynamics.arm.gravity,
                "friction_terms": list(dynamics.terms),
                "smoothing": dynamics.smoothing,
                "friction_time_constant": dynamics.friction_time_constant,
            },
            "training_range": {"q": bundle.q_range.tolist(), "qd": bundle.qd_range.tolist()},
            "free_motion_residual": {
                "how": bundle.residual_source.how,
                "recordings": list(bundle.residual_source.recordings),
                "quantiles": {
                    str(q): row for q, row in zip(QUANTILES, bundle.residual_quantiles.tolist(), strict=True)
                },
            },
            "training": dict(bundle.training),
            "metrics": dict(bundle.metrics),
            "dataset_sha256": bundle.dataset_sha256,
        }
        if bundle.parent:
            index["parent"] = asdict(bundle.parent)
        hashes = {name: sha256(folder / name) for name in _files(index)}
        index["sha256"] = hashes | {INDEX: _digest(index)}
        text = yaml.safe_dump(index, sort_keys=False, allow_unicode=True, width=120)
        (folder / INDEX).write_text(text, encoding="utf-8")


def _write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write a safetensors file that everybody may read whom the umask allows; `save_file` writes for the owner only."""
    path.write_bytes(save(tensors))


def is_bundle(path: str | Path) -> bool:
    """Whether a folder has the index of a bundle."""
    return Path(path, INDEX).is_file()


def read_index(path: str | Path, whole: bool = True) -> dict[str, Any]:
    """Read `bundle.yaml` and check that its version is known, that it has all fields and that the files are whole.

    Args:
        path: the folder.
        whole: whether to look at the other files, too, which takes a second for each gigabyte.

    Raises:
        BundleError: the bundle is missing, foreign, altered, incomplete or of another version.
    """
    path = Path(path)
    try:
        return _read_index(path, whole)
    except OSError as error:  # it may not be read, or its path is too long
        raise BundleError(
            f"{path!s:.200} cannot be read ({error.strerror}): give a bundle, and the right to read it", path=path
        ) from error


def _read_index(path: Path, whole: bool) -> dict[str, Any]:
    if not path.exists():
        raise BundleError(f"{path} does not exist: train one with `vastares train DATASET -o {path}`", path=path)
    if not is_bundle(path):
        raise BundleError(f"{path} is not a bundle (no {INDEX} in it): train one with `vastares train`", path=path)
    try:
        index = load_yaml(path / INDEX)
    except yaml.YAMLError as error:
        raise BundleError(
            f"{path / INDEX} is not valid YAML ({one_line(error)}): train the bundle anew", path=path / INDEX
        ) from error
    if not isinstance(index, Mapping) or index.get("schema") != SCHEMA:
        found = index.get("schema") if isinstance(index, Mapping) else None
        raise BundleError(
            f"{path / INDEX}: schema is {found}, this version reads {SCHEMA}: train the bundle anew",
            path=path,
            field="schema",
            value=found,
        )
    hashes = index.get("sha256")
    if not isinstance(hashes, Mapping):
        raise BundleError(f"{path / INDEX}: field sha256 is missing: train the bundle anew", path=path, field="sha256")
    if absent := [field for field in REQUIRED if field not in index]:
        raise BundleError(
            f"{path / INDEX}: field {absent[0]!r} is missing: train the bundle anew", path=path, field=absent[0]
        )
    joints = index["joints"]
    named = isinstance(joints, list) and all(isinstance(joint, str) for joint in joints)
    if not named or not 0 < len(set(joints)) == len(joints) <= MOST_JOINTS:
        raise BundleError(
            f"{path / INDEX}: joints must be 1 to {MOST_JOINTS} different names: train the bundle anew",
            path=path,
            field="joints",
        )
    for name in _files(index) if whole else ():
        if not (path / name).is_file():
            raise BundleError(f"{path / name} is missing: copy the whole bundle folder", path=path / name)
        if (size := (path / name).stat().st_size) > LARGEST:
            raise BundleError(f"{path / name} has {size / 1e9:.1f} GB: no bundle has such a file", path=path / name)
        if sha256(path / name) != hashes.get(name):
            raise BundleError(
                f"{path / name} was altered (its SHA-256 is not that of {INDEX}): copy the bundle anew",
                path=path / name,
            )
    try:
        digest = _digest(index)
    except TypeError as error:  # fields whose names are not all text
        raise BundleError(f"{path / INDEX}: {one_line(error)}: train the bundle anew", path=path / INDEX) from error
    if digest != hashes.get(INDEX):
        raise BundleError(
            f"{path / INDEX} was altered after training: copy the bundle anew, or train another", path=path / INDEX
        )
    return dict(index)


def as_parent(path: str | Path) -> Parent:
    """What the index of a bundle adapted from this one says of it.

    Raises:
        BundleError: see `read_index`.
    """
    return Parent(Path(path).resolve().name, read_index(path)["sha256"][INDEX])


def _files(index: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the files of a bundle besides its index."""
    return (WEIGHTS, RIDGE, GOLDEN, URDF) if index.get("rigid_body_model") else (WEIGHTS, RIDGE, GOLDEN)


def _digest(index: Mapping[str, Any]) -> str:
    """SHA-256 of all fields of `bundle.yaml` but the hashes themselves, whatever the layout of the file."""
    fields = {name: value for name, value in index.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def load_bundle(path: str | Path) -> Bundle:
    """Read a bundle, on the CPU, and check that it computes what it computed when it was written.

    Raises:
        BundleError: it is missing, foreign, altered, of another version, or a field is missing or wrong.
    """
    path = Path(path)
    index = read_index(path)
    try:
        bundle = _from_index(path, index)
        golden = _golden(path, bundle.model)
        differences = [_run(bundle.model, golden["input"]) - golden["output"]]
        if bundle.model.dynamics:
            differences.append(_run_physics(bundle.model, bundle.rate, golden) - golden["physics"])
    except Exception as error:  # whatever torch, pinocchio and others say of what a stranger wrote
        what = f"field {error} is missing" if isinstance(error, KeyError) else f"{one_line(error):.300}"
        raise BundleError(f"{path / INDEX}: {what}: train the bundle anew", path=path / INDEX) from error
    if not all(bool((d.abs() <= GOLDEN_TOLERANCE * bundle.model.torque_scaler.scale).all()) for d in differences):
        raise BundleError(
            f"{path}: the model no longer gives the output in {GOLDEN}: was {INDEX} altered? Train it anew", path=path
        )
    return bundle


def _from_index(path: Path, index: Mapping[str, Any]) -> Bundle:
    joints = tuple(index["joints"])
    if index["rate_tolerance"] != RATE_TOLERANCE:
        raise ValueError(f"rate_tolerance is {index['rate_tolerance']}, this version keeps {RATE_TOLERANCE}")
    method = str(index["model"]["name"])
    config = network_config(method, index["model"]["network"], "model.network")
    kind = index["model"]["kind"]
    if kind not in KINDS:
        raise ValueError(f"model.kind is {kind!r}, this version knows {', '.join(KINDS)}")
    dynamics = _dynamics(path, index["rigid_body_model"]) if index["rigid_body_model"] else None

    def make() -> Model:
        model = make_model(kind, len(joints), config, dynamics)
        if index["model"].get("correction") and isinstance(model, NetworkModel):
            model.correction = Correction(len(joints))
        return model

    with torch.device("meta"):  # has shapes, and takes no memory
        shapes = {name: tuple(value.shape) for name, value in make().state_dict().items()}
    weights = _tensors(path / WEIGHTS, shapes)
    model = make()
    model.load_state_dict(weights)
    features = trigonometric(np.zeros((1, model.n_motion_features)), len(joints)).shape[1]
    shapes = {"coefficients": (features, len(joints)), "intercept": (len(joints),)}
    ridge = {name: value.numpy() for name, value in _tensors(path / RIDGE, shapes).items()}
    effort = index["effort"]
    free = index["free_motion_residual"]
    if free["how"] not in RESIDUAL_SOURCES:
        raise ValueError(f"free_motion_residual.how is {free['how']!r}, use one of {', '.join(RESIDUAL_SOURCES)}")

    def shaped(field: str, value: Any, rows: int) -> Array:
        array = np.asarray(value, dtype=np.float64)
        if array.shape != (rows, len(joints)) or not np.isfinite(array).all():
            raise ValueError(f"{field} must hold {rows} x {len(joints)} numbers")
        return array

    q_range = shaped("training_range.q", index["training_range"]["q"], 2)
    qd_range = shaped("training_range.qd", index["training_range"]["qd"], 2)
    if (q_range[0] > q_range[1]).any() or (qd_range[0] > qd_range[1]).any():
        raise ValueError("training_range must hold the lowest values, then the highest")
    quantiles = shaped("free_motion_residual.quantiles", [free["quantiles"][str(q)] for q in QUANTILES], len(QUANTILES))
    if (quantiles < 0).any():
        raise ValueError("free_motion_residual.quantiles has a bound below 0")

    if len(effort["scale"]) != len(joints):
        raise ValueError(f"effort.scale has {len(effort['scale'])} entries for {len(joints)} joints")
    if not 0 < float(index["rate_hz"]) <= HIGHEST_RATE:
        raise ValueError(f"rate_hz is {index['rate_hz']}")
    _check_figures(index["training"], index["metrics"])
    return Bundle(
        robot=str(index["robot"]),
        joints=joints,
        topic=str(index["topic"]),
        effort=Effort(effort["unit"], tuple(float(s) for s in effort["scale"]), bool(effort["gravity_compensated"])),
        rate=float(index["rate_hz"]),
        filter=from_mapping(FilterConfig, index["filter"], "filter"),
        method=method,
        model=model.eval(),
        ridge=Ridge(ridge["coefficients"], ridge["intercept"]),
        q_range=q_range,
        qd_range=qd_range,
        residual_quantiles=quantiles,
        residual_source=ResidualSource(free["how"], tuple(free["recordings"])),
        training=index["training"],
        metrics=index["metrics"],
        dataset_sha256=str(index["dataset_sha256"]),
        parent=Parent(**index["parent"]) if "parent" in index else None,
    )


def _check_figures(training: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
    """Check what is shown of a bundle, before it runs.

    Raises:
        KeyError: a field is missing.
        ValueError: a field is wrong.
    """
    split, of = training["split"], metrics["of"]
    for part in dict.fromkeys(("training", of)):
        if not isinstance(split[part], list) or not all(isinstance(name, str) for name in split[part]):
            raise ValueError(f"training.split.{part} must list recordings")
    if not isinstance(training["config"], Mapping):
        raise ValueError("training.config must be a mapping of fields")
    for name in ("model", "mean", "ridge"):
        figures = [metrics["nmse_mean"][name], *metrics["nmse"][name].values(), *metrics["rmse"][name].values()]
        if not all(type(figure) in (int, float) for figure in figures):
            raise ValueError(f"metrics of {name} must be numbers")
    if type(metrics["samples"]) is not int:
        raise ValueError("metrics.samples must be a whole number")


def _tensors(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """The tensors of a file, which must have these shapes; they are compared before any is read.

    Raises:
        ValueError: they have not.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > LARGEST_HEADER:
            raise ValueError(f"{path.name} has a header of {length} bytes")
        header = json.loads(file.read(length))
    found = {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
    for name in (*shapes, *found):
        if found.get(name) != shapes.get(name):
            raise ValueError(
                f"{name} in {path.name} has shape {found.get(name, 'none')}, and by {INDEX} {shapes.get(name, 'none')}"
            )
    return load_file(path)


def _golden(path: Path, model: Model) -> dict[str, torch.Tensor]:
    """The input and output that are recomputed, of the shapes that `save_bundle` gives them."""
    window, joints = model.config.window, model.joints
    shapes: dict[str, tuple[int, ...]] = {
        "input": (1, window, model.feature_scaler.mean.numel()),
        "output": (1, joints),
    }
    if model.dynamics:
        shapes |= {"motion": (window, model.n_motion_features), "tau": (window, joints), "physics": (window, joints)}
    return _tensors(path / GOLDEN, shapes)


def _dynamics(path: Path, entry: Mapping[str, Any]) -> IdentifiedDynamics:
    urdf = read_urdf(path / URDF)
    terms = entry["friction_terms"]
    if unknown := [term for term in terms if term not in TERMS]:
        raise ValueError(f"rigid_body_model.friction_terms has {unknown[0]!r}, this version knows {', '.join(TERMS)}")
    arm = Arm(urdf, tuple(entry["joints"]), str(entry["tip"]), bool(entry["gravity"]))
    return IdentifiedDynamics(arm, terms, float(entry["smoothing"]), float(entry["friction_time_constant"]))


def _run_physics(model: Model, rate: float, golden: Mapping[str, torch.Tensor]) -> torch.Tensor:
    physics = model.physics(rate)
    assert physics is not None  # asked only of models with dynamics
    return torch.from_numpy(physics.run(golden["motion"].numpy(), golden["tau"].numpy()))


@torch.inference_mode()
def _run(model: Model, window: torch.Tensor) -> torch.Tensor:
    output: torch.Tensor = model(window)
    return output
