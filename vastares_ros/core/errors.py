# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Errors a user can act on.

Every message names the file, field or joint at fault and the next step. The command line prints the message alone
and exits with status 2; a node logs it and publishes nothing.
"""

from __future__ import annotations

from typing import Any


class VastaresError(Exception):
    """Base of every error that is shown to a user without a traceback.

    Attributes:
        about: what the error speaks of, by name: for example `joint`, `field`, `value`, `lower`, `upper`, `path`.
    """

    def __init__(self, message: str, **about: Any):
        """Say what is wrong and what to do; `about` holds the values in the message for programs."""
        super().__init__(message)
        self.about = about


class BagError(VastaresError):
    """A bag, or a topic in it, cannot be read as joint states."""


class DatasetError(VastaresError):
    """A dataset folder is missing, foreign, damaged or unfit for what was asked."""


class BundleError(VastaresError):
    """A bundle is missing, altered, of another version or unfit for the robot."""


class RobotError(VastaresError):
    """A robot description is unknown or does not match the joints at hand."""


class ConfigError(VastaresError):
    """A configuration field is unknown, of the wrong type or out of range."""


class DeviceError(VastaresError):
    """The compute device asked for is not there."""


class OutputError(VastaresError):
    """Output would overwrite something, or a tool needed to write it is not installed."""
