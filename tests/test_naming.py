"""Ids are unique, do not depend on order, and survive the way into file names and back."""

import re

from hypothesis import given
from hypothesis import strategies as st

from onscreen.naming import SEPARATOR, clip_ids, cut_id, face_id, file_stem, id_of, picture_ids

PART = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="/\0"), min_size=1, max_size=12)
PATHS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["a", "b", "a__b"]), max_size=2), st.sampled_from(["v", "V", "v-p1", "v-s000", "b__v", "비"])
    )
    .map(lambda parts: "/".join([*parts[0], parts[1]]))
    .flatmap(lambda path: st.sampled_from([path + ".mp4", path + ".mov"])),
    unique=True,
)


def test_a_clip_is_called_as_its_file():
    assert clip_ids(["vid_123.mp4", "b/vid_456.mov"]) == {"vid_123.mp4": "vid_123", "b/vid_456.mov": "vid_456"}


def test_two_files_of_one_stem_take_the_folder_too():
    assert clip_ids(["a/vid.mp4", "b/vid.mp4"]) == {"a/vid.mp4": "a__vid", "b/vid.mp4": "b__vid"}


def test_two_files_of_one_stem_in_one_folder_take_the_extension_too():
    assert clip_ids(["vid.mp4", "vid.mov"]) == {"vid.mp4": "vid.mp4", "vid.mov": "vid.mov"}


@given(PATHS)
def test_ids_never_collide_not_even_with_cuts_and_people_of_other_files(sources):
    ids = clip_ids(sources)
    assert ids == clip_ids(reversed(sources))
    everyone = [
        name.casefold()
        for clip in ids.values()
        for cut in (clip, cut_id(clip, 0), cut_id(clip, 1))
        for name in (face_id(cut, 0), face_id(cut, 1))
    ]
    assert len(everyone) == len(set(everyone))


@given(st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=30))
def test_a_file_name_gives_its_id_back(name):
    stem = file_stem(name)
    assert not re.search(r'[\x00-\x1f/\\:*?"<>|]', stem)
    assert stem not in (".", "..")
    assert SEPARATOR not in stem
    assert len(stem.encode()) <= 120
    assert id_of(stem) == name


@given(PART, PART, PART, PART)
def test_names_of_duplicates_never_collide(first, second, third, fourth):
    left = f"{file_stem(first)}{SEPARATOR}{file_stem(second)}"
    right = f"{file_stem(third)}{SEPARATOR}{file_stem(fourth)}"
    assert (left == right) == ((first, second) == (third, fourth))


def test_long_names_fit_the_file_system_and_stay_apart():
    one, other = "긴" * 100 + "1", "긴" * 100 + "2"
    assert file_stem(one) != file_stem(other)
    assert len(f"{file_stem(one)}{SEPARATOR}{file_stem(other)}.jpg".encode()) <= 255


def test_a_picture_is_called_as_its_file_whatever_its_name_ends_in():
    names = ["vid.jpg", "vid-p1.jpg", "vid-s000.jpg"]
    assert picture_ids(names) == {name: name.removesuffix(".jpg") for name in names}


def test_a_picture_that_onscreen_named_has_the_id_it_was_named_for():
    assert picture_ids([f"{file_stem('a:b')}.jpg"]) == {"a%3Ab.jpg": "a:b"}
    assert picture_ids(["50%off.jpg", "50%25off.jpg"]) == {"50%off.jpg": "50%off", "50%25off.jpg": "50%25off"}


@given(PATHS)
def test_pictures_have_ids_of_their_own(paths):
    ids = picture_ids(paths)
    assert set(ids) == set(paths)
    assert len({name.casefold() for name in ids.values()}) == len(paths)
