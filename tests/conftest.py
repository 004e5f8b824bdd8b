"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of conformance vectors and real data beside the project; the test skips where there is none."""
    folder = Path(os.environ.get("SPIC_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no folder {folder} (SPIC_SHARED)")
    return folder
