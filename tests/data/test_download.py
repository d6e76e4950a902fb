import hashlib
from dataclasses import replace

import numpy as np
import pytest

from misbehaving_server import MisbehavingServer
from tlvit_utils.data.download import Patience, RemoteFile, download

CONTENT = np.random.default_rng(0).bytes(40_000)
HALF = len(CONTENT) // 2
FILE = RemoteFile((), len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
# the slow mirror sends 25 kB/s at most, the one that trickles 50 bytes/s
IMPATIENT = Patience(seconds=1.0, rate=1e6, last_rate=1e3, tries=2, worthwhile=5_000, pause=0.01)


@pytest.fixture(scope="module")
def server():
    with MisbehavingServer(CONTENT) as server:
        yield server


@pytest.fixture
def fetch(server, tmp_path):
    """Download from mirrors that behave as named; returns the file and what was asked for."""
    server.requests.clear()

    def fetch(*behaviours, before=None):
        mirrors = tuple(server.url(behaviour) for behaviour in behaviours)
        path = tmp_path / "new" / "file"
        if before is not None:
            path.parent.mkdir()
            path.write_bytes(before)
        download(replace(FILE, mirrors=mirrors), path, IMPATIENT)
        return path.read_bytes(), server.requests

    return fetch


FAULTS = {
    "refuse": "refused",
    "missing": "answers 404 Not Found",
    "drip": "timed out",
    "hang_half_way": "timed out",
    "cut_off": "stopped after",
    "wrong_bytes": "sent the wrong file",
    "web_page": "a web page",
    "endless": "sent the wrong file",
    "trickle": "too slow, 0 kB/s",
    "claim_more": "offers 40,001 bytes where 40,000 are expected",
    "garbage": "220 this is not HTTP",
}


def test_a_good_mirror(fetch, capsys):
    assert fetch("fine") == (CONTENT, [("fine", None)])
    assert "█" * 20 + "  0.0 of 0.0 MB" in capsys.readouterr().out


@pytest.mark.parametrize("fault, reason", FAULTS.items())
def test_a_fault_is_told_in_a_sentence_and_leads_to_the_next_mirror(fault, reason, fetch, server):
    with pytest.raises(ConnectionError, match=reason) as error:
        fetch("missing", fault)
    text = str(error.value)
    assert text.startswith(f"{server.url('missing')}: answers 404 Not Found")
    assert f"{server.url(fault)}: " in text
    assert "\n" not in text
    content, requests = fetch(fault, "fine")
    assert content == CONTENT
    assert requests[-1][0] == "fine"


@pytest.mark.parametrize("fault", ["busy_then_fine", "cut_off_once"])
def test_a_mirror_that_recovers_is_tried_again(fault, fetch):
    content, requests = fetch(fault)
    assert content == CONTENT
    assert len(requests) == 2


def test_another_mirror_continues_where_one_broke_off(fetch):
    assert fetch("hang_half_way", "fine") == (
        CONTENT,
        [("hang_half_way", None), ("fine", f"bytes={HALF}-")],
    )


def test_a_slow_mirror_is_left_for_the_next_and_that_is_said(fetch, capsys):
    content, requests = fetch("slow", "fine")
    assert content == CONTENT
    assert [behaviour for behaviour, _ in requests] == ["slow", "fine"]
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if "is too slow" in line]
    assert line.endswith("kB/s.")


@pytest.mark.parametrize("other", ["missing", "trickle"])
def test_a_slow_mirror_will_do_when_no_other_is_better(other, fetch):
    content, requests = fetch("slow", other)
    assert content == CONTENT
    assert [behaviour for behaviour, _ in requests] == ["slow", other, "slow"]
    assert requests[-1][1] is not None  # and it continues


def test_an_interrupted_download_continues(fetch):
    assert fetch("fine", before=CONTENT[:HALF]) == (CONTENT, [("fine", f"bytes={HALF}-")])


def test_what_another_account_left_unfinished_is_replaced(fetch, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert fetch("fine", before=CONTENT[:HALF]) == (CONTENT, [("fine", None)])


def test_a_complete_download_is_not_repeated(fetch):
    assert fetch("fine", before=CONTENT) == (CONTENT, [])


@pytest.mark.parametrize("before", [bytes(HALF), bytes(len(CONTENT)), CONTENT + b"x"])
def test_a_beginning_that_is_wrong_is_thrown_away(before, fetch):
    content, requests = fetch("fine", before=before)
    assert content == CONTENT
    assert requests[-1] == ("fine", None)


def test_a_mirror_that_cannot_continue_starts_over(fetch):
    content, requests = fetch("without_ranges", before=CONTENT[:HALF])
    assert content == CONTENT
    assert len(requests) == 1


def test_a_mirror_that_sends_another_part_is_refused(fetch):
    with pytest.raises(ConnectionError, match="wrong part of the file"):
        fetch("wrong_range", before=CONTENT[:HALF])
