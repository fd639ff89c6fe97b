# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""External torque sensing for any arm with `/joint_states`, learned from its own bags.

The names in `__all__` are the Python interface. They are imported when they are used, so that `import vastares_ros` is
quick and needs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from .api import Estimates as Estimates
    from .api import estimate as estimate
    from .api import identify as identify
    from .api import read_bag as read_bag
    from .api import train as train
    from .core.errors import VastaresError as VastaresError
    from .core.samples import Episode as Episode
    from .core.samples import JointSample as JointSample
    from .io.bundles import load_bundle as load_bundle
    from .io.bundles import save_bundle as save_bundle
    from .io.datasets import Dataset as Dataset
    from .io.datasets import load_dataset as load_dataset
    from .io.datasets import write_dataset as write_dataset
    from .io.robots import load_robot as load_robot
    from .models.inputs import Inputs as Inputs
    from .models.methods import register_method as register_method
    from .runtime.bundle import Bundle as Bundle
    from .runtime.estimator import Estimate as Estimate
    from .runtime.estimator import Estimator as Estimator
    from .runtime.estimator import Validity as Validity
    from .runtime.pipeline import Pipeline as Pipeline
    from .training.config import TrainConfig as TrainConfig
    from .training.identify import IdentifyConfig as IdentifyConfig

_HOME = {
    "api": ("Estimates", "estimate", "identify", "read_bag", "train"),
    "core.errors": ("VastaresError",),
    "core.samples": ("Episode", "JointSample"),
    "io.bundles": ("load_bundle", "save_bundle"),
    "io.datasets": ("Dataset", "load_dataset", "write_dataset"),
    "io.robots": ("load_robot",),
    "models.inputs": ("Inputs",),
    "models.methods": ("register_method",),
    "runtime.bundle": ("Bundle",),
    "runtime.estimator": ("Estimate", "Estimator", "Validity"),
    "runtime.pipeline": ("Pipeline",),
    "training.config": ("TrainConfig",),
    "training.identify": ("IdentifyConfig",),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}
__all__ = [*_MODULE]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
