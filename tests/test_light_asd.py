"""The network that says whether a face says what is heard."""

import shutil

import numpy as np
import pytest
import torch

from onscreen import weights
from onscreen.errors import WeightsError
from onscreen.voices import light_asd
from onscreen.voices.active_speaker import SHIFTS
from real_data import DATA

PUBLISHED = DATA.parent / "models" / "light_asd" / light_asd.FILE
needs_weights = pytest.mark.skipif(not PUBLISHED.is_file(), reason=f"no weights of Light-ASD in {PUBLISHED.parent}")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A checkout of which no model file has come yet."""
    monkeypatch.setenv("ONSCREEN_HOME", str(tmp_path))
    light_asd.network.cache_clear()
    yield tmp_path
    light_asd.network.cache_clear()


def put(home, path):
    folder = home / ".weights" / light_asd.MODEL
    folder.mkdir(parents=True)
    shutil.copy(path, folder / light_asd.FILE)


def clip(frames, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 255, (frames, 112, 112)).astype(np.uint8), random.normal(size=(4 * frames, 13)).astype(np.float32)


def test_without_its_file_the_error_names_the_command(home):
    with pytest.raises(WeightsError, match="onscreen weights pull light_asd"):
        weights.ensure([light_asd.MODEL])


def test_another_file_under_its_name_is_refused(home):
    torch.save({"a": torch.zeros(1)}, home / "other")
    put(home, home / "other")
    with pytest.raises(WeightsError, match="another file"):
        light_asd.network()


def test_a_clip_in_blocks_has_the_values_of_the_whole():
    torch.manual_seed(0)
    net, crops = light_asd.LightAsd().eval(), clip(70)[0][:, ::2, ::2]  # smaller than the network's, which is quicker
    with torch.inference_mode():
        whole = net.model.visualEncoder(torch.from_numpy(crops).float()[None])
        torch.testing.assert_close(net.faces(crops), whole, atol=1e-4, rtol=1e-4)


@needs_weights
def test_the_published_weights_load_whole_and_judge_every_frame(home):
    put(home, PUBLISHED)
    state = torch.load(PUBLISHED, map_location="cpu", weights_only=True)
    assert set(state) == set(light_asd.network().state_dict())
    odds, fit = light_asd.look_and_listen(*clip(30))
    assert odds.shape == (30,)
    assert fit.shape == (2 * SHIFTS + 1,)
    assert odds.max() < 0  # noise on a screen speaks to nobody
    again, _ = light_asd.look_and_listen(*clip(30))
    np.testing.assert_array_equal(odds, again)


@needs_weights
def test_the_shorter_of_picture_and_sound_counts(home):
    put(home, PUBLISHED)
    crops, cepstra = clip(60)
    assert light_asd.look_and_listen(crops, cepstra[:161])[0].shape == (40,)
