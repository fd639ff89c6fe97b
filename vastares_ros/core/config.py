# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Configuration as frozen dataclasses: built from a mapping, with one clear error for a wrong field."""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from .errors import ConfigError

C = TypeVar("C")
TYPES = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text"}


def from_mapping(cls: type[C], values: object, where: str = "") -> C:
    """A dataclass of scalars and nested such dataclasses from a mapping; absent fields keep their default.

    Args:
        cls: the dataclass.
        values: mapping from field name to value.
        where: dotted place of `values` in its file, for messages.

    Raises:
        ConfigError: an unknown field, a value of another type, or one that the class refuses.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{where or 'the configuration'} must be a mapping of fields, not {values!r}",
            field=where or None,
            value=values,
        )
    types = typing.get_type_hints(cls)
    known = [f.name for f in fields(cls)]  # type: ignore[arg-type]
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        place = f"{where}.{name}" if where else str(name)
        if name not in known:
            raise ConfigError(f"unknown field {place}: known are {', '.join(known)}", field=place, value=value)
        wanted = types[name]
        if is_dataclass(wanted):
            value = from_mapping(typing.cast(type, wanted), value, place)
        elif wanted is not Any:
            value = _scalar(wanted, value, place)
        arguments[name] = value
    return cls(**arguments)


def _scalar(wanted: type, value: object, place: str) -> object:
    """A value of the wanted type; whole numbers pass for floats, and so does 1e-3, which YAML takes for text."""
    if wanted is float and type(value) in (int, str):
        with suppress(ValueError, OverflowError):
            value = float(value)  # type: ignore[arg-type]
    if type(value) is not wanted or (wanted is float and not math.isfinite(value)):  # type: ignore[arg-type]
        raise ConfigError(f"{place} is {value!r}: use {TYPES[wanted]}", field=place, value=value)
    return value


def check_ranges(where: str, config: object, **limits: tuple[float, float]) -> None:
    """Refuse a configuration with a number outside its limits.

    Args:
        where: the configuration's place in its file, for messages.
        config: the configuration.
        limits: field name to smallest and largest value allowed.

    Raises:
        ConfigError: the first field outside its limits.
    """
    for name, (low, high) in limits.items():
        value = getattr(config, name)
        if not low <= value <= high:
            place = f"{where}.{name}"
            raise ConfigError(
                f"{place} is {value}: use {low} to {high}", field=place, value=value, lower=low, upper=high
            )
