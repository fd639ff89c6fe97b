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
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from vastares_ros import __version__
from vastares_ros.core.arm import Arm
from vastares_ros.core.config import from_mapping
from vastares_ros.core.errors import BundleError, VastaresError
from vastares_ros.core.robot import Effort
from vastares_ros.core.samples import Array
from vastares_ros.core.sampling import RATE_TOLERANCE
from vastares_ros.core.signals import FilterConfig
from vastares_ros.models.baselines import Ridge
from vastares_ros.models.identified_dynamics import IdentifiedDynamics
from vastares_ros.models.kinds import KINDS, make_model
from vastares_ros.models.methods import network_config
from vastares_ros.models.model import Model
from vastares_ros.models.networks import Correction, NetworkModel
from vastares_ros.physics.friction import TERMS
from vastares_ros.runtime.bundle import QUANTILES, RESIDUAL_SOURCES, Bundle, Parent, ResidualSource

from .folders import sha256, written_folder

SCHEMA = 2
INDEX = "bundle.yaml"
URDF = "robot.urdf"
WEIGHTS, RIDGE, GOLDEN = "model.safetensors", "ridge.safetensors", "golden.safetensors"
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


def read_index(path: str | Path) -> dict[str, Any]:
    """Read `bundle.yaml` and check that its version is known and that the files are whole.

    Raises:
        BundleError: the bundle is missing, foreign, altered or of another version.
    """
    path = Path(path)
    if not path.exists():
        raise BundleError(f"{path} does not exist: train one with `vastares train DATASET -o {path}`", path=path)
    if not is_bundle(path):
        raise BundleError(f"{path} is not a bundle (no {INDEX} in it): train one with `vastares train`", path=path)
    try:
        index = yaml.safe_load((path / INDEX).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BundleError(f"{path / INDEX} is not valid YAML: train the bundle anew", path=path / INDEX) from error
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
    for name in _files(index):
        if not (path / name).is_file():
            raise BundleError(f"{path / name} is missing: copy the whole bundle folder", path=path / name)
        if sha256(path / name) != hashes.get(name):
            raise BundleError(
                f"{path / name} was altered (its SHA-256 is not that of {INDEX}): copy the bundle anew",
                path=path / name,
            )
    if _digest(index) != hashes.get(INDEX):
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
        golden = load_file(path / GOLDEN)
        differences = [_run(bundle.model, golden["input"]) - golden["output"]]
        if bundle.model.dynamics:
            differences.append(_run_physics(bundle.model, bundle.rate, golden) - golden["physics"])
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError, VastaresError) as error:
        what = f"field {error} is missing" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise BundleError(f"{path / INDEX}: {what}: train the bundle anew", path=path / INDEX) from error
    if not all(bool((d.abs() <= GOLDEN_TOLERANCE * bundle.model.torque_scaler.scale).all()) for d in differences):
        raise BundleError(
            f"{path}: the model no longer gives the output in {GOLDEN}: was {INDEX} altered? Train it anew", path=path
        )
    return bundle


def _from_index(path: Path, index: Mapping[str, Any]) -> Bundle:
    joints = tuple(str(j) for j in index["joints"])
    if index["rate_tolerance"] != RATE_TOLERANCE:
        raise ValueError(f"rate_tolerance is {index['rate_tolerance']}, this version keeps {RATE_TOLERANCE}")
    method = str(index["model"]["name"])
    config = network_config(method, index["model"]["network"], "model.network")
    kind = index["model"]["kind"]
    if kind not in KINDS:
        raise ValueError(f"model.kind is {kind!r}, this version knows {', '.join(KINDS)}")
    dynamics = _dynamics(path, index["rigid_body_model"]) if index["rigid_body_model"] else None
    model = make_model(kind, len(joints), config, dynamics)
    if index["model"].get("correction") and isinstance(model, NetworkModel):
        model.correction = Correction(len(joints))
    model.load_state_dict(load_file(path / WEIGHTS))
    ridge = {name: value.numpy() for name, value in load_file(path / RIDGE).items()}
    effort = index["effort"]
    free = index["free_motion_residual"]
    if free["how"] not in RESIDUAL_SOURCES:
        raise ValueError(f"free_motion_residual.how is {free['how']!r}, use one of {', '.join(RESIDUAL_SOURCES)}")

    def shaped(field: str, value: Any, rows: int) -> Array:
        array = np.asarray(value, dtype=np.float64)
        if array.shape != (rows, len(joints)) or not np.isfinite(array).all():
            raise ValueError(f"{field} must hold {rows} x {len(joints)} numbers")
        return array

    if len(effort["scale"]) != len(joints):
        raise ValueError(f"effort.scale has {len(effort['scale'])} entries for {len(joints)} joints")
    if not float(index["rate_hz"]) > 0:
        raise ValueError(f"rate_hz is {index['rate_hz']}")
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
        q_range=shaped("training_range.q", index["training_range"]["q"], 2),
        qd_range=shaped("training_range.qd", index["training_range"]["qd"], 2),
        residual_quantiles=shaped(
            "free_motion_residual.quantiles", [free["quantiles"][str(q)] for q in QUANTILES], len(QUANTILES)
        ),
        residual_source=ResidualSource(free["how"], tuple(free["recordings"])),
        training=index["training"],
        metrics=index["metrics"],
        dataset_sha256=str(index["dataset_sha256"]),
        parent=Parent(**index["parent"]) if "parent" in index else None,
    )


def _dynamics(path: Path, entry: Mapping[str, Any]) -> IdentifiedDynamics:
    urdf = (path / URDF).read_text(encoding="utf-8")
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
