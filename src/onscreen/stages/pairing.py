"""Pairs of names and items of these names -> pairs that a model is trained and scored on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from onscreen.matching.data import Link, PairSet
from onscreen.records import Pair, Reject
from onscreen.stages.items import Items
from onscreen.stages.training import Loaded


def pair_set(
    stage: str,
    pairs: Iterable[Pair],
    faces: Items,
    voices: Items,
    face_source: Mapping[str, str],
    voice_source: Mapping[str, str],
) -> Loaded:
    """The pairs whose face and voice are known. Pairs of a lost item are left out, and so are people without any pair left.
    People and items are sorted by name, so equal sets are in equal order.

    pairs: face_id and voice_clip_id are names in faces and voices. face_source, voice_source: what each was taken from (sha256 of
    a video, or of the file itself where nothing better is known). stage: whose rejects these are.
    """
    pairs = list(pairs)
    kept = [pair for pair in pairs if pair.face_id in faces.known and pair.voice_clip_id in voices.known]
    people, face_at, voice_at = (
        {name: number for number, name in enumerate(sorted(names))}
        for names in ({p.identity_id for p in kept}, {p.face_id for p in kept}, {p.voice_clip_id for p in kept})
    )
    links = [Link(people[p.identity_id], face_at[p.face_id], voice_at[p.voice_clip_id], p.same_source) for p in kept]
    made = PairSet(
        people=tuple(people),
        faces=faces.of(list(face_at)),
        voices=voices.of(list(voice_at)),
        links=tuple(sorted(links, key=lambda link: (link.person, link.face, link.voice))),
        face_source=tuple(face_source[name] for name in face_at),
        voice_source=tuple(voice_source[name] for name in voice_at),
        face_digest=_digests(faces, face_at),
        voice_digest=_digests(voices, voice_at),
        face_name=tuple(face_at),
        voice_name=tuple(voice_at),
    )
    return Loaded(made, tuple(_items_lost(stage, pairs, faces, voices)), tuple(_people_lost(stage, pairs, faces, voices, people)))


def _digests(items: Items, names: Collection[str]) -> tuple[str, ...]:
    """What tells the items' bytes, where that is known of all of them."""
    return tuple(items.digest[name] for name in names) if all(name in items.digest for name in names) else ()


def _items_lost(stage: str, pairs: Iterable[Pair], faces: Items, voices: Items) -> Iterable[Reject]:
    asked = {("face", pair.face_id) for pair in pairs} | {("voice", pair.voice_clip_id) for pair in pairs}
    for scope, name in sorted(asked):
        lost = (faces if scope == "face" else voices).lost.get(name)
        if lost is not None:
            yield Reject(name, stage, scope, lost.code, lost.detail, lost.numbers)


def _people_lost(stage: str, pairs: Iterable[Pair], faces: Items, voices: Items, people: Iterable[str]) -> Iterable[Reject]:
    seen = {pair.identity_id for pair in pairs if pair.face_id in faces.known}
    heard = {pair.identity_id for pair in pairs if pair.voice_clip_id in voices.known}
    for name in sorted({pair.identity_id for pair in pairs} - set(people)):
        if name in heard and name not in seen:
            yield Reject(name, stage, "face", "no_face", "this person has no usable face")
        else:
            yield Reject(name, stage, "voice", "no_voice", "this person has no usable voice")
