"""onscreen: folders of videos of people -> versioned, trustworthy datasets and models."""

import os

# ONNX Runtime reports models to its maker, and reads this when it is imported
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
