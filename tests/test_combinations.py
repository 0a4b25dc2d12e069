"""Which faces and voices of a person are paired."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onscreen.matching.combinations import MOST_OTHERS, combinations


def source(item: str) -> str:
    return item.split("/")[0]


def items(kind: str, videos: dict[str, int]) -> list[str]:
    return [f"{video}/{kind}{number:03d}" for video, count in videos.items() for number in range(count)]


def test_few_items_give_all_pairs_of_different_sources() -> None:
    faces, voices = ["a/1", "b/2"], ["a/3", "b/4", "c/5"]
    assert set(combinations(faces, voices, source)) == {("a/1", "b/4"), ("a/1", "c/5"), ("b/2", "a/3"), ("b/2", "c/5")}


def test_one_source_gives_its_own_pairs() -> None:
    assert set(combinations(["a/1"], ["a/3", "a/4"], source)) == {("a/1", "a/3"), ("a/1", "a/4")}
    assert combinations([], ["a/3"], source) == []


@given(
    st.lists(st.sampled_from("abcdef"), min_size=1, max_size=40),
    st.lists(st.sampled_from("abcdef"), min_size=1, max_size=40),
)
def test_everything_that_has_a_partner_is_paired_once_at_least(of_face: list[str], of_voice: list[str]) -> None:
    faces, voices = ([f"{video}/{kind}{at}" for at, video in enumerate(of)] for kind, of in (("f", of_face), ("v", of_voice)))
    pairs = combinations(faces, voices, source)
    assert len(set(pairs)) == len(pairs)
    several = len({*of_face, *of_voice}) > 1
    assert all((source(face) != source(voice)) == several for face, voice in pairs)
    assert {face for face, _ in pairs} == {face for face in faces if not several or any(source(face) != v for v in of_voice)}
    assert {voice for _, voice in pairs} == {voice for voice in voices if not several or any(source(voice) != f for f in of_face)}


@pytest.mark.parametrize("videos", [{"a": 100}, {"a": 60, "b": 40}, {f"v{number}": 20 for number in range(10)}])
def test_many_items_meet_eight_others_each_of_several_videos(videos: dict[str, int]) -> None:
    faces, voices = items("f", videos), items("v", videos)
    pairs = combinations(faces, voices, source)
    assert len(pairs) <= MOST_OTHERS * len(faces) + len(voices)
    met = {source(voice) for face, voice in pairs if face == faces[0]}
    assert len(met) >= min(len(videos) - 1, 5)


def test_a_person_with_thousands_of_both_is_paired_at_once() -> None:
    faces, voices = items("f", {f"v{number}": 40 for number in range(50)}), items("v", {f"v{number}": 60 for number in range(50)})
    before = time.process_time()
    assert len(combinations(faces, voices, source)) == MOST_OTHERS * len(voices)
    assert time.process_time() - before < 1
