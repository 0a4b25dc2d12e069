"""The quality gate of dances: what is rejected with numbers, and what is accepted with a remark. Decides over measurements."""

from __future__ import annotations

from collections.abc import Iterator

from onscreen.cache import Item
from onscreen.config import Faces, M2p
from onscreen.errors import Rejected
from onscreen.motion.music import SPEECH_PULSE, SPEECH_SHARE, is_speech
from onscreen.records import Clip
from onscreen.stages.m2p_film import SEEN, UPPER
from onscreen.stages.m2p_records import Remark

_PAUSE_S = 0.5  # silence that may lie between two beats
_MOSTLY = 0.9  # share of frames that should show a body


def check_clip(params: M2p, clip: Clip) -> None:
    """What prepare measured. Raises Rejected: no_audio, silent, clip_too_short, low_fps, too_few_pixels."""
    if not clip.has_audio:
        raise Rejected("no_audio", "without a soundtrack there is no music to dance to")
    if clip.loudness_lufs is None:
        raise Rejected("silent", "the soundtrack is silent (below -70 LUFS)")
    wanted = (
        ("clip_too_short", "min_clip_s", clip.end_s - clip.start_s, params.min_clip_s, "s long"),
        ("low_fps", "min_source_fps", round(clip.fps, 1), params.min_source_fps, "frames a second"),  # 23.976 counts as 24
        ("too_few_pixels", "min_source_px", min(clip.width, clip.height), params.min_source_px, "pixels on the shorter side"),
    )
    for code, name, found, least, unit in wanted:
        if found < least:
            raise Rejected(code, f"{found:.4g} {unit}, m2p.{name} asks for {least:g}", {"found": found, name: least})


def check_look(params: M2p, clip: Clip, item: Item) -> None:
    """A look keeps clips with a whole body in any frame, and those with an upper body in any, unless what is heard is speech.

    Raises Rejected: no_whole_body, upper_body_and_speech.
    """
    if body_share(params, item) > 0:
        return
    if not upper_share(params, item):
        numbers = {**_body_numbers(params, item), "frames": float(item.meta["frames"])}
        detail = f"in none of {item.meta['frames']} frames somebody is surely seen, neither from the shoulders to the ankles nor with both arms"
        raise Rejected("no_whole_body", detail, numbers)
    _check_sound(params, item, _speech_share(clip, 0.0, clip.end_s - clip.start_s))


def check_part(params: M2p, clip: Clip, part: Item) -> None:
    """Length, and the share of frames with a body, whole or without legs.

    Raises Rejected: clip_too_short, body_seldom_seen, upper_body_and_speech.
    """
    duration_s = part.meta["frames"] / params.fps
    if duration_s < params.min_clip_s:
        numbers = {"duration_s": duration_s, "min_clip_s": params.min_clip_s}
        what = "the shot is" if part.meta["shots"] > 1 else "picture and sound share"
        detail = f"{what} {duration_s:.2f} s, m2p.min_clip_s asks for {params.min_clip_s:g}"
        raise Rejected("clip_too_short", detail, numbers)
    if _is_whole(params, part):
        return
    if upper_share(params, part) < params.min_body_frames:
        numbers = {**_body_numbers(params, part), "min_body_frames": params.min_body_frames}
        share, least = upper_share(params, part), params.min_body_frames
        detail = f"a body with both arms is seen in {share:.0%} of the frames, m2p.min_body_frames asks for {least:.0%}"
        raise Rejected("body_seldom_seen", detail, numbers)
    start_s = part.meta["start_s"] - clip.start_s
    _check_sound(params, part, _speech_share(clip, start_s, start_s + duration_s))


def body_share(params: M2p, item: Item) -> float:
    """Share of frames with a whole body: hips, knees and ankles in the picture and visible, and the mean confidence of shoulders,
    elbows, wrists and legs at least min_body_confidence."""
    whole = (item.arrays["legs"] >= SEEN).all(axis=1)
    sure = item.arrays["limbs"].mean(axis=1) >= params.min_body_confidence
    return float((whole & sure).mean())


def upper_share(params: M2p, item: Item) -> float:
    """Share of frames with an upper body, whole bodies included: the mean confidence of shoulders and elbows is at least
    min_body_confidence, which one arm that the body hides still reaches and shoulders alone do not."""
    return float((item.arrays["limbs"][:, UPPER].mean(axis=1) >= params.min_body_confidence).mean())


def _is_whole(params: M2p, part: Item) -> bool:
    return body_share(params, part) >= params.min_body_frames


def _check_sound(params: M2p, item: Item, speech_share: float) -> None:
    """Somebody without legs dances or talks: what is heard tells."""
    pulse = item.meta["pulse"]
    if is_speech(pulse, speech_share):
        heard = {"speech_share": speech_share, "speech_from_share": SPEECH_SHARE}
        if pulse is not None:
            heard |= {"pulse": pulse, "music_from_pulse": SPEECH_PULSE}
        detail = (
            f"legs are seen in {_legs_share(item):.0%} of the frames, and {speech_share:.0%} of the time there is speech without a clear"
            " beat: somebody talks"
        )
        raise Rejected("upper_body_and_speech", detail, {**_body_numbers(params, item), **heard})


