"""Photos are read as a person sees them; what is none is a reject with a name."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from onscreen.errors import Rejected
from onscreen.media.images import MAX_SIDE_PX, read_image

HEIGHT, WIDTH = 48, 64
RED, GREEN, BLUE, GREY = (200, 30, 30), (30, 200, 30), (30, 30, 200), (128, 128, 128)


def quarters() -> Image.Image:
    """Red, green above; blue, grey below: no two turns or mirrorings of it are alike."""
    pixels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    half, middle = HEIGHT // 2, WIDTH // 2
    pixels[:half, :middle], pixels[:half, middle:] = RED, GREEN
    pixels[half:, :middle], pixels[half:, middle:] = BLUE, GREY
    return Image.fromarray(pixels)


def corners(pixels: np.ndarray) -> list[tuple[int, ...]]:
    height, width = pixels.shape[:2]
    places = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [tuple(int(value) for value in pixels[place]) for place in places]


def looks_right(pixels: np.ndarray, tolerance: int = 12) -> bool:
    wanted = np.array([RED, GREEN, BLUE, GREY])
    return pixels.dtype == np.uint8 and bool(np.abs(np.array(corners(pixels)) - wanted).max() <= tolerance)


def code_of(path: Path) -> str:
    with pytest.raises(Rejected) as caught:
        read_image(path)
    assert caught.value.detail
    return caught.value.code


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif", ".jp2", ".avif"])
def test_every_common_format_is_read(tmp_path: Path, suffix: str) -> None:
    quarters().save(tmp_path / f"a{suffix}")
    pixels = read_image(tmp_path / f"a{suffix}")
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert looks_right(pixels)


def test_the_bytes_count_and_not_the_name(tmp_path: Path) -> None:
    quarters().save(tmp_path / "a.jpg", format="PNG")
    assert looks_right(read_image(tmp_path / "a.jpg"), 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_undone(tmp_path: Path, orientation: int) -> None:
    stored = quarters()
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        wanted = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(read_image(tmp_path / "a.png"), wanted)


def test_a_broken_exif_block_says_nothing(tmp_path: Path) -> None:
    quarters().save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12")
    assert looks_right(read_image(tmp_path / "a.jpg"))


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_is_read_in_the_right_sense(tmp_path: Path, suffix: str) -> None:
    quarters().convert("CMYK").save(tmp_path / f"a{suffix}")
    assert looks_right(read_image(tmp_path / f"a{suffix}"), 20)


def test_adobes_inverted_cmyk_is_read_in_the_right_sense(tmp_path: Path) -> None:
    quarters().convert("CMYK").save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    assert b"Adobe" in data, "Pillow writes CMYK as Adobe does"
    assert looks_right(read_image(tmp_path / "a.jpg"), 20)
    start = data.index(b"\xff\xee")
    length = struct.unpack(">H", data[start + 2 : start + 4])[0]
    (tmp_path / "plain.jpg").write_bytes(data[:start] + data[start + 2 + length :])
    without_mark = read_image(tmp_path / "plain.jpg")
    assert not looks_right(without_mark, 20), "without Adobe's mark the same values mean the opposite"
    assert without_mark.mean() < 60, "RGB's opposite in CMYK has more ink"


def test_16_bit_grey_keeps_its_tones(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)
    for suffix in (".png", ".tif"):
        Image.fromarray(ramp.astype(np.uint16)).save(tmp_path / f"a{suffix}")
        pixels = read_image(tmp_path / f"a{suffix}")
        assert np.abs(pixels - (ramp / 257)[..., None]).max() <= 1


def test_16_bit_colour_keeps_its_tones(tmp_path: Path) -> None:
    values = np.asarray(quarters()).astype(np.uint16) * 257
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(png(chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows))))
    assert looks_right(read_image(tmp_path / "a.png"), 1)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join([*chunks, chunk(b"IEND", b"")])


def test_grey_black_and_white_and_palettes_become_rgb(tmp_path: Path) -> None:
    for mode in ("L", "1", "P"):
        quarters().convert(mode).save(tmp_path / "a.png")
        assert read_image(tmp_path / "a.png").shape == (HEIGHT, WIDTH, 3)
    quarters().quantize(8).save(tmp_path / "palette.png")
    assert looks_right(read_image(tmp_path / "palette.png"))


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    glass = quarters().convert("RGBA")
    glass.putalpha(0)
    glass.save(tmp_path / "rgba.png")
    assert read_image(tmp_path / "rgba.png").min() == 255
    quarters().quantize(8).save(tmp_path / "palette.png", transparency=0)
    pixels = read_image(tmp_path / "palette.png")
    assert sum(corner == (255, 255, 255) for corner in corners(pixels)) == 1
    quarters().convert("LA").save(tmp_path / "la.png")
    assert read_image(tmp_path / "la.png").max() < 255


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_an_animation_is_no_photo(tmp_path: Path, suffix: str) -> None:
    frames = [quarters(), ImageOps.mirror(quarters())]
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:])
    assert code_of(tmp_path / f"a{suffix}") == "animated"


def test_a_gif_of_one_picture_is_a_photo(tmp_path: Path) -> None:
    quarters().save(tmp_path / "a.gif")
    assert looks_right(read_image(tmp_path / "a.gif"))


@pytest.mark.parametrize("kind", ["MPO", "TIFF"])
def test_of_several_photos_in_a_file_the_first_counts(tmp_path: Path, kind: str) -> None:
    quarters().save(tmp_path / "a.jpg", format=kind, save_all=True, append_images=[ImageOps.flip(quarters())])
    assert looks_right(read_image(tmp_path / "a.jpg"))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_40_megapixels_are_made_smaller(tmp_path: Path, suffix: str) -> None:
    size = (7300, 5480)
    assert size[0] * size[1] > 40e6
    quarters().resize(size, Image.Resampling.NEAREST).save(tmp_path / f"a{suffix}")
    pixels = read_image(tmp_path / f"a{suffix}")
    assert max(pixels.shape) == MAX_SIDE_PX
    assert pixels.shape[0] == pytest.approx(MAX_SIDE_PX * size[1] / size[0], abs=1)
    assert looks_right(pixels)


def test_a_line_of_pixels_stays_a_line(tmp_path: Path) -> None:
    Image.new("RGB", (60_000, 1), GREY).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").shape == (1, MAX_SIDE_PX, 3)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    for side in (12_000, 50_000):
        head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        (tmp_path / "a.png").write_bytes(png(chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(bytes(1000)))))
        assert code_of(tmp_path / "a.png") == "too_many_pixels"


def test_no_bytes_are_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert code_of(tmp_path / "a.jpg") == "empty_file"


def test_a_text_is_not_an_image_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("a text")
    assert code_of(tmp_path / "a.jpg") == "not_an_image"


def test_a_page_that_would_run_a_program_is_not_opened(tmp_path: Path) -> None:
    quarters().save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.jpg")
    assert code_of(tmp_path / "a.jpg") == "not_an_image"


def test_what_cannot_be_read_here_is_unsupported(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert code_of(tmp_path / "a.heic") == "unsupported"
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.float32)).save(tmp_path / "a.tif")
    assert code_of(tmp_path / "a.tif") == "unsupported"
    quarters().convert("LAB").save(tmp_path / "lab.tif")
    assert code_of(tmp_path / "lab.tif") == "unsupported"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".gif", ".bmp", ".tif"])
def test_half_a_file_is_truncated_or_corrupt(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / f"a{suffix}")
    data = (tmp_path / f"a{suffix}").read_bytes()
    (tmp_path / f"a{suffix}").write_bytes(data[: len(data) // 2])
    assert code_of(tmp_path / f"a{suffix}") in {"truncated", "corrupt", "not_an_image"}
    if suffix == ".jpg":
        assert code_of(tmp_path / f"a{suffix}") == "truncated"


def test_a_file_that_may_not_be_read_is_no_verdict_on_the_picture(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"gone\.jpg"):
        read_image(tmp_path / "gone.jpg")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    found = {}
    for suffix in (".jpg", ".png", ".webp", ".gif", ".bmp", ".tif", ".jp2", ".avif"):
        exif = Image.Exif()
        exif[0x0112] = 6
        options = {"exif": exif} if suffix in (".jpg", ".png", ".webp", ".tif") else {}
        quarters().save(folder / f"a{suffix}", **options)
        found[suffix] = (folder / f"a{suffix}").read_bytes()
    return found


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_is_damaged_is_a_picture_or_a_reject(
    whole: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    suffix = data.draw(st.sampled_from(sorted(whole)))
    damaged = bytearray(whole[suffix])
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
    path.write_bytes(damaged[: data.draw(st.integers(1, len(damaged)))])
    try:
        pixels = read_image(path)
    except Rejected as rejected:
        outcome = rejected.code
    else:
        outcome = f"{pixels.dtype} {pixels.ndim}"
    known = {"not_an_image", "unsupported", "too_many_pixels", "animated", "truncated", "corrupt", "uint8 3"}
    assert outcome in known
