"""Made-up people whose faces and voices are related by a fixed linear map, or are not."""

from collections.abc import Sequence

import numpy as np

from onscreen.matching.data import Link, PairSet


def planted(people: int, *, clips: int = 2, seed: int = 0, first: int = 0, mel_bands: int = 0, noise: float = 0.1) -> PairSet:
    """People with a hidden trait of 8 values; a face is a 24-wide view of it, a voice a 32-wide one (or a mel of that look).

    The two views are the same for every seed, so that what is learned on some people holds for others.
    """
    views = np.random.default_rng(99)
    see, hear = views.normal(size=(8, 24)), views.normal(size=(8, mel_bands or 32))
    random = np.random.default_rng(seed)
    traits = random.normal(size=(people, 8))

    def items(view: np.ndarray, framed: bool) -> Sequence[np.ndarray]:
        made = []
        for trait in traits:
            for _ in range(clips):
                clean = trait @ view
                item = clean + noise * random.normal(size=clean.shape)
                if framed:
                    item = item[:, None] + random.normal(size=(len(item), random.integers(30, 60)))
                made.append(item.astype(np.float32))
        return made

    links = tuple(
        Link(person, person * clips + face, person * clips + voice, same_source=clips == 1)
        for person in range(people)
        for face in range(clips)
        for voice in range(clips)
        if face != voice or clips == 1
    )
    source = tuple(f"video{first + person}-{clip}" for person in range(people) for clip in range(clips))
    names = tuple(f"person{first + person:03d}" for person in range(people))
    return PairSet(names, items(see, False), items(hear, bool(mel_bands)), links, source, source)


NOBODY = PairSet((), [], [], (), (), ())
