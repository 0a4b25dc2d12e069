"""Speech of sound files, of any rate and any number of channels: measured like the soundtracks of videos (voices/speech.py)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from onscreen.cache import Item, code_digest, item_key
from onscreen.errors import Rejected
from onscreen.media.audio import Audio, from_int16, loudness_lufs, to_int16, wav_bytes
from onscreen.media.sound import SUFFIXES, decode_sound
from onscreen.storage import StoredFile
from onscreen.store import atomic_path
from onscreen.voices.speech import LIBRARIES, SHORTEST_S, WEIGHTS, speech_probability, speech_segments
from onscreen.voices.waveform import RATE_HZ, Speech
from onscreen.weights import digest_of

__all__ = ["SUFFIXES", "marks", "measure_sound", "sound_key", "speech_of_sound"]


def sound_key(sha256: str) -> str:
    """The key of measure_sound in the item cache. sha256: of the file's bytes."""
    code = code_digest("onscreen.voices.files", *LIBRARIES)
    return item_key(inputs=[sha256], code=code, params={}, weights=[digest_of(WEIGHTS)])


def measure_sound(path: str, most_s: float = math.inf) -> Item:
    """What is heard in a sound file. most_s: see decode_sound.

    meta: rate_hz, channels, codec of the file; duration_s; gain (media/sound.py). arrays: "sound" (n,) int16, 16 kHz mono, "speech"
    float32 probabilities of its windows of 512 samples.
    Raises Rejected: those of decode_sound, "too_short" (under 0.256 s, the shortest that counts as speech), "silent" (nothing
    louder than -70 LUFS); OSError for a file that can no longer be read: a passing trouble, not to be remembered.
    """
    try:
        found = decode_sound(Path(path), RATE_HZ, most_s)
    except Rejected as rejected:
        if rejected.code == "unreadable":
            raise OSError(rejected.detail) from rejected
        raise
    duration_s = found.samples.size / RATE_HZ
    if duration_s < SHORTEST_S:
        numbers = {"duration_s": duration_s, "needed_s": SHORTEST_S}
        raise Rejected("too_short", f"{duration_s:.3f} s of sound, shorter than any speech that is counted", numbers)
    if loudness_lufs(Audio(found.samples, RATE_HZ)) is None:
        raise Rejected("silent", "no part of it is louder than -70 LUFS", {"peak": float(np.abs(found.samples).max())})
    meta = {"rate_hz": found.source_hz, "channels": found.channels, "codec": found.codec, "duration_s": duration_s}
    arrays = {"sound": to_int16(found.samples), "speech": speech_probability(found.samples)}
    return Item({**meta, "gain": found.gain}, arrays)


def marks(measured: Item) -> tuple[str, ...]:
    """What a person should know of a file that is used all the same.

    narrow_band:<rate>Hz: its rate is below 16 kHz, and of the band that networks hear the upper part is missing. At 8 kHz, 30 clips of
    10 real speakers have a cosine of 0.85 (0.76 at least) to themselves at 16 kHz by resemblyzer, as MP3 of 0.999; so files of
    both kinds are best not compared. turned_down:<gain>: it went beyond full scale.
    """
    rate_hz, gain = measured.meta["rate_hz"], measured.meta["gain"]
    narrow = (f"narrow_band:{rate_hz}Hz",) if rate_hz < RATE_HZ else ()
    return narrow + ((f"turned_down:{gain:.3f}",) if gain < 1 else ())


def speech_of_sound(measured: Item, wav: Path, vad_threshold: float, min_speech_s: float) -> Speech:
    """Where the speech of a measured file is. wav: where its sound is to lie, 16 kHz mono; written, whole, unless it is there.

    Its name must tell the measurement (sound_key), so that what is there is it. Raises Rejected "no_speech": less than min_speech_s.
    """
    segments = speech_segments(measured.arrays["speech"], vad_threshold, measured.meta["duration_s"])
    speech_s = sum(end_s - start_s for start_s, end_s in segments)
    if not segments or speech_s < min_speech_s:
        numbers = {"speech_s": speech_s, "min_speech_s": min_speech_s}
        raise Rejected("no_speech", f"{speech_s:.2f} s of speech, voices.min_speech_s asks for {min_speech_s:g}", numbers)
    if not wav.is_file():
        with atomic_path(wav) as temporary:
            temporary.write_bytes(wav_bytes(Audio(from_int16(measured.arrays["sound"]), RATE_HZ)))
    return Speech(StoredFile(wav), tuple(start for start, _ in segments), tuple(end for _, end in segments))
