"""The published trial lists: every row parses, and embeddings named by their paths are scored end to end."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from onscreen.cli import app
from onscreen.errors import CorruptTable, InputError, MixedModelsError
from onscreen.matching.figures import Scoring
from onscreen.matching.trial_lists import (
    Embeddings,
    Gallery,
    OneOfTwo,
    Verification,
    embeddings_of,
    read_embeddings,
    read_list,
    score_trials,
)
from real_data import DATA, needs_real_data

QUICK = Scoring((1, 5), 50, 0)
TRIALS = DATA / "face_voice" / "trials"
COLUMNS = "id,voice-speaker-id,face-speaker-id,label,voice-path,face-path\n"


def people_at_random(*paths: list[str], signal: float) -> list[Embeddings]:
    """Embeddings of each list of paths, around a vector of each person (the path's first folder)."""
    random, centre = np.random.default_rng(0), {}
    found = []
    for names in paths:
        names = list(dict.fromkeys(names))
        vectors = [signal * centre.setdefault(n.split("/")[0], random.normal(size=16)) + random.normal(size=16) for n in names]
        found.append(embeddings_of("table", names, vectors))
    return found


@needs_real_data
def test_every_row_of_the_published_lists_parses() -> None:
    found = {path.name: read_list(path) for path in TRIALS.iterdir()}
    rows = {"jpg_20k.csv": 20_000, "wav_20k.csv": 20_000, "matching_f2v_U.csv": 10_000, "matching_v2f_U.csv": 10_000}
    rows |= {f"veriflist_test_{name}_unseenunheard.txt": 30_496 for name in ("random", "G")}
    for name, count in rows.items():
        part = found[name]
        paths = part.path if isinstance(part, Gallery) else part.asker if isinstance(part, OneOfTwo) else part.voice
        assert len(paths) == count
    assert found["matching_v2f_U.csv"].by_voice
    assert not found["matching_f2v_U.csv"].by_voice
    assert (found["wav_20k.csv"].voices, found["jpg_20k.csv"].voices) == (True, False)


@needs_real_data
def test_the_verification_lists_are_scored_as_scikit_learn_does() -> None:
    for name in ("random", "G"):
        path = TRIALS / f"veriflist_test_{name}_unseenunheard.txt"
        rows = read_list(path)
        assert isinstance(rows, Verification)
        faces, voices = people_at_random(rows.face, rows.voice, signal=0.7)
        found = score_trials([path], faces, voices, QUICK)
        scores = (voices.vectors[voices.of(rows.voice)] * faces.vectors[faces.of(rows.face)]).sum(axis=1)
        assert found["auc"]["value"] == pytest.approx(roc_auc_score(rows.same, scores), abs=1e-6)
        assert found["auc"]["low"] < found["auc"]["value"] < found["auc"]["high"]
        assert (found["status"], found["rows"], found["positives"], found["people"]) == ("ok", 30_496, 15_248, 250)


@needs_real_data
def test_the_1_to_2_lists_are_scored_and_chance_is_chance() -> None:
    for name in ("matching_f2v_U.csv", "matching_v2f_U.csv"):
        rows = read_list(TRIALS / name)
        assert isinstance(rows, OneOfTwo)
        sides = ([*rows.right, *rows.wrong], rows.asker) if rows.by_voice else (rows.asker, [*rows.right, *rows.wrong])
        found = score_trials([TRIALS / name], *people_at_random(*sides, signal=0.0), QUICK)["one_of_two"]
        assert found["value"] == pytest.approx(0.5, abs=0.02)


def retrieval_lists(folder: Path, people: int = 12, clips: int = 3) -> tuple[list[Path], list[list[str]]]:
    names = [[f"p{person}/{clip}.{end}" for person in range(people) for clip in range(clips)] for end in ("jpg", "wav")]
    paths = [folder / "jpg.csv", folder / "wav.csv"]
    for path, of in zip(paths, names, strict=True):
        path.write_text(f"VoxCeleb1 ID\t{path.stem}\n" + "".join(f"{name.split('/')[0]}\t{name}\n" for name in of))
    return paths, names


def test_retrieval_asks_every_row_of_one_list_in_the_other(tmp_path: Path) -> None:
    paths, names = retrieval_lists(tmp_path)
    sides = people_at_random(*names, signal=30.0)
    for order in (paths, paths[::-1]):
        found = score_trials(order, *sides, QUICK)
        assert (found["status"], found["rows"], found["face_to_voice"]["queries"]) == ("ok", 72, 36)
        assert found["voice_to_face"]["map"]["value"] == 1
        assert found["face_to_voice"]["top1"]["chance"] == pytest.approx(3 / 36)


def test_rows_without_embeddings_are_left_out_and_said(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    rows = [("a", "a"), ("a", "b"), ("b", "b"), ("b", "a"), ("c", "c"), ("c", "a")]
    path.write_text(COLUMNS + "".join(f"{at},{v},{f},{int(v == f)},{v}/1.wav,{f}/1.jpg\n" for at, (v, f) in enumerate(rows)))
    faces, voices = people_at_random([f"{p}/1.jpg" for p in "abc"], [f"{p}/1.wav" for p in "ab"], signal=9.0)
    found = score_trials([path], faces, voices, QUICK)
    assert (found["rows"], found["scored"], found["auc"]["value"], found["auc"]["low"]) == (6, 4, 1.0, None)
    assert "2 of 6 rows left out, 1 embeddings are missing (c/1.wav)" in found["status"]
    with pytest.raises(InputError, match="no row of the list can be scored"):
        score_trials([path], faces, people_at_random(["x/1.wav"], signal=1.0)[0], QUICK)
    with pytest.raises(MixedModelsError, match="not one joint space"):
        score_trials([path], faces, embeddings_of("t", ["a/1.wav"], [[1.0, 0.0]]), QUICK)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line"),
        ("a,b\n1,2\n", "the first line"),
        (f"{COLUMNS}1,2,2,1,v.wav\n", "line 2"),
        (f"{COLUMNS}1,2,2,0,v.wav,f.jpg\n", "line 2 says label 0 of speakers 2 and 2"),
        ("a.jpg b.wav c.wav\na.jpg b.wav c.jpg\n", "line 2 is not a picture and two sounds"),
        ("VoxCeleb1 ID\tjpg\nid1\n", "line 2"),
    ],
)
def test_a_line_in_no_published_format_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "list").write_text(text)
    with pytest.raises(CorruptTable, match=message):
        read_list(tmp_path / "list")
    with pytest.raises(InputError, match="cannot be read"):
        read_list(tmp_path / "none")


