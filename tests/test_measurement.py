"""A measurement holds what could be measured of every face, and says what could not."""

from pathlib import Path

import numpy as np

from embedder_cases import mean_colours, stub
from face_cases import detector, files_of, six_people
from onscreen.faces import detectors
from onscreen.faces.detectors import Detection, Detector
from onscreen.faces.measurement import ClipFaces, measure_frames
from onscreen.media.video import Frame


def test_one_face_without_a_vector_leaves_the_others_and_is_told(tmp_path: Path) -> None:
    files = {**files_of(detectors.WEIGHTS["mediapipe"]), **stub(tmp_path, "Facenet", mean_colours("Facenet"))}
    clip = ClipFaces(tmp_path / "a.mp4", 0.0, 1.0, "mediapipe", "Facenet", "first", 1, 64, 0.4, files)
    blackened = six_people().copy()
    x, y, width, height = (round(value) for value in detector()(six_people())[1].box)
    blackened[y - height : y + 2 * height, x - width : x + 2 * width] = 0  # a chip of zeros gives this stub a vector of zeros

    def look(detect: Detector, image: np.ndarray) -> list[Detection]:
        return detect(six_people())

    whole = measure_frames(clip, [Frame(0.0, six_people())])
    found = measure_frames(clip, [Frame(0.0, blackened)], look)
    assert (len(whole.meta["faces"]), whole.meta["lost"]) == (5, [])
    assert len(found.meta["faces"]) == len(found.arrays["embeddings"]) == 4
    [lost] = found.meta["lost"]
    assert (lost["code"], lost["frame"], lost["box"]) == ("bad_embedding", 0, whole.meta["faces"][1]["box"])
    kept = [0, 2, 3, 4]
    assert [face["box"] for face in found.meta["faces"]] == [whole.meta["faces"][number]["box"] for number in kept]
    assert set(found.arrays) == {"embeddings", *(f"crop_{number}" for number in range(4))}
    assert np.isfinite(found.arrays["embeddings"]).all()
