"""What is asked of a face and a sound, and what the answers say."""

import numpy as np
import pytest

from onscreen.voices.active_speaker import SHIFTS, Speaking, cepstra, fit, speaking, sync

RATE = 16_000


def wandering(frames, seed):
    """(T, 128) values that change slowly, as those of an encoder."""
    steps = np.random.default_rng(seed).normal(size=(frames + 4, 128))
    return np.stack([steps[index : index + 4].mean(0) for index in range(frames)]).astype(np.float32)


def test_there_are_a_hundred_cepstra_a_second():
    found = cepstra(np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32))
    assert found.shape == (99, 13)
    assert found.dtype == np.float32
    assert np.isfinite(cepstra(np.zeros(4000, np.float32))).all()


def test_the_first_cepstrum_is_the_energy_and_no_other_hears_the_level():
    sound = np.random.default_rng(0).normal(0, 0.05, RATE).astype(np.float32)
    soft, loud = cepstra(sound), cepstra(2 * sound)
    np.testing.assert_allclose(loud[:, 0] - soft[:, 0], np.log(4), atol=1e-3)
    np.testing.assert_allclose(loud[:, 1:], soft[:, 1:], atol=1e-3)


def test_the_fit_is_best_where_sound_and_face_go_against_each_other():
    face = wandering(200, 1)
    for shift in (0, 2, -7):
        found = fit(face, np.roll(-face, -shift, 0), SHIFTS)
        assert int(found.argmax()) - SHIFTS == shift


def test_sync_is_high_for_sound_in_its_place_and_low_for_sound_beside_it_or_of_others():
    face = wandering(200, 1)
    assert sync(fit(face, -face, SHIFTS)) > 5
    assert sync(fit(face, np.roll(-face, 10, 0), SHIFTS)) < 1
    others = [sync(fit(face, -wandering(200, seed), SHIFTS)) for seed in range(2, 30)]
    assert np.median(others) < 2


@pytest.mark.parametrize(
    ("score", "in_step", "says"),
    [(2.0, 1.5, True), (2.0, 0.5, True), (-0.5, 0.5, False), (-0.5, 1.5, True), (2.0, -0.2, False), (1.0, None, True)],
)
def test_a_voice_that_fits_elsewhere_as_well_is_not_theirs_and_one_that_stands_out_is(score, in_step, says):
    assert Speaking(score, 50, in_step).is_speaker(0.0) is says


def test_only_frames_with_speech_count_and_short_tracks_have_no_sync():
    odds, curve = np.array([5.0] * 30 + [-1.0] * 30, np.float32), np.zeros(2 * SHIFTS + 1, np.float32)
    spoken = np.array([False] * 40 + [True] * 100)
    found = speaking([(10, odds, curve)], spoken)
    assert (found.score, found.frames) == (-1.0, 30)
    assert found.sync == pytest.approx(0)
    assert speaking([(10, odds[:49], curve)], spoken).sync is None
    assert speaking([(0, odds[:20], curve)], spoken) is None
