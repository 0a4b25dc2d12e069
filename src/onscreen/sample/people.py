"""The people of the sample: which faces each is blended from, which voice it has, what it says. None of them exists.

The pairs are the ones, among all that look like one face, whose closest two lie farthest apart under dlib's embedding; the voices
likewise under Resemblyzer's. docs/sample.md has the distances.
"""

from __future__ import annotations

from dataclasses import dataclass

from onscreen.sample.voices import Voice

CLIPS_EACH = 3


@dataclass(frozen=True)
class Person:
    """host, donor: keys of sources.FACES. shape, texture: the donor's share, 0-1. sentences: one a clip."""

    name: str
    host: str
    donor: str
    shape: float
    texture: float
    voice: Voice
    sentences: tuple[str, ...]


_BLENDS = (
    ("group_1", "group_3", 0.5, 0.6),
    ("group_3", "astronaut", 0.8, 0.6),
    ("group_3", "group_2", 0.8, 0.6),
    ("group_3", "group_6", 0.6, 0.75),
    ("group_3", "portrait", 0.6, 0.75),
    ("group_4", "group_3", 0.7, 0.8),
    ("group_4", "officer", 0.6, 0.75),
    ("group_6", "group_1", 0.8, 0.6),
    ("group_6", "group_2", 0.5, 0.6),
    ("astronaut", "group_2", 0.5, 0.6),
    ("astronaut", "group_4", 0.7, 0.8),
    ("astronaut", "officer", 0.5, 0.6),
    ("astronaut", "portrait", 0.8, 0.6),
    ("officer", "group_2", 0.8, 0.6),
    ("officer", "group_6", 0.7, 0.8),
    ("officer", "portrait", 0.7, 0.8),
)

_VOICES = (
    Voice("Mario", 60, 150),
    Voice("aunty", 35, 150),
    Voice("announcer", 35, 150),
    Voice("iven", 35, 150),
    Voice("zac", 60, 150),
    Voice("travis", 35, 150),
    Voice("Andrea", 60, 150),
    Voice("Lee", 60, 150),
    Voice("steph3", 60, 150),
    Voice("Marco", 60, 150),
    Voice("benjamin", 60, 150),
    Voice("ian", 35, 150),
    Voice("anika", 60, 150),
    Voice("klatt", 60, 150),
    Voice("norbert", 35, 150),
    Voice("pablo", 60, 150),
)

_SENTENCES = (
    "The ferry leaves the old harbour at seven and returns long before midnight.",
    "My neighbour planted three small apple trees behind the red stone wall.",
    "Nobody in the village remembered when the clock had last been repaired.",
    "She keeps every letter from her brother in a blue tin under the stairs.",
    "Please write the number of the parcel on both sides of the yellow form.",
    "A cold wind came down from the hills and shook the windows all evening.",
    "We measured the garden twice and found a different answer every time.",
    "The baker opens early because the fishermen like their bread still warm.",
    "Two grey horses stood in the rain and looked over the broken fence.",
    "He learned to play the violin from a retired captain in a tiny kitchen.",
    "On quiet mornings you can hear the river from the top of the tower.",
    "The library lends umbrellas whenever the sky over the square grows dark.",
    "Their grandmother tells the story of the winter when the lake froze over.",
    "Every map of this island shows a road that was never really built.",
    "I left my gloves on the bench beside the fountain near the station.",
    "The gardener waters the roses at dawn and the beans late in the day.",
    "There was just enough paint left over to finish the kitchen door.",
    "A young engineer explained how the bridge bends when the trains cross it.",
    "The children counted fourteen boats before the fog covered the bay.",
    "Her uncle repairs watches and never arrives anywhere on time himself.",
    "We drank our tea on the roof and waited for the first evening star.",
    "The museum keeps a room of broken things that nobody dares to mend.",
    "He folded the newspaper carefully and put it back beneath his chair.",
    "Green lamps along the canal show the boats where the water is deep.",
    "The teacher drew a circle so perfect that the whole class applauded.",
    "My cousin sells honey, candles and good advice at the weekly market.",
    "After the storm the beach was covered with driftwood and old rope.",
    "The night train stops here only when somebody waves a white lantern.",
    "They painted their house orange so that the postman would find it.",
    "A single candle in the window was enough to guide him home again.",
    "The cook tasted the soup, frowned, and added another pinch of salt.",
    "Snow on the southern pass usually melts before the end of April.",
    "The choir rehearses on Thursdays in a hall above the fire station.",
    "Someone has to feed the ducks while the keeper is away in August.",
    "The carpenter measured the narrow doorway and quietly shook his head.",
    "Our old dog sleeps in the hallway and dreams about chasing bicycles.",
    "The lighthouse was automated years ago, but the keeper never moved out.",
    "You will find the spare key beneath the third flowerpot from the left.",
    "The orchestra tuned its instruments while the audience was still talking.",
    "An early frost ruined the grapes but made the pears remarkably sweet.",
    "The tailor pinned the sleeve and asked me to raise both of my arms.",
    "Seven wooden steps lead down from the terrace to the landing stage.",
    "She sketched the harbour in charcoal before the last boat had gone.",
    "The valley has its own weather, its own bread and its own patience.",
    "He polished the brass telescope until it shone like a new coin.",
    "The bus driver knows every passenger and most of their birthdays.",
    "A narrow path winds between the vineyards up to the ruined chapel.",
    "They agreed to meet again under the big oak on the first of May.",
)

PEOPLE = tuple(
    Person(f"p{number:02d}", *blend, voice, _SENTENCES[CLIPS_EACH * (number - 1) : CLIPS_EACH * number])
    for number, (blend, voice) in enumerate(zip(_BLENDS, _VOICES, strict=True), 1)
)
