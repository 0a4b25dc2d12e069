"""Short dances with sound in any container: a real dancer, too far away for a face, to real music."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np

from onscreen.media.audio import decode_audio
from onscreen.media.video import constant_rate_frames
from real_data import DATA

DANCE = DATA / "dance"
FPS, SIDE, HEIGHT, RATE_HZ = 24, 640, 360, 48000
CODECS = {
    ".mp4": ("libx264", "aac"),
    ".mov": ("libx264", "aac"),
    ".mkv": ("libx264", "flac"),
    ".avi": ("mpeg4", "libmp3lame"),
    ".wmv": ("wmv2", "wmav2"),
    ".webm": ("libvpx", "libopus"),
}


@cache
def small_dancer(frames: int) -> tuple[np.ndarray, ...]:
    """RGB pictures of the whole dancer in the middle of a grey square."""
    found = []
    for frame in islice(constant_rate_frames(DANCE / "dance_with_music.mp4", 3.0, 12.0, FPS), frames):
        width = HEIGHT * frame.image.shape[1] // frame.image.shape[0]
        image = np.full((SIDE, SIDE, 3), 90, np.uint8)
        left, top = (SIDE - width) // 2, (SIDE - HEIGHT) // 2
        image[top : top + HEIGHT, left : left + width] = cv2.resize(frame.image, (width, HEIGHT), interpolation=cv2.INTER_AREA)
        found.append(image)
    return tuple(found)


def dance_video(path: Path, song: str, start_s: float, seconds: float = 1.2, images: Sequence[np.ndarray] = ()) -> Path:
    """A dance to a part of a track, in the container and codecs that its name's ending stands for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = images or small_dancer(round(seconds * FPS))
    sound = decode_audio(DANCE / "music" / f"{song}.ogg", start_s, start_s + seconds, RATE_HZ, mono=True)
    video_codec, audio_codec = CODECS[path.suffix]
    with av.open(str(path), "w") as container:
        picture = container.add_stream(video_codec, rate=FPS)
        picture.height, picture.width = pictures[0].shape[:2]
        picture.pix_fmt, picture.bit_rate = "yuv420p", 4_000_000
        heard = container.add_stream(audio_codec, rate=RATE_HZ)
        heard.bit_rate = 128_000
        for index, image in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(image)
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        samples = av.AudioFrame.from_ndarray(sound.samples.reshape(1, -1), "fltp", "mono")
        samples.sample_rate, samples.pts, samples.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
        layout = heard.layout.name or "mono"
        fit = av.AudioResampler(
            heard.codec_context.format.name, layout, RATE_HZ, frame_size=heard.codec_context.frame_size or None
        )
        for part in [*fit.resample(samples), *fit.resample(None)]:
            container.mux(heard.encode(part))
        container.mux(heard.encode(None))
    return path