def test_tables_that_are_no_directions_of_one_length_or_name_one_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the embedding of b is not a direction"):
        embeddings_of("t", ["a", "b"], [[1.0, 0.0], [0.0, 0.0]])
    with pytest.raises(InputError, match="names 1 items twice"):
        embeddings_of("t", ["a", "a"], [[1.0, 0.0], [0.0, 1.0]])
    for vectors, told in (
        ([[1.0], [0.0, 1.0]], "different lengths"),
        ([[1.0], None], "different lengths"),
        ([["a"], ["b"]], "no lists of numbers"),
        ([1.0, 2.0], "no lists of numbers"),
        ([], "no lists of numbers|no embedding"),
    ):
        path = tmp_path / "table.parquet"
        pq.write_table(pa.table({"name": ["a", "b"][: len(vectors)], "embedding": vectors}), path)
        with pytest.raises(InputError, match=f"table.parquet.*({told})"):
            read_embeddings(path)
    pq.write_table(pa.table({"name": ["a", "b"], "embedding": [[3.0, 4.0], [0.0, 2.0]]}), path)
    assert read_embeddings(path).vectors.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 1]]


def test_the_command_reads_parquet_and_exits_with_1_where_rows_are_left_out(tmp_path: Path) -> None:
    paths, names = retrieval_lists(tmp_path)
    for name, side, of in zip(("faces", "voices"), people_at_random(*names, signal=30.0), names, strict=True):
        kept = of[1:] if name == "voices" else of
        vectors = side.vectors[side.of(kept)].tolist()
        pq.write_table(pa.table({"name": kept, "embedding": vectors}), tmp_path / f"{name}.parquet")
    options = [
        "--faces",
        f"{tmp_path}/faces.parquet",
        "--voices",
        f"{tmp_path}/voices.parquet",
        "--output",
        f"{tmp_path}/out.json",
    ]
    lists = [word for path in paths for word in ("--list", str(path))]
    done = CliRunner().invoke(app, ["evaluate", "trials", *lists, *options])
    assert done.exit_code == 1, done.output
    assert "71 of 72 rows" in done.output
    assert "1 of 36 rows left out" in done.output
    assert json.loads((tmp_path / "out.json").read_text())["scored"] == 71
    refused = CliRunner().invoke(app, ["evaluate", "trials", "--list", str(paths[0]), *options]).exception
    assert isinstance(refused, InputError)
    assert refused.exit_code == 2
