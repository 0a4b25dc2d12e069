"""Small real media files, made by the tests that read them."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from onscreen.media.audio import Audio
from onscreen.media.video import write_video

SIZE = (64, 96)  # height, width
BITS = 8


def numbered(index: int) -> np.ndarray:
    """A picture that carries its number as black and white columns, which survive any codec."""
    image = np.full((*SIZE, 3), 128, np.uint8)
    for bit in range(BITS):
        image[:, bit * 12 : bit * 12 + 12] = 235 if index >> bit & 1 else 16
    return image


def number_of(image: np.ndarray) -> int:
    columns = image.astype(int).mean(axis=(0, 2)).reshape(BITS, 12).mean(axis=1)
    return sum(1 << bit for bit, level in enumerate(columns) if level > 128)


def pictures(count: int) -> Iterator[np.ndarray]:
    return (numbered(index) for index in range(count))


def beep_at(start_s: float, duration_s: float, rate_hz: int = 44100, channels: int = 1) -> Audio:
    """Silence with 0.1 s of a 1 kHz tone at start_s."""
    samples = np.zeros(round(duration_s * rate_hz), np.float32)
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(round(0.1 * rate_hz)) / rate_hz)
    samples[round(start_s * rate_hz) :][: len(tone)] = tone
    return Audio(samples if channels == 1 else np.stack([samples] * channels, axis=1), rate_hz)


def onset_s(audio: Audio) -> float:
    """Where the tone of beep_at starts."""
    samples = audio.samples.reshape(len(audio.samples), -1).max(axis=1)
    return float(np.flatnonzero(np.abs(samples) > 0.15)[0] / audio.rate_hz)


def video(path: Path, duration_s: float = 2.0, fps: int = 25, beep_s: float | None = 1.0) -> Path:
    """An mp4 of numbered pictures with a beep, or without sound."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, pictures(round(duration_s * fps)), fps, None if beep_s is None else beep_at(beep_s, duration_s))
    return path


def shifted(source: Path, path: Path, kind: str, by_s: float) -> Path:
    """The same packets, those of one kind ("audio" or "video") by_s seconds later: a soundtrack or a picture that starts late."""
    with av.open(str(source)) as given, av.open(str(path), "w") as made:
        streams = {stream.index: made.add_stream_from_template(stream) for stream in given.streams}
        for packet in given.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == kind:
                late = round(by_s / packet.time_base)
                packet.pts, packet.dts = packet.pts + late, packet.dts + late
            packet.stream = streams[packet.stream.index]
            made.mux(packet)
    return path


def slideshow(path: Path, times_s: list[float]) -> Path:
    """A file of variable rate: numbered pictures, each on screen from its time to the next's."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
        stream.height, stream.width = SIZE
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, 1000)
        for index, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(numbered(index))
            frame.pts, frame.time_base = round(time_s * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def broken(source: Path, path: Path, kind: str, start_s: float, end_s: float) -> Path:
    """The same file with the packets of one kind ("audio" or "video") between two times overwritten, as a bad disk leaves them."""
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as given:
        for packet in given.demux():
            if packet.stream.type != kind or None in (packet.pts, packet.pos):
                continue
            if start_s <= float(packet.pts * packet.time_base) < end_s:
                data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path.write_bytes(data)
    return path


def turned(source: Path, path: Path, clockwise_deg: int) -> Path:
    """The same file with another display matrix (tkhd, ISO 14496-12 8.3.2): players turn it, as they do with a phone's video."""
    data = bytearray(source.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    quarter = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[clockwise_deg]
    for place, value in zip((0, 4, 12, 16), quarter, strict=True):
        data[matrix + place : matrix + place + 4] = (value * 0x10000).to_bytes(4, "big", signed=True)
    path.write_bytes(data)
    return path


def encoded(
    path: Path, video_codec: str, audio_codec: str, count: int = 125, fps: int = 25, beep_s: float = 3.0, keyframes_s: float = 1.0
) -> Path:
    """Numbered pictures and a beep in any container and codecs, a keyframe every keyframes_s seconds."""
    rate_hz = 48000
    with av.open(str(path), "w") as container:
        options = {"sc_threshold": "0"} if video_codec == "libx264" else {}  # no keyframes of its own choice
        picture = container.add_stream(video_codec, rate=fps, options=options)
        picture.height, picture.width = SIZE
        picture.pix_fmt, picture.gop_size, picture.bit_rate = "yuv420p", round(keyframes_s * fps), 2_000_000
        sound = container.add_stream(audio_codec, rate=rate_hz)
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(numbered(index))
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        samples = av.AudioFrame.from_ndarray(beep_at(beep_s, count / fps, rate_hz).samples[None], "fltp", "mono")
        samples.sample_rate, samples.pts, samples.time_base = rate_hz, 0, Fraction(1, rate_hz)
        fit = av.AudioResampler(sound.codec_context.format.name, sound.layout.name, rate_hz)
        for frame in [*fit.resample(samples), *fit.resample(None)]:
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path
