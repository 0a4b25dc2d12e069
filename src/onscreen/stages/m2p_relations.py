"""Which dances are of one dancer, and which to one song, by what was measured of them and by what labels say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from onscreen.faces.neighbours import close_pairs
from onscreen.faces.thresholds import auto_threshold
from onscreen.motion.songs import same_songs
from onscreen.records import SplitRow
from onscreen.stages.m2p_records import EMBEDDER, Dance
from onscreen.stages.m2p_ties import components


class Faces:
    """Who is one dancer: known people by their identity, everyone else by likeness. A relation of m2p_ties.

    Any two faces near enough are one dancer, whoever else is there: a mean over many (average link) could leave two such faces on two
    sides. A pair is held to the threshold of the one with more views, the stricter one. Two known people are never joined by likeness:
    data/identities, and a person's corrections, say that they are two.
    """

    def __init__(self, dances: Sequence[Dance], rows: Sequence[SplitRow | None]) -> None:
        names = [row.identity_id if row else "" for row in rows]
        number = {name: place for place, name in enumerate(dict.fromkeys(names))}
        self.known = np.array([number[name] if name else -1 for name in names], int)
        self.pairs = np.empty((2, 0), int)
        seen = np.array([index for index, dance in enumerate(dances) if dance.embedding is not None], int)
        if len(seen):
            views = np.array([dances[index].views for index in seen])
            embeddings = np.stack([dance.embedding for dance in dances if dance.embedding is not None])
            allowed = np.array([auto_threshold(EMBEDDER, count) for count in range(1, int(views.max()) + 1)])
            one, two, distance = close_pairs(embeddings, float(allowed.max()))
            alike = seen[np.stack([one, two])[:, distance <= allowed[np.maximum(views[one], views[two]) - 1]]]
            self.pairs = alike[:, (self.known[alike] < 0).any(axis=0)]

    def __call__(self, members: Sequence[int]) -> np.ndarray:
        """(M,) int: equal numbers are one dancer."""
        place = np.full(len(self.known), -1)
        place[np.asarray(members, int)] = np.arange(len(members))
        alike = place[self.pairs]
        known = self.known[np.asarray(members, int)]
        people = np.flatnonzero(known >= 0)
        edges = np.hstack([alike[:, (alike >= 0).all(axis=0)], np.stack([people, len(members) + known[people]])])
        return components(edges[0], edges[1], len(members) + int(self.known.max(initial=-1)) + 1)[: len(members)]


class Songs:
    """Which dances are to one song: by its sound, and by the title that labels give it. A relation of m2p_ties."""

    def __init__(self, dances: Sequence[Dance], titles: Mapping[str, str]) -> None:
        self.dances = dances
        self.titles = [" ".join(titles.get(dance.clip.source, "").split()) for dance in dances]

    def __call__(self, members: Sequence[int]) -> np.ndarray:
        """(M,) int: equal numbers are one song."""
        sounds: list[int | str] = same_songs([self.dances[index].song for index in members]).tolist()
        node = dict[int | str, int]()
        edges = [(place, node.setdefault(sound, len(members) + len(node))) for place, sound in enumerate(sounds)]
        for place, index in enumerate(members):
            if title := self.titles[index].casefold():
                edges.append((place, node.setdefault(title, len(members) + len(node))))
        one, two = np.array(edges, int).reshape(-1, 2).T
        return components(one, two, len(members) + len(node))[: len(members)]

    def names(self, labels: Mapping[int, int]) -> dict[int, str]:
        """Index -> name of its song: the first title in the alphabet, else one after the video with the smallest digest.

        labels: index -> number of its song.
        """
        songs = defaultdict[int, list[int]](list)
        for index, label in labels.items():
            songs[label].append(index)
        return {index: name for members in songs.values() for name in [self._name(members)] for index in members}

    def _name(self, members: Iterable[int]) -> str:
        titles = sorted({self.titles[index] for index in members} - {""})
        return titles[0] if titles else "song_" + min(self.dances[index].clip.source_sha256 for index in members)[:12]
