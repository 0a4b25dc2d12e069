"""Downloads from a real server that drops, refuses, lies and falls silent."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from onscreen.errors import WeightsError
from onscreen.weights_http import Patience, download
from weights_cases import MODEL, QUICK, Site, serving

HALF = len(MODEL) // 2
REST = f"bytes={HALF}-"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as running:
        running.files["/model"] = MODEL
        yield running


class Taker:
    """Takes the file when it is the right one."""

    def __init__(self, right: bytes = MODEL) -> None:
        self.right, self.taken, self.origin = right, b"", ""

    def __call__(self, path: Path, url: str) -> None:
        if path.read_bytes() != self.right:
            raise WeightsError("another file")
        self.taken, self.origin = path.read_bytes(), url


def test_a_file_arrives_and_nothing_else_is_left(site: Site, tmp_path: Path) -> None:
    take = Taker()
    download([site.url("/model")], tmp_path, take, known=True, patience=QUICK)
    assert (take.taken, take.origin) == (MODEL, site.url("/model"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", ["drop", "hang"])
def test_a_connection_that_breaks_in_the_middle_goes_on_from_there(site: Site, tmp_path: Path, fault: str) -> None:
    site.faults = [fault]
    take = Taker()
    download([site.url("/model")], tmp_path, take, known=True, patience=QUICK)
    assert take.taken == MODEL
    assert site.asked == [("/model", ""), ("/model", REST)]


def test_the_rest_is_asked_for_through_a_redirect_too(site: Site, tmp_path: Path) -> None:
    site.moved = {"/release": "/model"}
    site.faults = ["drop"]
    take = Taker()
    download([site.url("/release")], tmp_path, take, known=True, patience=QUICK)
    assert (take.taken, take.origin) == (MODEL, site.url("/release"))
    assert site.asked[-1] == ("/model", REST)


def test_a_server_that_ignores_the_range_sends_the_whole_file_anew(site: Site, tmp_path: Path) -> None:
    site.faults = ["drop", "whole"]
    take = Taker()
    download([site.url("/model")], tmp_path, take, known=True, patience=QUICK)
    assert take.taken == MODEL
    assert site.asked[1] == ("/model", REST)


def test_a_server_that_is_busy_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.faults = [503, 429]
    take = Taker()
    download([site.url("/model")], tmp_path, take, known=True, patience=QUICK)
    assert take.taken == MODEL


def test_a_server_that_stays_busy_is_given_up(site: Site, tmp_path: Path) -> None:
    site.faults = [503] * 50
    with pytest.raises(WeightsError, match="503"):
        download([site.url("/model")], tmp_path, Taker(), known=True, patience=QUICK)
    assert len(site.asked) == QUICK.attempts


def test_an_address_that_does_not_exist_is_asked_once_and_the_next_one_is_used(site: Site, tmp_path: Path) -> None:
    take = Taker()
    download([site.url("/gone"), site.url("/model")], tmp_path, take, known=True, patience=QUICK)
    assert take.origin == site.url("/model")
    assert [path for path, _ in site.asked] == ["/gone", "/model"]


def test_a_server_that_never_answers_costs_its_time_limit_and_no_more(site: Site, tmp_path: Path) -> None:
    site.faults = ["silent"] * 2
    start = time.monotonic()
    with pytest.raises(WeightsError, match="no answer"):
        download([site.url("/model")], tmp_path, Taker(), known=True, patience=Patience(2, 0.01, read_s=0.3))
    assert 0.6 <= time.monotonic() - start < 10


def test_a_port_that_nobody_listens_at_is_an_error_that_names_it(tmp_path: Path) -> None:
    with serving() as site:
        url = site.url("/model")
    with pytest.raises(WeightsError, match="cannot be reached"):
        download([url], tmp_path, Taker(), known=True, patience=QUICK)


def test_wrong_content_is_refused_and_the_next_address_is_tried(site: Site, tmp_path: Path) -> None:
    site.files["/wrong"] = b"something else"
    take = Taker()
    download([site.url("/wrong"), site.url("/model")], tmp_path, take, known=True, patience=QUICK)
    assert take.origin == site.url("/model")


def test_wrong_content_everywhere_is_an_error_with_every_address_and_leaves_nothing(site: Site, tmp_path: Path) -> None:
    site.files |= {"/a": b"a", "/b": b"b"}
    with pytest.raises(WeightsError) as error:
        download([site.url("/a"), site.url("/b")], tmp_path, Taker(), known=True, patience=QUICK)
    assert f"{site.url('/a')}: another file" in str(error.value)
    assert f"{site.url('/b')}: another file" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_the_next_run_goes_on_where_a_run_gave_up(site: Site, tmp_path: Path) -> None:
    site.faults = ["drop"]
    with pytest.raises(WeightsError, match=rf"dropped at {HALF} of {len(MODEL)} bytes; {HALF} bytes are kept"):
        download([site.url("/model")], tmp_path, Taker(), known=True, patience=Patience(1, 0.01, 0.5))
    take = Taker()
    download([site.url("/model")], tmp_path, take, known=True, patience=QUICK)
    assert take.taken == MODEL
    assert site.asked[-1] == ("/model", REST)


def test_what_is_left_of_another_version_does_not_spoil_the_file(site: Site, tmp_path: Path) -> None:
    site.files["/model"] = b"old" * len(MODEL)
    site.faults = ["drop"]
    with pytest.raises(WeightsError):
        download([site.url("/model")], tmp_path, Taker(), known=True, patience=Patience(1, 0.01, 0.5))
    site.files["/model"] = MODEL * 2
    take = Taker(MODEL * 2)
    download([site.url("/model")], tmp_path, take, known=True, patience=QUICK)
    assert take.taken == MODEL * 2


def test_a_part_that_was_whole_already_is_used(site: Site, tmp_path: Path) -> None:
    """As when the process was killed between the last byte and the check."""
    site.faults = ["drop"]
    with pytest.raises(WeightsError):
        download([site.url("/model")], tmp_path, Taker(), known=True, patience=Patience(1, 0.01, 0.5))
    part = next(tmp_path.glob("*.part"))
    part.write_bytes(MODEL)
    take = Taker()
    download([site.url("/model")], tmp_path, take, known=True, patience=QUICK)
    assert take.taken == MODEL
    assert site.asked[1:] == [("/model", f"bytes={len(MODEL)}-")]


def test_without_a_known_sha256_only_the_same_version_is_gone_on_with(site: Site, tmp_path: Path) -> None:
    site.versions["/model"] = '"one"'
    site.faults = ["drop"]
    take = Taker()
    download([site.url("/model")], tmp_path, take, known=False, patience=QUICK)
    assert take.taken == MODEL
    assert site.asked[1] == ("/model", REST)


def test_without_a_known_sha256_a_new_version_is_fetched_whole(site: Site, tmp_path: Path) -> None:
    site.versions["/model"] = '"one"'
    site.faults = ["drop"]
    with pytest.raises(WeightsError):
        download([site.url("/model")], tmp_path, Taker(), known=False, patience=Patience(1, 0.01, 0.5))
    new = bytes(reversed(MODEL))
    site.files["/model"], site.versions["/model"] = new, '"two"'
    seen = []
    download([site.url("/model")], tmp_path, lambda path, _: seen.append(path.read_bytes()), known=False, patience=QUICK)
    assert seen == [new]


def test_without_a_known_sha256_or_a_version_nothing_is_gone_on_with(site: Site, tmp_path: Path) -> None:
    site.faults = ["drop"]
    take = Taker()
    download([site.url("/model")], tmp_path, take, known=False, patience=QUICK)
    assert take.taken == MODEL
    assert site.asked == [("/model", ""), ("/model", "")]


def test_only_http_is_fetched(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(MODEL)
    with pytest.raises(WeightsError, match="only http"):
        download([secret.as_uri()], tmp_path / "parts", Taker(), known=True, patience=QUICK)


def test_a_log_says_how_far_it_is(site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "onscreen"):
        download([site.url("/model")], tmp_path, Taker(), known=True, patience=QUICK)
    assert "1.0 of 1.0 MB" in caplog.text
