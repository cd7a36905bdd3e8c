"""Searching takes time in proportion to the text: counted in calls, for a clock says more about the machine."""

from __future__ import annotations

import sys
from types import FrameType

import pytest

from isoforge.masking.document import masked
from isoforge.masking.text import _find, find, find_in_words

UNITS = [
    "a", "aB1", "C", " ", "-", "_", "=", ":", "'", '"', "`", "$(", "(a", "{ a\n", "$1", "0a", "# ", "\\n",
    "<<A\n", "password=", "password ", "password='", 'x="\\"', "password:\n", "password:\n ",
    "passwordpassword",
    "key=", "key=a1",
    "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0NTY3ODkw", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0NTY3ODkwQUJDREVGR0hJSktM\n",
    "/aB3", "AAAA", "ssh-", "SHA256:", "public key: ", "-----BEGIN PRIVATE KEY-----", "-----BEGIN CERTIFICATE-----",
    "http://", "http://a/?a=1", "http://a:b@", "http://a:b/", "http://a:", "?a=1&", "curl -u ", "-p ", "--token ",
    "cat <<A | passwd\nA\n", "echo a | ", "echo a | passwd | ", "(echo a) | ", "<<< ", "<(", "echo x | tee a.key | ",
    "openssl passwd ", "sudo -S ", "mount -o a,", "login x ", "bearer ", "authorization: ", "eyJaaaaaaaaaaaa.",
    "glpat-", "crypt('", "s/password/", "s/a", "sqlplus ", "user = \"", ": PSK ", " password ", "token password ",
]  # fmt: skip
SMALL = 5_000


def calls(text: str) -> int:
    """How many calls, of Python's and of C's functions, the search of ``text`` takes."""
    count = 0

    def profile(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        _find(text, 3)  # find() remembers
    finally:
        sys.setprofile(None)
    return count


def repeated(unit: str, length: int) -> str:
    return (unit * (length // len(unit) + 1))[:length]


@pytest.mark.parametrize("unit", UNITS)
def test_four_times_the_text_takes_nowhere_near_sixteen_times_the_effort(unit: str) -> None:
    assert calls(repeated(unit, 4 * SMALL)) < 8 * calls(repeated(unit, SMALL)) + 2_000


@pytest.mark.parametrize("unit", UNITS)
def test_a_long_text_is_searched_to_its_end(unit: str) -> None:
    command = "\ncurl -u admin:hunter2pw https://192.0.2.1/\n"
    text = "#\n" + command + repeated(unit, 10 * SMALL)
    assert find(text)[0].start == text.index("hunter2pw")


def test_a_list_of_many_words_is_searched() -> None:
    words = ["--password", "hunter2pw"] * 3_000
    assert all(bool(spans) == (word == "hunter2pw") for word, spans in zip(words, find_in_words(words), strict=True))


def test_a_seed_of_many_commands_and_aliases_is_masked() -> None:
    lines = "".join(f"- echo ops:hunter2pw{number} | chpasswd\n- *a\n" for number in range(600))
    shown = masked(f"a: &a curl -u admin:hunter2pw x\nb:\n{lines}")
    assert "hunter2pw" not in shown
    assert shown.count("***") == 601
