"""Whose face a picture shows and whose voice a file holds, told by their paths.

A file that lies in a subfolder belongs to the person of that name: alice/1.jpg, alice/talks/7.wav. One that lies in the folder itself
belongs to the person of its stem: vid_123.jpg, vid_123.wav. `faces dedupe` names the pictures vid_123_dedupe_vid_456.jpg: person
vid_123, seen in vid_456. Then vid_456.wav is a voice of vid_123 too, and of another recording than vid_123.jpg.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from onscreen.errors import InputError, NothingUsable
from onscreen.matching.combinations import combinations
from onscreen.media.files import Found, find_videos
from onscreen.media.images import SUFFIXES as PICTURES
from onscreen.media.sound import SUFFIXES as SOUNDS
from onscreen.naming import SEPARATOR, SUFFIX, decoded
from onscreen.records import Pair, Reject

STAGE = "face_voice"
_KINDS = ("faces", "voices")  # folders that say what lies in them, and not from which recording
_SHOWN = 3  # names in an error


@dataclass(frozen=True)
class MediaFile:
    """A picture or a sound. name: path relative to its folder, POSIX, or as a list has it. recording: what else comes from the
    same take; where nothing says so, the file itself."""

    name: str
    path: Path
    person: str
    recording: str


@dataclass(frozen=True)
class Media:
    """Pictures and sounds by name, all of people who have both, unless `pairs` says which belong together.

    rejects: what is left out. others: files of other kinds in the folders, by ending.
    """

    faces: Mapping[str, MediaFile]
    voices: Mapping[str, MediaFile]
    rejects: tuple[Reject, ...] = ()
    others: Mapping[str, int] | None = None
    pairs: tuple[tuple[str, str], ...] | None = None

    @property
    def people(self) -> set[str]:
        """Those who have a face and a voice."""
        return {file.person for file in self.faces.values()} & {file.person for file in self.voices.values()}

    def of_people(self, people: Collection[str]) -> Media:
        """What is theirs; rejects stay."""
        faces, voices = (
            {name: file for name, file in files.items() if file.person in people} for files in (self.faces, self.voices)
        )
        pairs = self.pairs and tuple(pair for pair in self.pairs if pair[0] in faces and pair[1] in voices)
        return replace(self, faces=faces, voices=voices, pairs=pairs)


class Same:
    """Names that stand for one thing."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def of(self, name: str) -> str:
        """The name that stands for all that are the same as this one."""
        while (above := self._above.get(name, name)) != name:
            self._above[name] = self._above.get(above, above)
            name = above
        return name

    def join(self, first: str, other: str) -> None:
        """They are the same, and the first one's name stands for both."""
        self._above[self.of(other)] = self.of(first)


def read_folders(image_folder: Path, audio_folder: Path) -> Media:
    """The people of two folders (or of one that holds both).

    Raises InputError when one is missing, NothingUsable when nobody has both a picture and a sound.
    """
    seen, heard = _listed("--image_folder", image_folder, PICTURES), _listed("--audio_folder", audio_folder, SOUNDS)
    faces = [_file(image_folder, name) for name in seen.videos]
    voices = [_file(audio_folder, name) for name in heard.videos]
    faces, voices = _by_person(faces, voices)
    closed = [Reject(name, STAGE, "clip", "closed_folder", "may not be listed") for name in sorted({*seen.closed, *heard.closed})]
    rejects = [*closed, *_alone(faces, voices)]
    both = {file.person for file in faces} & {file.person for file in voices}
    if not both:
        raise NothingUsable(_nobody(image_folder, faces, audio_folder, voices))
    others = Counter(PurePosixPath(name).suffix.lower() or "no ending" for name in {*seen.others, *heard.others})
    known = Counter({ending: count for ending, count in others.items() if ending not in (*PICTURES, *SOUNDS)})
    kept = [{file.name: file for file in files if file.person in both} for files in (faces, voices)]
    return Media(kept[0], kept[1], tuple(rejects), dict(sorted(known.items())))


def _listed(option: str, folder: Path, endings: Sequence[str]) -> Found:
    if not folder.is_dir():
        raise InputError(f"{option} {folder}: there is no such folder")
    return find_videos(folder, endings)


def _file(folder: Path, name: str) -> MediaFile:
    parts = PurePosixPath(unicodedata.normalize("NFC", name)).parts
    stem = PurePosixPath(parts[-1]).stem
    person, _, seen_in = stem.partition(SEPARATOR)
    recording = decoded(seen_in or person)
    if len(parts) == 1:
        return MediaFile(name, folder / name, decoded(person), recording)
    within = [part for part in parts[1:-1] if part not in _KINDS]
    take = within[0] if within else recording
    return MediaFile(name, folder / name, parts[0], f"{parts[0]}/{take}")


