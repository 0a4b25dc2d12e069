"""The rows of every table, each a frozen dataclass whose annotations are its Parquet schema (see store.py)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Reject:
    """What could not be measured or was not good enough: data/<stage>/rejects.parquet.

    item: clip_id, face_id or the file's path relative to data.raw, whichever exists at that point.
    scope: what is lost by it: "clip" (everything), "voice", "face", "dance", "hq" or "part" (of the clip's
    time, which its file no longer holds). The rest of the item stays usable.
    """

    item: str
    stage: str
    scope: str
    code: str
    detail: str
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Clip:
    """One usable clip: data/prepared/clips.parquet.

    source: path relative to data.raw, POSIX separators. start_s, end_s: position of the clip in it.
    audio: WAV path relative to data/prepared, 16 kHz mono int16, sample 0 = start_s of the video; None without audio.
    loudness_lufs: integrated loudness (BS.1770); None without audio or below its gate.
    speech_start_s, speech_end_s: speech segments, seconds from the clip's start, sorted, disjoint.
    flags: what is noteworthy and not fatal, e.g. "no_audio", "sound_has_gaps:1.20s", "same_bytes_as:vid_1".
    """

    clip_id: str
    source: str
    source_sha256: str
    start_s: float
    end_s: float
    fps: float
    width: int
    height: int
    rotation_deg: int
    has_audio: bool
    audio_rate_hz: int
    audio_channels: int
    audio: str | None
    loudness_lufs: float | None
    speech_s: float
    speech_start_s: tuple[float, ...]
    speech_end_s: tuple[float, ...]
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Face:
    """One person of one clip: data/faces/faces.parquet. person 0 is the clip's main person.

    image: the best frame's aligned crop, path relative to data/faces. time_s: of that frame, from the clip's start.
    box: x, y, width, height in pixels of the upright frame. landmarks: x0 y0 .. x4 y4 px: the eye, eye, nose, mouth corner,
    mouth corner as seen from left to right in the image. score: 0-1, of the detector and the landmark model (faces/detectors.py).
    interocular_px: distance of the eyes; sharpness: variance of the Laplacian of the face at 112 px; exposure: mean grey 0-1;
    dynamic_range: p95 - p5 of grey 0-1; yaw, pitch, roll: degrees; completeness: share of the crop that lies inside the frame;
    quality: 0-1, ranks frames. n_frames: frames pooled into the embedding.
    people: persons seen in the clip. place: of this one among them, 1 = leftmost, by the median middle of the boxes.
    embedding: (D,) float32, L2 = 1, mean over the frames, of `embedder`.
    """

    face_id: str
    clip_id: str
    source: str
    source_sha256: str
    start_s: float
    person: int
    people: int
    place: int
    image: str
    time_s: float
    box: tuple[float, ...]
    landmarks: tuple[float, ...]
    score: float
    interocular_px: float
    sharpness: float
    exposure: float
    dynamic_range: float
    yaw: float
    pitch: float
    roll: float
    completeness: float
    quality: float
    n_frames: int
    detector: str
    embedder: str
    embedding: np.ndarray

    @property
    def key(self) -> str:
        """Names this face by content, whatever the file is called; the ledger's key.

        Its person is told by the place in the picture, because `person`, a rank, changes with detector and frames. Where other
        settings see another number of people, the key is another one: the ledger does not know the face, rather than mistake it.
        """
        return f"{self.source_sha256[:16]}@{round(self.start_s * 1000)}-{self.place}of{self.people}"


@dataclass(frozen=True)
class View:
    """One face in one sampled frame of one clip, as measured: data/faces/views.parquet. Thresholds are applied to these.

    frame: index of the sampled frame; frames: how many were sampled. time_s: of it, from the clip's start. person: whom the view
    belongs to, 0 = the clip's main person. pooled: whether it takes part in the person's embedding. The other columns: as in Face;
    mouth_width: width of the mouth over the distance of the eyes.
    """

    clip_id: str
    person: int
    frame: int
    frames: int
    time_s: float
    box: tuple[float, ...]
    landmarks: tuple[float, ...]
    score: float
    interocular_px: float
    sharpness: float
    exposure: float
    dynamic_range: float
    yaw: float
    pitch: float
    roll: float
    completeness: float
    mouth_width: float
    quality: float
    pooled: bool


@dataclass(frozen=True)
class Voice:
    """Whose voice a clip's speech is: data/voices/voices.parquet, one row a clip that has usable speech.

    face_id: of the clip's main person, whom the voice is given to; None: to nobody, and flags or a reject say why.
    windows: of 1.6 s of speech with a speaker embedding each; none of speech under 3.2 s. mean_similarity, least_similarity: cosine between two of them.
    group_similarity: mean cosine between the two groups that differ most, which tells one speaker from two; None under two windows.
    speakers: 1 or 2 by that; None where nothing could be compared.
    method: of looking at lips: mouth, light_asd, none. looked_s: seconds of picture with the main person that it looked at.
    score: mouth: correlation of the mouth's opening with loudness, -1 to 1; light_asd: mean log odds of speaking over frames with
    speech, 0 = undecided. sync: light_asd: deviations by which the voice fits the face better in its place than displaced.
    people: persons seen while looking. speaking: those of them who say what is heard; None unless light_asd.
    flags: what is noteworthy, e.g. "several_people", "lips_do_not_move", "not_looked_at:no_face".
    """

    clip_id: str
    face_id: str | None
    windows: int
    mean_similarity: float | None
    least_similarity: float | None
    group_similarity: float | None
    speakers: int | None
    method: str
    looked_s: float
    score: float | None
    sync: float | None
    people: int
    speaking: int | None
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Identity:
    """Which person a face is: data/identities/identities.parquet, one row a face.

    identity_id: the same person from run to run (the ledger's where it knows the face).
    distance: cosine distance to the representative's embedding, 0-2. image: path relative to data/identities/deduped_faces.
    cluster: smallest Face.key of the cluster that the embeddings alone give. group: the same after a person's splits. It holds two
    identities when the ledger knows two in it; split quarantines them if they are on different sides, because they may be one person.
    ledger_id: the identity_id that `onscreen ledger freeze` notes, before a person's renames and merges of whom the ledger knows.
    """

    face_id: str
    clip_id: str
    source: str
    identity_id: str
    is_representative: bool
    distance: float
    image: str
    face_key: str
    group: str
    cluster: str
    ledger_id: str


@dataclass(frozen=True)
class ReviewPair:
    """Two faces near the border of being one person, for a person to look at: data/identities/review.parquet, nearest first.

    Of two identities the closest pair within dedupe.review_band of the threshold, inside one the farthest. distance, threshold:
    cosine, 0-2. same: whether they are one identity now. image_a, image_b: path relative to data/identities/deduped_faces.
    """

    face_id_a: str
    face_id_b: str
    identity_a: str
    identity_b: str
    distance: float
    threshold: float
    same: bool
    image_a: str
    image_b: str


@dataclass(frozen=True)
class SplitRow:
    """Which side a face's person is on: data/splits/splits.parquet. split: train, val, test or quarantine."""

    face_id: str
    clip_id: str
    identity_id: str
    split: str
    reason: str


@dataclass(frozen=True)
class Pair:
    """A face and a voice of one person: data/splits/pairs.parquet.

    voice_clip_id: the clip whose speech is used. same_source: both come from one source video (same bytes), because the
    person has no other; such pairs are a stratum of their own in every score.
    """

    identity_id: str
    split: str
    face_id: str
    voice_clip_id: str
    same_source: bool