def _speech_share(clip: Clip, start_s: float, end_s: float) -> float:
    """Share of that stretch, seconds from the clip's start, in which somebody speaks."""
    spoken = [min(end, end_s) - max(start, start_s) for start, end in zip(clip.speech_start_s, clip.speech_end_s, strict=True)]
    return sum(length for length in spoken if length > 0) / (end_s - start_s)


def _body_numbers(params: M2p, item: Item) -> dict[str, float]:
    return {
        "body_confidence": float(item.arrays["limbs"].mean()),
        "legs_share": _legs_share(item),
        "whole_share": body_share(params, item),
        "upper_share": upper_share(params, item),
    }


def _legs_share(item: Item) -> float:
    return float((item.arrays["legs"] >= SEEN).all(axis=1).mean())


def good_views(params: Faces, part: Item) -> list[int]:
    """The views that would do as faces of a clip, best first."""
    return [
        index
        for index, view in enumerate(part.meta["views"])
        if view["score"] >= params.min_score and view["interocular_px"] >= params.min_interocular_px
    ]


def remarks(params: M2p, clip: Clip, part: Item, good: int) -> tuple[Remark, ...]:
    """What is below a recommendation in an accepted dance. good: how many views of the face would do."""
    found = (_about_length(params, clip, part), _about_sound(params, clip, part), _about_picture(params, part, good))
    return tuple(remark for some in found for remark in some)


def _about_length(params: M2p, clip: Clip, part: Item) -> Iterator[Remark]:
    duration_s = part.meta["frames"] / params.fps
    late_s = part.meta["start_s"] - clip.start_s
    if part.meta["shot"] == 0 and late_s > 1.5 / params.fps:
        detail = "the dance begins where picture and sound both do, after the clip's start"
        yield Remark("starts_late", detail, {"late_s": late_s})
    if duration_s < params.recommended_min_s:
        numbers = {"duration_s": duration_s, "recommended_min_s": params.recommended_min_s}
        yield Remark("shorter_than_recommended", "below m2p.recommended_min_s", numbers)
    if duration_s > params.recommended_max_s:
        numbers = {"duration_s": duration_s, "recommended_max_s": params.recommended_max_s}
        yield Remark("longer_than_recommended", "above m2p.recommended_max_s", numbers)
    missing_s = clip.end_s - part.meta["start_s"] - duration_s
    if part.meta["shot"] == part.meta["shots"] - 1 and missing_s > 1.5 / params.fps:
        yield Remark("sound_ends_early", "the sound ends before the picture, and the dance with it", {"missing_s": missing_s})


def _about_sound(params: M2p, clip: Clip, part: Item) -> Iterator[Remark]:
    if clip.audio_rate_hz < params.recommended_audio_hz:
        numbers = {"audio_hz": float(clip.audio_rate_hz), "recommended_audio_hz": float(params.recommended_audio_hz)}
        yield Remark("low_audio_rate", "the source's sound is below m2p.recommended_audio_hz", numbers)
    if part.meta["silent_s"] > _PAUSE_S:
        numbers = {"silent_s": part.meta["silent_s"], "allowed_s": _PAUSE_S}
        yield Remark("silence", "the music pauses", numbers)
    start_s, pulse = part.meta["start_s"] - clip.start_s, part.meta["pulse"]
    share = _speech_share(clip, start_s, start_s + part.meta["frames"] / params.fps)
    if pulse is not None and is_speech(pulse, share):
        numbers = {"pulse": pulse, "music_from_pulse": SPEECH_PULSE, "speech_share": share, "speech_from_share": SPEECH_SHARE}
        yield Remark("speech_not_music", "what is heard is speech without a clear beat, more than music", numbers)


def _about_picture(params: M2p, part: Item, good: int) -> Iterator[Remark]:
    meta = part.meta
    if not _is_whole(params, part):
        numbers = {"legs_share": round(_legs_share(part), 4), "upper_share": round(upper_share(params, part), 4)}
        yield Remark("legs_not_seen", "the legs are outside the picture or unsure; the arms are seen", numbers)
    if (share := upper_share(params, part)) < _MOSTLY:
        detail = "in some frames nobody is surely seen"
        yield Remark("body_leaves_picture", detail, {"upper_share": round(share, 4), "recommended_share": _MOSTLY})
    if not meta["views"]:
        yield Remark("no_face", "the dancer's face is never seen; the reference picture shows the body")
    elif not good:
        best = meta["views"][0]
        numbers = {"score": best["score"], "interocular_px": best["interocular_px"]}
        yield Remark("no_good_face", "no view of the face passes faces.min_score and faces.min_interocular_px", numbers)
    if meta["several_share"] > 0:
        numbers = {"people": float(meta["people"]), "share": meta["several_share"]}
        yield Remark("several_people", "more than one person is seen; the main dancer is followed", numbers)
    if meta["outside_share"] > 0:
        numbers = {"share": meta["outside_share"]}
        yield Remark("points_outside_window", "some points of the source lie outside what video.mp4 shows", numbers)
    if meta["window"]["side"] < params.resolution:
        numbers = {"window_px": float(meta["window"]["side"]), "resolution": float(params.resolution)}
        yield Remark("enlarged", "video.mp4 has more pixels than the source shows there", numbers)
