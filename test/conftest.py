"""Fixtures that every room uses."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real recordings, or a skip."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("VASTARES_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"real recordings are not at {folder} (set VASTARES_DATA)")
    return folder
