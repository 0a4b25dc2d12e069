"""Makes the clips of one person. The same packages and the same person give the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onscreen.media.audio import Audio
from onscreen.media.video import write_video
from onscreen.sample.faces import CANVAS_PX, blend
from onscreen.sample.people import Person
from onscreen.sample.scene import FPS, draw_shot, film
from onscreen.sample.voices import in_a_room, speak

TAG = "onscreen sample: synthetic, nobody in it exists, scores on it mean nothing"
_BEFORE_S, _AFTER_S = 0.3, 0.4  # of room noise around the speech


@dataclass(frozen=True)
class PersonJob:
    """number: of the person, from 1: the seed of its shots. folder: where its clips go."""

    number: int
    person: Person
    folder: Path


def clip_name(person: Person, clip: int) -> str:
    """File name of a person's clip, counted from 1."""
    return f"sample_{person.name}_c{clip}.mp4"


def clip_names(person: Person) -> list[str]:
    """File names of all clips of a person."""
    return [clip_name(person, clip) for clip in range(1, len(person.sentences) + 1)]


def make_person(job: PersonJob) -> int:
    """Write all clips of a person into the job's folder; returns how many. To be called once a process (see voices.speak)."""
    import cv2

    cv2.setNumThreads(1)
    person = job.person
    canvas = blend(person.host, person.donor, person.shape, person.texture)
    for clip, speech in enumerate(speak(person.voice, person.sentences), 1):
        seed = (job.number, clip)
        count = round((_BEFORE_S + speech.duration_s + _AFTER_S) * FPS)
        sound: Audio = in_a_room(speech, _BEFORE_S, count / FPS, seed)
        tags = {"title": f"onscreen sample {person.name}, clip {clip}", "comment": TAG}
        write_video(job.folder / clip_name(person, clip), film(canvas, draw_shot(seed, CANVAS_PX), count), FPS, sound, tags)
    return len(person.sentences)
