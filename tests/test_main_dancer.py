"""The main dancer: the largest and most central of several, never swapped in a crossing, found again after an absence."""

import numpy as np

from onscreen.motion.main_dancer import MainDancer, distinct, keep_main
from pose_cases import stage, standing

RED, BLUE = (200, 40, 40), (40, 60, 200)


def follow(steps: list[list[tuple[np.ndarray, tuple[int, int, int]]]], fps: float = 24.0) -> list[int | None]:
    """For each step who is followed: the index of the colour in (RED, BLUE), or None. Bodies come in changing order."""
    dancer, found = MainDancer(), []
    for index, people in enumerate(steps):
        shown = people if index % 2 else people[::-1]
        chosen = dancer.choose([points for points, _ in shown], stage(*people), index / fps)
        found.append(None if chosen is None else (RED, BLUE).index(shown[chosen][1]))
    return found


def test_the_larger_and_more_central_is_followed_in_whatever_order_bodies_come() -> None:
    people = [(standing(320, 340, 300), RED), (standing(80, 300, 180), BLUE)]
    assert follow([people] * 10) == [0] * 10


def test_two_who_cross_are_not_swapped() -> None:
    """Both walk through one another; the smaller is hidden for six frames."""
    steps = []
    for index in range(60):
        red, blue = standing(200 + 4 * index, 340, 290), standing(440 - 4 * index, 330, 250)
        hidden = abs((200 + 4 * index) - (440 - 4 * index)) < 25
        steps.append([(red, RED)] if hidden else [(blue, BLUE), (red, RED)])
    assert follow(steps) == [0] * 60


def test_two_alike_who_cross_keep_their_ways() -> None:
    dancer, followed = MainDancer(), []
    for index in range(60):
        bodies = [standing(200 + 4 * index, 340, 290), standing(440 - 4 * index, 340, 250)]
        chosen = dancer.choose(bodies[:: 1 if index % 2 else -1], stage(*((body, RED) for body in bodies)), index / 24)
        followed.append(chosen if index % 2 else 1 - chosen if chosen is not None else None)
    assert followed == [0] * 60


def test_who_was_lost_for_a_while_is_taken_up_again_and_nobody_meanwhile() -> None:
    away = range(20, 44)
    steps = []
    for index in range(70):
        red, blue = (standing(320 if index < 20 else 400, 340, 300), RED), (standing(120, 330, 240), BLUE)
        steps.append([blue] if index in away else [blue, red])
    assert follow(steps) == [0] * 20 + [None] * 24 + [0] * 26


def test_another_takes_over_only_when_it_was_there_for_longer_and_counts_as_another_person() -> None:
    dancer, persons, chosen = MainDancer(), [], []
    for index in range(60):
        people = [(standing(320, 340, 300), RED)] if index < 12 else [(standing(330, 340, 300), BLUE)]
        chosen.append(dancer.choose([points for points, _ in people], stage(*people), index / 24))
        persons.append(dancer.person)
    assert persons[:20] == [0] * 20
    assert persons[-1] == 1
    assert chosen[12:20] == [None] * 8
    assert chosen[-1] == 0


def test_somebody_alone_who_comes_back_in_another_light_is_the_same() -> None:
    """Where two people were seen, such a change of colours after an absence would be somebody else's."""
    steps = [[(standing(320, 340, 300), (200, 60, 60))] if index < 20 or index > 40 else [] for index in range(60)]
    dancer, found = MainDancer(), []
    for index, people in enumerate(steps):
        lit = [(points, (120, 70, 110) if index > 40 else colour) for points, colour in people]
        found.append(dancer.choose([points for points, _ in people], stage(*lit), index / 24))
    assert found[41:] == [0] * 19
    assert dancer.person == 0


def test_frames_of_who_was_followed_only_for_a_while_show_nobody() -> None:
    points = np.ones((5, 134, 3), np.float32)
    np.testing.assert_array_equal(keep_main(points, [0, 1, 1, 1, -1]).any(axis=(1, 2)), [False, True, True, True, False])
    np.testing.assert_array_equal(keep_main(points * 0, [-1] * 5), points * 0)


def test_nobody_is_nobody() -> None:
    dancer = MainDancer()
    assert dancer.choose([], stage(), 0.0) is None
    assert dancer.person == -1


def test_two_looks_at_one_body_are_one_body() -> None:
    one, other = standing(200, 340, 300), standing(420, 340, 300)
    assert len(distinct([one, one + np.float32([4, 3, 0]), other])) == 2
    assert len(distinct([])) == 0
