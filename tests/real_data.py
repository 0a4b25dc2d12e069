"""Where the real test data lies; tests that need it skip with a clear message where it is absent."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("ONSCREEN_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
needs_real_data = pytest.mark.skipif(
    not (DATA / "clips" / "labels.csv").is_file(),
    reason=f"no real clips in {DATA}; set ONSCREEN_TEST_DATA to a folder that has them",
)
