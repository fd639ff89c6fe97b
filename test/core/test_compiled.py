# Copyright 2026 vastares_ros maintainers
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from vastares_ros.core.compiled import READ_MATRIX, VECTOR, compiled

TEXT = """
def sums(x, out):
    for i in range(len(x)):
        out[i] = x[i].sum()
"""


def test_what_cannot_be_kept_on_disk_is_compiled_all_the_same():
    names: dict = {}
    exec(TEXT, names)  # in no file, as where no folder can be written
    out = np.zeros(2)
    compiled(READ_MATRIX, VECTOR)(names["sums"])(np.ones((3, 2)).T, out)
    np.testing.assert_array_equal(out, 3)


def test_nothing_is_compiled_in_a_call():
    names: dict = {}
    exec(TEXT, names)
    with pytest.raises(TypeError, match="No matching definition"):
        compiled(READ_MATRIX, VECTOR)(names["sums"])(np.ones((3, 2), dtype=np.float32), np.zeros(2))
