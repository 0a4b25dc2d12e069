"""How surely motion/songs.py finds sounds of one recording, and how often it joins others. Run: python benchmarks/songs.py DATA

DATA holds dance/music (tracks), dance/dance_with_music.mp4, clips (people speaking) and voices (flac). Two excerpts of a track share
`overlap` seconds; the second one is changed as the row says. Found: share of the pairs that are joined, of two sounds alone. False:
pairs of two recordings that are joined, all sounds at once. Excerpts of one track that share no moment are counted apart: they are of
one song, and landmarks cannot know it.
"""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import soxr
import typer

from onscreen.media.audio import decode_audio, read_wav
from onscreen.motion.songs import fingerprint, same_songs

RATE_HZ = 24576  # of the m2p stage at 24 fps
_LENGTHS_S = (3.0, 5.0, 10.0)
_DRAWS = 15  # pairs of each track, length and change
_Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def main(data: Path) -> None:
    files = [*sorted((data / "dance" / "music").glob("*.ogg")), data / "dance" / "dance_with_music.mp4"]
    tracks = {file.stem: _sound(file) for file in files}
    clips = sorted(path for path in (data / "clips").iterdir() if path.suffix in (".mp4", ".mpg"))
    speech = {file.stem: _sound(file) for file in (*clips, *sorted((data / "voices").rglob("*.flac")))}
    talk = np.concatenate([sound for name, sound in speech.items() if not name.startswith("obama_biden")])
    print(f"{len(tracks)} tracks, {len(speech)} sounds of people speaking\n\nfound, of two excerpts of one recording")
    print(f"{'change':36s}" + "".join(f"{length_s:6.0f} s" for length_s in _LENGTHS_S))
    for name, change in _changes(talk).items():
        print(f"{name:36s}" + "".join(f"{_found(tracks, length_s, change):8.2f}" for length_s in _LENGTHS_S), flush=True)
    print("\nfound, unchanged, by the seconds that both hold")
    for overlap_s in (0.5, 1.0, 2.0, 3.0):
        print(f"{overlap_s:4.1f} s of 10 s: {_found(tracks, 10.0, _same, overlap_s):.2f}")
    _others(tracks, speech)


def _sound(path: Path) -> np.ndarray:
    if path.suffix == ".flac":
        voice = read_wav(path)
        return np.asarray(soxr.resample(voice.samples, voice.rate_hz, RATE_HZ), np.float32)
    audio = decode_audio(path, 0.0, 90.0, RATE_HZ)
    return audio.samples[: round((audio.duration_s - audio.missing_end_s) * RATE_HZ)]


def _found(tracks: dict[str, np.ndarray], length_s: float, change: _Change, overlap_s: float | None = None) -> float:
    """Share of pairs joined; with overlap_s the second excerpt starts that long before the first one ends."""
    random, hits = np.random.default_rng(0), list[bool]()
    later_s = 0.0 if overlap_s is None else length_s - overlap_s
    for track in tracks.values():
        for _ in range(_DRAWS):
            if len(track) < (length_s + later_s + 0.1) * RATE_HZ:
                continue
            first = int(random.uniform(0, len(track) - (length_s + later_s + 0.1) * RATE_HZ))
            second = first + int((later_s + random.uniform(0, 0.05)) * RATE_HZ)
            size = int(length_s * RATE_HZ)
            pair = [track[first : first + size], change(track[second : second + size], random)]
            labels = same_songs([fingerprint(sound, RATE_HZ) for sound in pair])
            hits.append(bool(labels[0] == labels[1]))
    return float(np.mean(hits))


def _others(tracks: dict[str, np.ndarray], speech: dict[str, np.ndarray]) -> None:
    """Prints joins of different recordings, and of excerpts of one song that share no moment."""
    for length_s in _LENGTHS_S:
        size, sounds = int(length_s * RATE_HZ), list[tuple[str, np.ndarray]]()
        for name, track in (tracks | speech).items():
            sounds += [(name, track[start : start + size]) for start in range(0, max(1, len(track) - size + 1), size)]
        prints = [fingerprint(sound, RATE_HZ) for _, sound in sounds]
        start_s = time.process_time()
        labels = same_songs(prints)
        spent_s = time.process_time() - start_s
        pairs = list(itertools.combinations(range(len(sounds)), 2))
        same = [(one, two) for one, two in pairs if sounds[one][0] == sounds[two][0] and sounds[one][0] in tracks]
        different = [(one, two) for one, two in pairs if sounds[one][0] != sounds[two][0]]
        joined = [pair for pair in different if labels[pair[0]] == labels[pair[1]]]
        print(
            f"\n{len(sounds)} sounds of {length_s:.0f} s, {spent_s:.2f} core-s: {len(joined)} of {len(different)} pairs of two recordings"
        )
        for names in sorted({(sounds[one][0], sounds[two][0]) for one, two in joined}):
            print(f"  joined: {names}")
        for name in tracks:
            own = [labels[one] == labels[two] for one, two in same if sounds[one][0] == name]
            print(f"  {name}: excerpts that share no moment joined {np.mean(own) if own else float('nan'):.2f} of {len(own)}")


def _changes(talk: np.ndarray) -> dict[str, _Change]:
    def noise(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return random.standard_normal(len(sound)).astype(np.float32)

    def spoken(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
        start = int(random.uniform(0, len(talk) - len(sound)))
        return talk[start : start + len(sound)]

    return {
        "none, another start": _same,
        "20 dB quieter": lambda sound, _: sound * 0.1,
        "clipped, 12 dB too loud": lambda sound, _: np.clip(sound / np.abs(sound).max() * 4, -1, 1),
        "22.05 kHz": lambda sound, _: soxr.resample(soxr.resample(sound, RATE_HZ, 22050), 22050, RATE_HZ)[: len(sound)],
        "AAC 64 kbit/s": lambda sound, _: _encoded(sound, "aac", "adts", 64000),
        "MP3 64 kbit/s": lambda sound, _: _encoded(sound, "libmp3lame", "mp3", 64000),
        **{f"noise, music {level:+d} dB above it": _mixed(noise, level) for level in (10, 0, -10)},
        **{f"speech, music {level:+d} dB above it": _mixed(spoken, level) for level in (10, 0, -10)},
        "1% faster": lambda sound, _: soxr.resample(sound, 101, 100),
        "5% faster": lambda sound, _: soxr.resample(sound, 105, 100),
    }


def _same(sound: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return sound


def _mixed(make: Callable[[np.ndarray, np.random.Generator], np.ndarray], level_db: float) -> _Change:
    def change(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
        other = make(sound, random)
        scale = np.sqrt(np.mean(sound**2) / np.mean(other**2)) * 10 ** (-level_db / 20)
        return np.asarray(sound + scale * other, np.float32)

    return change


def _encoded(sound: np.ndarray, codec: str, container: str, bits: int) -> np.ndarray:
    """What is left of a sound after a lossy codec at 44.1 kHz."""
    file, rate = io.BytesIO(), 44100
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = bits
        frame = av.AudioFrame.from_ndarray(soxr.resample(sound, RATE_HZ, rate)[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        fifo = av.AudioFifo()
        fifo.write(frame)
        for part in (*fifo.read_many(stream.codec_context.frame_size or 1152), fifo.read()):
            if part is not None:
                out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as read:
        parts = [part.to_ndarray()[0] for part in read.decode(audio=0)]
    return np.asarray(soxr.resample(np.concatenate(parts), rate, RATE_HZ), np.float32)


if __name__ == "__main__":
    typer.run(main)
