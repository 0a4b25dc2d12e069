"""Bundles for MediaPipe's Tasks API."""

import os
import zipfile
from io import BytesIO

import pytest

from onscreen import weights
from onscreen.tasks_models import bundle, silent_native_log, with_normalization


def test_a_bundle_is_an_uncompressed_zip_with_the_same_bytes_for_the_same_models() -> None:
    models = {"a.tflite": b"a" * 100, "b.tflite": b"b" * 100}
    assert bundle(models) == bundle(models)
    with zipfile.ZipFile(BytesIO(bundle(models))) as archive:
        assert {entry.filename: archive.read(entry) for entry in archive.infolist()} == models
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())


def test_normalization_is_written_once_and_can_be_read_back() -> None:
    from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata_schema
    from mediapipe.tasks.metadata import schema_py_generated as schema

    weights.ensure(["mediapipe_pose"])
    model = weights.path_of("mediapipe_pose", "pose_landmark_full.tflite").read_bytes()
    loaded = schema.Model.GetRootAs(with_normalization(with_normalization(model, 5, 6), 0, 255), 0)
    entries = [loaded.Metadata(index) for index in range(loaded.MetadataLength())]
    [entry] = [entry for entry in entries if entry.Name() == b"TFLITE_METADATA"]
    data = loaded.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
    metadata = metadata_schema.ModelMetadataT.InitFromObj(metadata_schema.ModelMetadata.GetRootAs(data, 0))
    [unit] = metadata.subgraphMetadata[0].inputTensorMetadata[0].processUnits
    assert (list(unit.options.mean), list(unit.options.std)) == ([0], [255])


def test_native_lines_are_dropped_and_the_terminal_is_back_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with silent_native_log():
            os.write(2, b"noise\n")
            raise ValueError("kept")

    with pytest.raises(ValueError, match="kept"):
        fail()
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"
