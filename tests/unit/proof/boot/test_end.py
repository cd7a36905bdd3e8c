"""How the end of a boot is recognised in the output of the serial port."""

from __future__ import annotations

import pytest

from isoforge.proof.boot.boot import find_end

ASKS = "Enter username:"


@pytest.mark.parametrize(
    ("serial", "message"),
    [
        ("Booting `x'\r\n\nEnter username:", ASKS),
        # As SeaBIOS sends it if a timer interrupts it within a word.
        ("Booting `x'\r\n\nEnter user\x1b[03;11H\x1b[03;12Hname:", ASKS),
        ("No boot\x1b[03;08H\x1b[03;09Hable device.", "No bootable device"),
        ("Booting `x'\r\n\nEnter user\x1b[03;", None),
        ("Booting `x'\r\n\n", None),
    ],
)
def test_the_text_that_ends_a_boot_is_found_between_escape_sequences(serial: str, message: str | None) -> None:
    assert find_end(serial, 0, ASKS) == message


def test_what_was_printed_before_the_choice_does_not_count() -> None:
    serial = "No bootable device. Retrying."
    assert find_end(serial, len(serial), "") is None
