"""What the flags of a voice mean, in words, and the limits behind them."""

from __future__ import annotations

STILL = 0.01  # movement of a mouth; a still picture has 0.000 to 0.004, the least of 30 real clips of people who speak 0.015
# Correlation of lips and loudness below which nothing speaks for them. It misses most of what it should find: of 30 real clips none lies
# below it (the least 0.06), of 870 pairs of a face and the voice of another one 17 in 100 do (the same clips chose it).
LOOSE = 0.05
SEVERAL_PEOPLE = "several_people"
_REJECTS = ("several_voices", "not_the_speaker", "several_speakers")
_FREE = "a sign only, the voice stays"
_MEANINGS = {
    "lips_do_not_move": f"the mouth's opening varies by less than {STILL:g} of the distance of the eyes, as in a still picture",
    "lips_do_not_follow_the_voice": f"score, the correlation of mouth and loudness, is below {LOOSE:g}: another may be heard",
    "not_looked_at": "nothing is known of the lips",
    "voice_not_measured": "it was not compared whether one person speaks or two",
}


def costs_nothing(flag: str) -> bool:
    """Whether a voice is kept all the same."""
    return flag.split(":")[0] not in (SEVERAL_PEOPLE, *_REJECTS)


def meaning(flag: str) -> str:
    """A flag in words, with the limit that was compared with, and what it costs. flag: a code, some with ":" and a reason."""
    code = flag.split(":")[0]
    if code in _REJECTS:
        return "the voice is given to nobody; the reject has the numbers and the limit"
    if code == SEVERAL_PEOPLE:
        return "more than one person is in the picture: the voice is the main person's only where light_asd hears them alone"
    return f"{_MEANINGS[code]}; {_FREE}"
