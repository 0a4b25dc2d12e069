"""Pictures of faces are looked at with something around them, and measured as they are."""

import numpy as np
import pytest
from PIL import Image

from face_cases import astronaut, detector, files_of, five_of_six, six_people
from onscreen.errors import Rejected
from onscreen.faces import detectors, embedders
from onscreen.faces.measurement import ClipFaces, measure_frames
from onscreen.faces.pictures import look_with_border, measure_picture
from onscreen.media.video import Frame


def tight(person: int) -> np.ndarray:
    """What lies inside the box of a face, and nothing else."""
    x, y, width, height = (round(value) for value in five_of_six()[person].box)
    return np.ascontiguousarray(six_people()[y : y + height, x : x + width])


def picture(path) -> ClipFaces:
    files = files_of((*detectors.WEIGHTS["mediapipe"], *embedders.WEIGHTS["Dlib"]))
    return ClipFaces(path, 0.0, 0.0, "mediapipe", "Dlib", "first", 1, 64, 0.4, files)


@pytest.mark.parametrize("person", range(5))
def test_a_face_that_fills_the_picture_is_found_where_it_is(person: int) -> None:
    crop = tight(person)
    found = look_with_border(detector(), crop)
    assert len(found) == 1
    x, y, *_ = (round(value) for value in five_of_six()[person].box)
    shift = five_of_six()[person].landmarks - found[0].landmarks - np.array([x, y])
    assert np.abs(shift).max() < 0.08 * max(crop.shape[:2])


def test_a_face_with_room_around_it_is_found_once_and_as_without_a_border() -> None:
    alone, found = detector()(astronaut()), look_with_border(detector(), astronaut())
    assert len(alone) == len(found) == 1
    assert found[0].score >= alone[0].score
    assert np.abs(found[0].landmarks - alone[0].landmarks).max() < 3


def test_the_embedding_is_that_of_the_picture_without_the_border(tmp_path) -> None:
    Image.fromarray(astronaut()).save(tmp_path / "a.png")
    asked = picture(tmp_path / "a.png")
    framed = measure_picture(asked)
    plain = measure_frames(asked, [Frame(0.0, astronaut())])
    assert len(framed.meta["faces"]) == 1
    assert float(framed.arrays["embeddings"][0] @ plain.arrays["embeddings"][0]) > 0.99


def test_a_wall_has_no_face_and_a_text_is_no_picture(tmp_path) -> None:
    Image.new("RGB", (200, 300), "grey").save(tmp_path / "wall.png")
    assert measure_picture(picture(tmp_path / "wall.png")).meta["faces"] == []
    (tmp_path / "text.jpg").write_text("a text")
    with pytest.raises(Rejected) as caught:
        measure_picture(picture(tmp_path / "text.jpg"))
    assert caught.value.code == "not_an_image"
