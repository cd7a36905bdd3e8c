"""Hashes of passwords, made by libcrypt and known to the check of hashes."""

from __future__ import annotations

import ctypes

import pytest

from isoforge.errors import ToolError, UsageError
from isoforge.fleet import password
from isoforge.fleet.check.password_hash import flaw
from isoforge.fleet.password import Method, hashed, weakness

PASSWORD = "correct horse battery"  # noqa: S105 - nobody's


@pytest.mark.parametrize("method", Method)
def test_a_hash_is_one_that_opens_the_account_to_its_password_alone(method: Method) -> None:
    made = hashed(PASSWORD, method)
    assert flaw(made) is None
    again = ctypes.CDLL(password.LIBRARIES[0]).crypt
    again.restype = ctypes.c_char_p
    assert again(PASSWORD.encode(), made.encode()) == made.encode()
    assert again(b"another horse", made.encode()) != made.encode()


def test_two_hashes_of_one_password_differ() -> None:
    assert hashed(PASSWORD) != hashed(PASSWORD)


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("", "is empty"),
        ("short 7", "shorter than 8"),
        ("a" * 512, "longer than 511"),
        ("abcabcabc", "different characters"),
        ("Password123!", "easy to guess"),
        ("20250301", "easy to guess"),
        ("ab\x07cdefghij", "cannot be typed"),
    ],
)
def test_a_weak_password_is_refused_without_being_shown(password: str, said: str) -> None:
    assert said in weakness(password)
    with pytest.raises(UsageError) as refused:
        hashed(password)
    assert not password or password not in str(refused.value)


@pytest.mark.parametrize("password", [PASSWORD, "Tr0ub4dor&3", "été à la plage"])
def test_a_fair_password_is_taken(password: str) -> None:
    assert weakness(password) == ""


def test_a_machine_without_libcrypt_is_told_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password, "LIBRARIES", ("libcrypt.so.none",))
    with pytest.raises(ToolError, match="openssl passwd -6"):
        hashed(PASSWORD)
