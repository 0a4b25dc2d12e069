"""MediaPipe's plain tflite models made loadable by its Tasks API (input normalisation written in, zipped), its log kept quiet.

Built in memory from files that weights.py has checked, so that no derived file can grow stale.
"""

from __future__ import annotations

import io
import os
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any


@contextmanager
def silent_native_log() -> Iterator[None]:
    """Keep MediaPipe's dozen lines a model off the terminal; it writes to file descriptor 2 and has no switch.

    Python's exceptions are not affected. For worker processes: all threads of the process are silenced.
    """
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


@lru_cache(maxsize=2)  # a second of work, the same for every clip of a worker
def with_normalization(model: bytes, mean: float, std: float) -> bytes:
    """The tflite model with metadata that says: input = (pixel 0-255 - mean) / std. Replaces metadata that is there."""
    import flatbuffers  # type: ignore[import-untyped]  # it has no stubs
    from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata_schema
    from mediapipe.tasks.metadata import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = _normalization_metadata(flatbuffers, metadata_schema, mean, std)
    loaded = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    loaded.metadata = [entry for entry in loaded.metadata or [] if entry.name != b"TFLITE_METADATA"]
    loaded.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = "TFLITE_METADATA", len(loaded.buffers) - 1
    loaded.metadata.append(entry)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(loaded.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _normalization_metadata(flatbuffers: Any, schema: Any, mean: float, std: float) -> bytes:
    options = schema.NormalizationOptionsT()
    options.mean, options.std = [mean], [std]
    unit = schema.ProcessUnitT()
    unit.optionsType, unit.options = schema.ProcessUnitOptions.NormalizationOptions, options
    image = schema.ImagePropertiesT()
    image.colorSpace = schema.ColorSpaceType.RGB
    content = schema.ContentT()
    content.contentPropertiesType, content.contentProperties = schema.ContentProperties.ImageProperties, image
    tensor = schema.TensorMetadataT()
    tensor.name, tensor.content, tensor.processUnits = "image", content, [unit]
    graph = schema.SubGraphMetadataT()
    graph.inputTensorMetadata = [tensor]
    metadata = schema.ModelMetadataT()
    metadata.subgraphMetadata = [graph]
    builder = flatbuffers.Builder(0)
    builder.Finish(metadata.Pack(builder), b"M001")
    return bytes(builder.Output())


def bundle(models: Mapping[str, bytes]) -> bytes:
    """A .task file: an uncompressed zip, the same bytes for the same models."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in models.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()
