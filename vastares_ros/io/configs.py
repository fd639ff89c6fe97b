# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""YAML, as every file of this package is read: the core types alone, and limits before anything is built.

A date, a tag, a merge key or an alias of itself has no use here, and costs other libraries a crash. An alias counts as
often as it is used: a few lines of them can stand for more nodes than memory holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml

from vastares_ros.core.errors import ConfigError, one_line

LARGEST = 2**22  # bytes of a file
MOST = 200_000  # nodes of a file, aliases followed
DEEPEST = 20  # nodes within one another

_C: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML was built with it
_UNUSED = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")


class _Loader(_C):  # type: ignore[misc]
    """The safe loader without what is not a core type; text that looks like it stays text."""

    yaml_implicit_resolvers: ClassVar[Any] = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _UNUSED]
        for first, resolvers in _C.yaml_implicit_resolvers.items()
    }


def load_yaml(path: Path) -> Any:
    """What a YAML file holds: mappings, lists, text, numbers, true, false and null.

    Raises:
        OSError: the file cannot be read.
        yaml.YAMLError: it is not YAML, is too large or too deep, or holds tags.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    return parse_yaml(content)


def parse_yaml(content: bytes) -> Any:
    """The same of the content of a file.

    Raises:
        yaml.YAMLError: see `load_yaml`.
    """
    if len(content) > LARGEST:
        raise yaml.YAMLError(f"more than {LARGEST >> 20} MB")
    try:
        text = content.decode("utf-8")
        _check(text)
        return yaml.load(text, _Loader)
    except yaml.YAMLError:
        raise
    except Exception as error:  # of a scalar that looks like a number and is none, for one
        raise yaml.YAMLError(one_line(error)) from error


def read_yaml(path: Path, otherwise: str) -> Mapping[str, Any]:
    """Read the mapping in a YAML file; an empty file gives an empty mapping.

    Args:
        path: the file.
        otherwise: what the user should do where the file does not exist; the end of the error message.

    Raises:
        ConfigError: the file is missing, is not YAML, or holds something else than a mapping.
    """
    try:
        values = load_yaml(path) or {}
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist: {otherwise}", path=path) from error
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} is not valid YAML: {one_line(error)}", path=path) from error
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path}: it must be a mapping of fields, not {values!r:.80}", path=path, value=values)
    return values


def _check(text: str) -> None:
    """Go through the events of a text, which builds nothing, and refuse what is beyond the limits."""
    nodes: dict[str, int | None] = {}  # anchor -> nodes it stands for; None while it is open
    open_: list[tuple[str | None, int]] = []  # anchor of each node that is open, and the nodes before it
    count = 0
    event: Any
    for event in yaml.parse(text, _C):
        where = f"line {event.start_mark.line + 1}"
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if isinstance(event, yaml.AliasEvent):
            more = nodes.get(str(anchor), 0)
            if more is None:
                raise yaml.YAMLError(f"{where}: alias {anchor} is within itself")
            count += more
        elif isinstance(event, yaml.NodeEvent):
            if tag and tag != "!":
                raise yaml.YAMLError(f"{where}: tag {_short(tag)} is not used here, leave it out")
            count += 1
            if isinstance(event, yaml.CollectionStartEvent):
                open_.append((anchor, count - 1))
            if anchor:
                nodes[anchor] = None if isinstance(event, yaml.CollectionStartEvent) else 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_.pop()
            if anchor:
                nodes[anchor] = count - before
        if count > MOST:
            raise yaml.YAMLError(f"{where}: more than {MOST} values, aliases followed")
        if len(open_) > DEEPEST:
            raise yaml.YAMLError(f"{where}: more than {DEEPEST} lists and mappings within one another")


def _short(tag: str) -> str:
    return re.sub(r"^tag:yaml\.org,2002:", "!!", tag)[:40]
