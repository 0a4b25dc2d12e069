"""Changes of training items: what a person could as well have looked or sounded like in another picture or recording.

Used on training inputs alone: never on what is scored, never on what is stored. All that is random comes from the given generator.
Nothing shifts or warps frequencies or stretches time: the pitch of a voice is what tells of its person. Where a window of a
voice begins is drawn by the batches; spectrograms and embeddings have no other change.
"""

from __future__ import annotations

import numpy as np

from onscreen.matching.batches import Augment

FLIPPED = 0.5  # share of pictures
COLOUR = 0.2  # brightness, contrast and saturation are multiplied by 1 - COLOUR to 1 + COLOUR: what exposure and camera change
GAIN_DB = 6.0  # either way: half to double the amplitude, as a step nearer to or further from the microphone
NOISY = 0.5  # share of waveforms that get noise
SNR_DB = (15.0, 40.0)  # from a running fan in the room to a studio's hiss
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


# All draws here change training items in passing, seeded by (seed, epoch, position). Nothing drawn is stored, scored or embedded.


def augmentation(kind: str) -> Augment | None:
    """How items of a tower of this kind (TowerSpec) are changed; None: not at all."""
    return {"hf_face": picture, "hf_voice": waveform}.get(kind)


def picture(item: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(3, H, W) uint8 RGB, perhaps mirrored, with another brightness, contrast and saturation. Same shape and type."""
    flipped = item[:, :, ::-1] if random.random() < FLIPPED else item
    brightness, contrast, saturation = random.uniform(1 - COLOUR, 1 + COLOUR, 3).astype(np.float32)
    bright = flipped.astype(np.float32) * brightness
    grey = np.tensordot(_GREY, bright, 1)
    middle = grey.mean()
    coloured = grey + saturation * (bright - grey)
    return np.asarray(np.clip(np.rint(middle + contrast * (coloured - middle)), 0, 255), np.uint8)


def waveform(item: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """(1, n) float32, louder or quieter, and perhaps with white noise beneath. Same shape and type."""
    gain = np.float32(10 ** (random.uniform(-GAIN_DB, GAIN_DB) / 20))
    noisy, snr_db = random.random() < NOISY, random.uniform(*SNR_DB)
    if not noisy:
        return item * gain
    rms = float(np.sqrt(np.mean(np.square(item, dtype=np.float64))))
    noise = random.standard_normal(item.shape, np.float32) * np.float32(rms * 10 ** (-snr_db / 20))
    return np.asarray((item + noise) * gain, np.float32)