def _by_person(faces: list[MediaFile], voices: list[MediaFile]) -> tuple[list[MediaFile], list[MediaFile]]:
    """The files under their people: whoever was found to be one by dedupe is one. Cuts of a video are one recording."""
    same = Same()
    for file in faces:
        if "/" not in file.name:
            same.join(file.person, file.recording)
    named = [replace(file, person=same.of(file.person), recording=SUFFIX.sub("", file.recording)) for file in (*faces, *voices)]
    return named[: len(faces)], named[len(faces) :]


def _alone(faces: Iterable[MediaFile], voices: Iterable[MediaFile]) -> Iterator[Reject]:
    """People who have no voice, people who have no face."""
    seen, heard = (Counter(file.person for file in files) for files in (faces, voices))
    for person in sorted(seen.keys() - heard.keys()):
        yield Reject(person, STAGE, "voice", "no_voice", "no sound of this name", {"faces": float(seen[person])})
    for person in sorted(heard.keys() - seen.keys()):
        yield Reject(person, STAGE, "face", "no_face", "no picture of this name", {"voices": float(heard[person])})


def _nobody(image_folder: Path, faces: Sequence[MediaFile], audio_folder: Path, voices: Sequence[MediaFile]) -> str:
    return (
        f"nobody has both a face and a voice: --image_folder {image_folder} holds {_told(faces, 'picture')}, --audio_folder "
        f"{audio_folder} holds {_told(voices, 'sound')}. A picture and a sound belong together when their names are alike "
        "(vid_123.jpg, vid_123.wav), or when both lie in a subfolder of the person's name."
    )


def _told(files: Sequence[MediaFile], kind: str) -> str:
    names = ", ".join(file.name for file in files[:_SHOWN]) + (", ..." if len(files) > _SHOWN else "")
    return f"{len(files)} {kind}{'' if len(files) == 1 else 's'}" + (f" ({names})" if files else "")


def join_by_bytes(media: Media, sha256: Mapping[str, str]) -> tuple[Media, dict[str, str]]:
    """The same media, in which people who share a file of the same bytes are one person, and such files one recording.

    sha256: of pictures and sounds by the names of both; those that are left out are not compared. Returns, too, who became part of
    whom.
    """
    people, recordings = Same(), Same()
    first: dict[str, MediaFile] = {}
    for file in (*media.faces.values(), *media.voices.values()):
        if file.name in sha256:
            twin = first.setdefault(sha256[file.name], file)
            people.join(twin.person, file.person)
            recordings.join(twin.recording, file.recording)
    kept = [
        {
            name: replace(file, person=people.of(file.person), recording=recordings.of(file.recording))
            for name, file in files.items()
        }
        for files in (media.faces, media.voices)
    ]
    joined = replace(media, faces=kept[0], voices=kept[1])
    return joined, {name: people.of(name) for name in media.people if people.of(name) != name}


def usable(media: Media, known: Collection[str]) -> Media:
    """The media without files that gave nothing; people who lost their last face or voice by that are rejects."""
    faces, voices = ({name: file for name, file in files.items() if name in known} for files in (media.faces, media.voices))
    pairs = media.pairs and tuple((face, voice) for face, voice in media.pairs if face in faces and voice in voices)
    seen, heard = ({file.person for file in files.values()} for files in (faces, voices))
    lost = [
        Reject(
            person,
            STAGE,
            *(("voice", "no_voice", "no usable sound") if person in seen else ("face", "no_face", "no usable picture")),
        )
        for person in sorted(media.people - (seen & heard))
    ]
    return replace(media, faces=faces, voices=voices, pairs=pairs, rejects=(*media.rejects, *lost))


def pairs_of(media: Media) -> Iterator[Pair]:
    """Pairs of every person, without a side. Those of a list as they stand there; else faces with voices of other recordings,
    and with those of the same one where a person has no other: see combinations."""
    if media.pairs is not None:
        for face, voice in media.pairs:
            yield _pair(media.faces[face], media.voices[voice])
        return
    own: dict[str, tuple[list[MediaFile], list[MediaFile]]] = defaultdict(lambda: ([], []))
    for kind, files in enumerate((media.faces, media.voices)):
        for file in files.values():
            own[file.person][kind].append(file)
    for _, (faces, voices) in sorted(own.items()):
        for picture, sound in combinations(faces, voices, lambda file: file.recording):
            yield _pair(picture, sound)


def _pair(face: MediaFile, voice: MediaFile) -> Pair:
    return Pair(face.person, "", face.name, voice.name, same_source=face.recording == voice.recording)
