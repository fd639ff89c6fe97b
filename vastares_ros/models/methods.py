# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every method by name: the network of [1], its ablations, and those it is compared with.

A method's config says what network it is: `NETWORKS` has the class for each type of config. All configs have a `window`
and `acceleration`; all networks map standardised windows (B, T, C) to standardised torques (B, J). No joint learns from
another's torque, and what is trained by gradient stands joint after joint in every tensor, and so for several seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from vastares_ros.core.config import from_mapping
from vastares_ros.core.errors import ConfigError

from .gpr import Gpr, GprConfig
from .lwpr import Lwpr, LwprConfig
from .method_labels import LABELS
from .mlp import Mlp, MlpConfig
from .recurrent import Recurrent, RecurrentConfig
from .rigid_body import ObserverConfig, RigidBodyConfig
from .transformer import Transformer, TransformerConfig
from .va_sta_reslstm import NetworkConfig, VaStaResLSTM

NETWORKS: dict[type, Callable[..., nn.Module]] = {
    NetworkConfig: VaStaResLSTM,
    RecurrentConfig: Recurrent,
    MlpConfig: Mlp,
    TransformerConfig: Transformer,
    GprConfig: Gpr,
    LwprConfig: Lwpr,
}


@runtime_checkable
class Fitted(Protocol):
    """A network that is solved at once instead of trained by gradient."""

    def fit(self, x: Tensor, tau: Tensor) -> None:
        """Learn from standardised newest samples x (N, C) and torques tau (N, J)."""


@dataclass(frozen=True)
class Method:
    """One row of the tables of [1].

    Attributes:
        label: the row's name in [1].
        config: class of its configuration.
        fixed: the fields that make the method what it is.
    """

    label: str
    config: type
    fixed: Mapping[str, Any] = field(default_factory=dict)


METHODS = {
    "va_sta_reslstm": Method(LABELS["va_sta_reslstm"], NetworkConfig),
    "reslstm_sa_ta_hn": Method(LABELS["reslstm_sa_ta_hn"], NetworkConfig, {"temporal": "hn"}),
    "reslstm_sa_ta_wa": Method(LABELS["reslstm_sa_ta_wa"], NetworkConfig, {"temporal": "wa"}),
    "lstm_sa_va_ta": Method(LABELS["lstm_sa_va_ta"], NetworkConfig, {"residual": False}),
    "lstm_sa": Method(LABELS["lstm_sa"], NetworkConfig, {"residual": False, "temporal": "none"}),
    "lstm": Method(LABELS["lstm"], RecurrentConfig, {"kind": "lstm"}),
    "gru": Method(LABELS["gru"], RecurrentConfig, {"kind": "gru"}),
    "rnn": Method(LABELS["rnn"], RecurrentConfig, {"kind": "rnn"}),
    "mlp": Method(LABELS["mlp"], MlpConfig),
    "transformer": Method(LABELS["transformer"], TransformerConfig),
    "gpr": Method(LABELS["gpr"], GprConfig),
    "lwpr": Method(LABELS["lwpr"], LwprConfig),
}

# No network and not trained: identified, see `physics.identification`.
IDENTIFIED = {
    "rigid_body": Method("Rigid body", RigidBodyConfig),
    "momentum_observer": Method("Momentum observer", ObserverConfig),
}


def register_method(name: str, config: type, network: Callable[..., nn.Module], label: str = "") -> None:
    """Make a method from outside the package known by name, to this process.

    It can then be trained, saved and loaded like those of the package. A process that loads a bundle of it must have
    registered it, too.

    Args:
        name: for `TrainConfig.model`, and in bundles.
        config: class of its configuration: a frozen dataclass on `Inputs` with a `window`.
        network: called with the number of joints J and a configuration; the module maps standardised windows (B, T, C)
            to standardised torques (B, J). With a method `fit`, see `Fitted`, it is solved at once; otherwise it is
            trained by gradient, takes `seeds`, and is built like `Mlp`.
        label: its row in tables; by default the name.

    Raises:
        ConfigError: the name or the configuration is that of another method.
    """
    if name in METHODS or name in IDENTIFIED:
        raise ConfigError(f"there is a method {name!r} already: choose another name")
    if config in NETWORKS:
        raise ConfigError(f"{config.__name__} is the configuration of another method: derive a class for {name!r}")
    NETWORKS[config] = network
    METHODS[name] = Method(label or name, config)


def method(name: str) -> Method:
    """The method of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in METHODS:
        raise ConfigError(f"model {name!r} is unknown: use one of {', '.join(METHODS)}", field="model", value=name)
    return METHODS[name]


def network_config(name: str, values: object, where: str = "network") -> Any:
    """The configuration of a method from a mapping; what makes the method stays fixed.

    Raises:
        ConfigError: the method or a field is unknown, or a value is wrong.
    """
    chosen = IDENTIFIED.get(name) or method(name)
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where} must be a mapping of fields, not {values!r}", field=where, value=values)
    known = [
        f.name for f in sorted(fields(chosen.config), key=lambda f: f.kw_only is True)
    ]  # its own before those of all
    for key in values:
        if key not in known:
            own = ", ".join(k for k in known if k not in chosen.fixed)
            raise ConfigError(
                f"unknown field {where}.{key}: model {name} has {own} (docs/reference/training.md)",
                field=f"{where}.{key}",
                value=values[key],
            )
    for key, value in chosen.fixed.items():
        if values.get(key, value) != value:
            raise ConfigError(
                f"{where}.{key} is {values[key]!r}, but model {name} has {value!r}: leave it out",
                field=f"{where}.{key}",
                value=values[key],
            )
    return from_mapping(chosen.config, {**values, **chosen.fixed}, where)
