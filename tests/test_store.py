"""Tables and files are written whole or not at all."""

import math
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onscreen.errors import CorruptTable, InputError
from onscreen.records import Clip, Face, Reject
from onscreen.store import atomic_folder, atomic_path, read_table, schema_of, write_csv, write_json, write_table
from records_of import row


def test_rows_come_back_as_they_went(tmp_path):
    clip = row(Clip, clip_id="비디오 🎬", loudness_lufs=None, audio=None, speech_start_s=(0.5, 2.0), flags=("no_audio",))
    reject = Reject("a", "prepare", "clip", "too_short", "0.5 s", {"duration_s": 0.5, "min_clip_s": 1.0})
    write_table(tmp_path / "clips.parquet", Clip, [clip])
    write_table(tmp_path / "rejects.parquet", Reject, [reject])
    assert read_table(tmp_path / "clips.parquet", Clip) == [clip]
    assert read_table(tmp_path / "rejects.parquet", Reject) == [reject]


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=8))
def test_embeddings_come_back_to_the_bit(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("faces") / "faces.parquet"
    face = row(Face, embedding=np.array(values, np.float32))
    write_table(path, Face, [face])
    back = read_table(path, Face)[0].embedding
    assert back.dtype == np.float32
    assert back.tobytes() == face.embedding.tobytes()


def test_an_empty_table_keeps_its_columns(tmp_path):
    write_table(tmp_path / "faces.parquet", Face, [])
    assert read_table(tmp_path / "faces.parquet", Face) == []


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_table(tmp_path / name, Reject, [Reject("x", "s", "clip", "c", "d", {"b": 1.0, "a": 2.0})])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_missing_column_is_named(tmp_path):
    write_table(tmp_path / "t.parquet", Reject, [])
    with pytest.raises(CorruptTable, match="clip_id"):
        read_table(tmp_path / "t.parquet", Clip)


def test_a_missing_table_says_how_to_make_it(tmp_path):
    with pytest.raises(InputError, match="dvc repro"):
        read_table(tmp_path / "none.parquet", Clip)


def test_only_optional_columns_are_nullable():
    schema = schema_of(Clip)
    assert [name for name in schema.names if schema.field(name).nullable] == ["audio", "loudness_lufs"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_json_refuses_what_json_cannot_say_and_leaves_no_file(tmp_path, value):
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "m.json", {"auc": value})
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "f.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_whole_or_stays(tmp_path):
    path = tmp_path / "out"
    with atomic_folder(path) as folder:
        (folder / "a").write_text("1")
    with pytest.raises(RuntimeError), atomic_folder(path) as folder:
        raise RuntimeError
    assert [file.name for file in path.iterdir()] == ["a"]
    with atomic_folder(path) as folder:
        (folder / "b").write_text("2")
    assert [file.name for file in path.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_csv_keeps_floats_leaves_what_is_not_there_empty_and_quotes(tmp_path):
    path = tmp_path / "folder" / "x.csv"
    write_csv(path, ("name", "value"), [("a,b", 0.1 + 0.2), ("c", None)])
    assert path.read_bytes() == b'name,value\n"a,b",0.30000000000000004\nc,\n'
    write_csv(path, ("name", "value"), [("a,b", 1)], delimiter="\t")
    assert path.read_bytes() == b"name\tvalue\na,b\t1\n"


def test_numbers_of_any_count_come_back_from_a_table_of_several_row_groups(tmp_path):
    @dataclass(frozen=True)
    class Vector:
        name: str
        values: np.ndarray

    rows = [Vector(str(number), np.arange(number % 4, dtype=np.float32) + number) for number in range(50)]
    write_table(tmp_path / "whole.parquet", Vector, rows)
    pq.write_table(pq.read_table(tmp_path / "whole.parquet"), tmp_path / "parts.parquet", row_group_size=7)
    found = read_table(tmp_path / "parts.parquet", Vector)
    assert [row.values.tolist() for row in found] == [row.values.tolist() for row in rows]
    assert {row.values.dtype for row in found} == {np.dtype(np.float32)}


def test_reading_a_table_does_not_load_pandas(tmp_path):
    write_table(tmp_path / "faces.parquet", Face, [])
    code = """
import sys
from pathlib import Path
from onscreen.records import Face
from onscreen.store import read_table
read_table(Path(sys.argv[1]), Face)
sys.exit("pandas" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "faces.parquet")], check=False).returncode == 0


def test_a_table_written_in_pieces_is_the_same_and_none_is_left_by_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr("onscreen.store._GROUP_ROWS", 3)
    faces = [row(Face, face_id=str(number), embedding=np.full(2, number, np.float32)) for number in range(8)]
    write_table(tmp_path / "faces.parquet", Face, faces)
    with pq.ParquetFile(tmp_path / "faces.parquet") as file:
        assert file.num_row_groups == 3
    assert [(face.face_id, face.embedding[0]) for face in read_table(tmp_path / "faces.parquet", Face)] == [
        (str(number), number) for number in range(8)
    ]

    def broken():
        yield from faces
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_table(tmp_path / "faces.parquet", Face, broken())
    assert len(read_table(tmp_path / "faces.parquet", Face)) == 8
    assert [path.name for path in tmp_path.iterdir()] == ["faces.parquet"]
