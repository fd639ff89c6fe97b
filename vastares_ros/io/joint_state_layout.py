# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where the numbers of a serialised JointState stand: its lengths and names fix the place of each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FIELDS = ("position", "velocity", "effort")


@dataclass(frozen=True)
class Layout:
    """Places of the values in the bytes of one serialised JointState.

    Attributes:
        decides: places of the lengths and names; messages that share these bytes share the layout.
        dtype: view of the numbers: sec, nanosec, position, velocity, effort.
    """

    decides: NDArray[np.intp]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, message: Any, length: int, ros1: bool) -> Layout:
        """Layout of a message that is `length` bytes long.

        ROS 1 packs fields without gaps behind a sequence number. CDR aligns them, counting from behind its four bytes
        of encapsulation, and ends strings with a NUL.
        """
        decides: list[int] = []
        at = 12  # behind sequence number or encapsulation, and stamp

        def align(size: int) -> None:
            nonlocal at
            at += 0 if ros1 else (4 - at) % size

        def deciding(size: int) -> None:
            nonlocal at
            decides.extend(range(at, at + size))
            at += size

        nul = 0 if ros1 else 1
        deciding(4)
        at += len(message.header.frame_id.encode()) + nul
        align(4)
        deciding(4)
        for name in message.name:
            align(4)
            deciding(4 + len(name.encode()) + nul)
        offsets, formats = [4, 8], ["<u4" if ros1 else "<i4", "<u4"]
        align(4)
        for name in FIELDS:
            deciding(4)
            size = len(getattr(message, name))
            align(8 if size else 1)
            offsets.append(at)
            formats.append(f"({size},)<f8")
            at += 8 * size
        names = ["sec", "nanosec", *FIELDS]
        dtype = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": length})
        return cls(np.array(decides), dtype)

    def view(self, rows: NDArray[np.uint8]) -> NDArray[Any]:
        """The numbers in serialised messages, shape (N, length) → (N,)."""
        return np.ascontiguousarray(rows).reshape(-1).view(self.dtype)
