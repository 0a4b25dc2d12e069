"""The ledger keeps what it knows, refuses what it cannot read, and grows only by what is new."""

import pytest

from onscreen.errors import InputError
from onscreen.ledger import LedgerRow, freeze, read_ledger, write_ledger
from onscreen.records import Identity, SplitRow
from records_of import row


def test_it_comes_back_as_it_went(tmp_path):
    ledger = {key: LedgerRow(key, f'비,"{key}"', "id_1", "train") for key in ("a", "b")}
    write_ledger(tmp_path / "ledger.csv", ledger)
    assert read_ledger(tmp_path / "ledger.csv") == ledger


def test_known_rows_never_change_and_quarantined_faces_stay_out():
    known = {"k1": LedgerRow("k1", "a", "id_old", "test")}
    identities = [
        row(Identity, face_id=name, ledger_id="id_new", face_key=f"k{number}") for number, name in enumerate(["a", "b", "c"], 1)
    ]
    splits = [
        row(SplitRow, face_id="a", split="train"),
        row(SplitRow, face_id="b", split="train"),
        row(SplitRow, face_id="c", split="quarantine"),
    ]
    grown = freeze(known, identities, splits)
    assert grown == {**known, "k2": LedgerRow("k2", "b", "id_new", "train")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("face,identity\n", "must begin with"),
        ("face_key,face_id,identity_id,split\nk,a,id,left\n", "line 2.*'left'.*train, val, test"),
        ("face_key,face_id,identity_id,split\nk,a,id\n", "line 2.*4 values"),
        ("face_key,face_id,identity_id,split\nk,a,id,train\nk,a,id,train\n", "line 3.*twice"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, text, message):
    (tmp_path / "ledger.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_ledger(tmp_path / "ledger.csv")


def test_a_missing_ledger_says_what_an_empty_one_holds(tmp_path):
    with pytest.raises(InputError, match="face_key,face_id,identity_id,split"):
        read_ledger(tmp_path / "ledger.csv")
