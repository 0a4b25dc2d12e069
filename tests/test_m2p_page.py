"""onscreen m2p report: complete, self-contained, safe against what a dataset holds, never over a foreign file."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from m2p_folders import BEATS_S, write_metadata, write_sample
from onscreen.checks.sample import read_samples
from onscreen.errors import InputError
from onscreen.records import Reject
from onscreen.report import m2p_page
from onscreen.report.m2p_card import Card
from onscreen.report.m2p_page import default_output, measure_card, write_cards, write_page
from onscreen.store import write_table

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


class Elements(HTMLParser):
    """Every element with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def plain(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three samples, one without its points, names and labels that try to be more than text; two dances of one song on two sides."""
    root = tmp_path_factory.mktemp("sets") / "a set"
    for label in ("train/a #1?", "train/b", "validation/a&b"):
        write_sample(root / label)
    (root / "train" / "b" / "pose_annotations.json").unlink()
    beats = {"music": {"beats_s": BEATS_S}}
    told = {
        **beats,
        "identity": HOSTILE,
        "song": "song_1",
        "complete": False,
        "missing": ["face_embedding"],
        "labels": {HOSTILE: HOSTILE},
    }
    entries = [{"folder": label, **told} for label in ("train/a #1?", "train/b", "validation/a&b")]
    entries[2]["identity"] = "id_2"
    write_metadata(root, *entries)
    rejects = [Reject(f"c{number}", "m2p", "dance", "no_audio", HOSTILE) for number in range(3)]
    write_table(root / "rejects.parquet", Reject, [*rejects, Reject("d", "m2p", "dance", "silent", "x")])
    return root


@pytest.fixture(scope="module")
def page(dataset: Path) -> str:
    assert write_page(dataset, dataset / "report.html") == [dataset / "report.html"]
    return (dataset / "report.html").read_text()


def test_counts_reasons_and_what_is_on_both_sides_are_told(page: str) -> None:
    text = plain(page)
    assert "train 2 2.0 1 1" in text
    assert "validation 1 1.0 1 1" in text
    assert "1 songs on both sides" in text
    assert "0 of 3 samples are complete: 3 without face_embedding." in text
    assert text.index("no_audio 3") < text.index("silent 1")
    assert "Missing: pose_annotations.json: is missing." in text


def test_every_file_that_the_page_names_is_there(dataset: Path, page: str) -> None:
    elements = Elements(page)
    links = [attributes["src"] or "" for tag in ("video", "img") for attributes in elements.of(tag)]
    paths = {unquote(link) for link in links if not link.startswith("data:")}
    assert paths == {
        f"{label}/{name}"
        for label in ("train/a #1?", "train/b", "validation/a&b")
        for name in ("video.mp4", "reference_image.jpg")
    }
    assert all((dataset / path).is_file() for path in paths)
    assert len(elements.of("canvas")) == 2


def test_nothing_is_fetched_from_elsewhere_and_videos_wait_until_they_are_seen(page: str) -> None:
    elements = Elements(page)
    assert not re.search(r"https?:|//\w+\.\w", page)
    assert not elements.of("link") + elements.of("iframe")
    assert all(attributes["preload"] == "none" and "controls" in attributes for attributes in elements.of("video"))


def test_names_and_labels_stay_text_and_no_script_runs_but_the_pages_own(page: str) -> None:
    elements = Elements(page)
    assert elements.of("script") == [{}]
    assert not [name for _, attributes in elements.found for name in attributes if name.startswith("on")]
    policy = next(attributes["content"] for attributes in elements.of("meta") if "http-equiv" in attributes) or ""
    [script] = re.findall("<script>(.*?)</script>", page, re.DOTALL)
    allowed = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{allowed}'" in policy
    assert "default-src 'none'" in policy
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_same_dataset_gives_the_same_page_and_one_elsewhere_leads_to_the_dataset(dataset: Path, page: str) -> None:
    output, samples = dataset.parent / "pages" / "dances.html", read_samples(dataset)
    write_cards(dataset, output, samples, [Card(**measure_card(sample).meta) for sample in samples])
    [first, *_] = Elements(output.read_text()).of("video")
    assert (output.parent / unquote(first["src"] or "")).is_file()
    assert output.read_text().replace("../a%20set/", "") == page


def test_a_folder_of_another_tool_gives_a_page_that_says_what_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "train" / "x").mkdir(parents=True)
    (tmp_path / "metadata.json").write_text("no JSON")
    (tmp_path / "rejects.parquet").write_text("no table")
    write_page(tmp_path, tmp_path / "report.html")
    text = plain((tmp_path / "report.html").read_text())
    assert "train 1 0.0 not stated not stated" in text
    assert "no metadata.json names these samples" in text
    assert "rejects.parquet cannot be read" in text
    assert "Missing: video.mp4: the file cannot be read: No such file or directory." in text


def test_many_samples_are_spread_over_pages_and_earlier_pages_vanish(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, samples = tmp_path / "report.html", read_samples(dataset)
    cards = [Card(sample.label) for sample in samples]
    monkeypatch.setattr(m2p_page, "_A_PAGE", 1)
    paths = write_cards(dataset, output, samples, cards)
    assert [path.name for path in paths] == ["report.html", "report_2.html", "report_3.html"]
    pages = [path.read_text() for path in paths]
    assert [text.count("<article") for text in pages] == [1, 1, 1]
    assert [link["href"] for link in Elements(pages[1]).of("a") if "report" in (link["href"] or "")] == [
        "report.html",
        "report_3.html",
    ]
    monkeypatch.setattr(m2p_page, "_A_PAGE", 2)
    write_cards(dataset, output, samples, cards)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report_2.html"]


def test_a_page_holds_so_many_bytes_at_most() -> None:
    cards = [Card(str(number), points="x" * 5_000_000) for number in range(5)]
    assert [len(part) for part in m2p_page._parts(cards)] == [2, 2, 1]


def test_a_checkouts_own_dances_stay_as_they_are_because_dvc_counts_what_lies_there(tmp_path: Path) -> None:
    assert default_output(tmp_path / "data" / "m2p") == tmp_path / "data" / "m2p" / "report.html"
    (tmp_path / "dvc.yaml").touch()
    assert default_output(tmp_path / "data" / "m2p") == tmp_path / "reports" / "m2p.html"
    assert default_output(tmp_path / "dances") == tmp_path / "dances" / "report.html"


def test_what_somebody_else_wrote_is_not_written_over(dataset: Path, tmp_path: Path) -> None:
    output = tmp_path / "report.html"
    output.write_text("mine")
    with pytest.raises(InputError, match="is no page of this command"):
        write_page(dataset, output)
    assert output.read_text() == "mine"
    for folder, why in ((tmp_path / "none", "no such folder"), (tmp_path, "neither train/ nor validation/")):
        with pytest.raises(Exception, match=why):
            write_page(folder, tmp_path / "new.html")


def test_the_script_draws_the_points_as_they_are_packed(page: str) -> None:
    figure = json.loads(Elements(page).of("main")[0]["data-figure"] or "")
    assert (len(figure["dots"]), figure["scale"]) == (134, 4)
    assert all(0 <= first < 134 and 0 <= second < 134 for first, second, _ in figure["bones"])
