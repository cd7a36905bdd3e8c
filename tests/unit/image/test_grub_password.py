"""The menu's password: a hash that GRUB takes, and no secret in an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoforge.errors import UsageError
from isoforge.image.grub_password import hashed, read_hash

KNOWN = (
    "grub.pbkdf2.sha512.1.73616C74."
    "867F70CF1ADE02CFF3752599A3A53DC4AF34C7A669815AE5D513554E1C8CF252"
    "C02D470A285A0501BAD999BFE943C08F050235D7D68B1DA55E63F73B60A57FCE"
)
"""PBKDF2 with HMAC-SHA-512 of "password" and the salt "salt", one round: the published test vector."""


def test_hash_is_the_published_one() -> None:
    assert hashed("password", salt=b"salt", rounds=1) == KNOWN


def test_two_hashes_of_one_password_differ() -> None:
    assert hashed("password", rounds=1) != hashed("password", rounds=1)


def test_hash_is_found_in_what_grubs_own_tool_prints(tmp_path: Path) -> None:
    file = tmp_path / "hash"
    file.write_text(f"Enter password:\nReenter password:\nPBKDF2 hash of your password is {KNOWN}\n")
    assert read_hash(file) == KNOWN


@pytest.mark.parametrize("content", ["", "open sesame\n", f"{KNOWN}\n{KNOWN}\n", f"{KNOWN};reboot\n", KNOWN[:-2]])
def test_anything_but_one_hash_is_refused_and_not_shown(tmp_path: Path, content: str) -> None:
    file = tmp_path / "hash"
    file.write_text(content)
    with pytest.raises(UsageError, match="menu-password") as caught:
        read_hash(file)
    assert "sesame" not in str(caught.value)
    assert "867F" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: No such file"):
        read_hash(tmp_path / "nowhere")
