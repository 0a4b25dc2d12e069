"""A square of each decoded frame, at another size, without a way over RGB: the shortest way from one video to another.

What is outside the picture is black. Colours stay as they are coded, and the frames carry the source's tags; only the range becomes
the limited one that every player expects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from onscreen.media.container import quarter_turns
from onscreen.media.video import Decoded

# libavutil's numbers of the matrices whose names its scale filter knows; frames of others keep their numbers and lose the tag.
_MATRICES = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020"}
_UNSPECIFIED, _LIMITED = 2, 1


@dataclass
class Cropper:
    """Cuts one square out of the frames of one stream.

    x, y, side: of the square in the upright picture with square pixels, px; x and y are even where they are negative. resolution: side
    of what comes out, px, even.
    """

    x: int
    y: int
    side: int
    resolution: int
    _kind: tuple[Any, ...] | None = field(default=None, init=False)
    _graph: Any = field(default=None, init=False)

    def __call__(self, decoded: Decoded) -> Any:
        """An av.VideoFrame of resolution x resolution, yuv420p."""
        frame = decoded.frame
        matrix = _MATRICES.get(frame.colorspace)
        kind = (frame.width, frame.height, frame.format.name, matrix, quarter_turns(frame))
        if kind != self._kind:
            self._kind, self._graph = kind, self._open(decoded, matrix or "bt601")
        self._graph.vpush(frame)
        square = self._graph.vpull()
        square.colorspace, square.color_range = frame.colorspace if matrix else _UNSPECIFIED, _LIMITED
        square.color_primaries, square.color_trc = frame.color_primaries, frame.color_trc
        return square

    def _open(self, decoded: Decoded, matrix: str) -> Any:
        import av

        frame = decoded.frame
        graph = av.filter.Graph()
        last = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format.name, time_base=frame.time_base)
        for name, arguments in self._chain(decoded, f"in_color_matrix={matrix}:out_color_matrix={matrix}:out_range=limited"):
            following = graph.add(name, arguments)
            last.link_to(following)
            last = following
        last.link_to(graph.add("buffersink"))
        graph.configure()
        return graph

    def _chain(self, decoded: Decoded, colours: str) -> list[tuple[str, str]]:
        width, height = decoded.width, decoded.height
        chain = [("scale", f"{width}:{height}:{colours}")] if width != decoded.frame.width else []
        turns = quarter_turns(decoded.frame)
        chain += {0: [], 1: [("transpose", "cclock")], -1: [("transpose", "clock")], 2: [("hflip", ""), ("vflip", "")]}[turns]
        if turns % 2:
            width, height = height, width
        left, top = max(0, self.x), max(0, self.y)
        right, bottom = min(width, self.x + self.side), min(height, self.y + self.side)
        if (right - left, bottom - top) != (width, height):
            chain.append(("crop", f"{right - left}:{bottom - top}:{left}:{top}:exact=1"))
        return [*chain, *self._fitted(right - left, bottom - top, left - self.x, top - self.y, colours), ("format", "yuv420p")]

    def _fitted(self, width: int, height: int, left: int, top: int, colours: str) -> list[tuple[str, str]]:
        """Scale and pad. Scaling first is cheaper, and possible where the bars then end on whole, even pixels."""
        flags = f"flags={'area' if self.side > self.resolution else 'bicubic'}:{colours}"
        pixels = [length * self.resolution for length in (width, height, left, top)]
        if all(pixel % (2 * self.side) == 0 for pixel in pixels):
            scaled = [pixel // self.side for pixel in pixels]
            square = f"{self.resolution}:{self.resolution}:{scaled[2]}:{scaled[3]}:black"
            pad = [("pad", square)] if scaled[:2] != [self.resolution] * 2 else []
            return [("scale", f"{scaled[0]}:{scaled[1]}:{flags}"), *pad]
        pad = [("pad", f"{self.side}:{self.side}:{left}:{top}:black")] if (width, height) != (self.side, self.side) else []
        return [*pad, ("scale", f"{self.resolution}:{self.resolution}:{flags}")]
