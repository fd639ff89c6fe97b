# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""YAML files that users write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from vastares_ros.core.errors import ConfigError, one_line


def read_yaml(path: Path, otherwise: str) -> Mapping[str, Any]:
    """Read the mapping in a YAML file; an empty file gives an empty mapping.

    Args:
        path: the file.
        otherwise: what the user should do where the file does not exist; the end of the error message.

    Raises:
        ConfigError: the file is missing, is not YAML, or holds something else than a mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist: {otherwise}", path=path) from error
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {one_line(error)}", path=path) from error
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path}: it must be a mapping of fields, not {values!r}", path=path, value=values)
    return values
