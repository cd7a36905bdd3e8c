"""Password hashes: strong ones pass, and nothing else does."""

from __future__ import annotations

import pytest

from isoforge.fleet.check.password_hash import flaw, locked

SHA512 = "$6$Z2v7qMmO6hhelkVo$FYcJARsoWjtp3G412sq3S7r.9fq8QtsS0dxfx6PzojTqPs1uEEbwQttLcmS7EhEbfhWI/gg7grNYRNFQoySSA/"
YESCRYPT = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$wNNIzc9N1ahG82MeioX3X6pHiKet5kwQetY8Zgdneq."


@pytest.mark.parametrize(
    "hashed",
    [
        SHA512,
        SHA512.replace("$6$", "$6$rounds=500000$"),
        YESCRYPT,
        "$gy$j9T$F5Jx5fExrKuPp53xLKQ..1$T9DVCVnz3DnTCSQ7CslQFfwhkIx185DISajQFvt8PO2",
        "$7$CU..../....lJ0b6A4Vb2Ud7ZqvBgG0u1$/K5av/p4Pwygw4gtLsW.j8r63VtSoGP8LkzQZkkkhJB",
        "$2b$12$abcdefghijklmnopqrstuuEkMkzZsEoDa/clDzflIiarLeFl3RZcy",
        "!",
        "*",
        "!!",
        "!" + SHA512,
    ],
)
def test_strong_or_locked_passes(hashed: str) -> None:
    assert flaw(hashed) is None


@pytest.mark.parametrize(
    ("hashed", "id_"),
    [
        ("", "password-empty"),
        ("correct horse", "password-not-hashed"),
        ("$6$short", "password-hash-invalid"),
        (SHA512[:-1], "password-hash-invalid"),
        (SHA512 + "x", "password-hash-invalid"),
        (SHA512 + "\n", "password-hash-invalid"),
        (YESCRYPT[:-2], "password-hash-invalid"),
        ("$6$abcdefgh$" + "." * 86, "password-hash-invalid"),
        ("$6$REPLACE_ME", "password-hash-invalid"),
        ("$1$ZsQWAsuR$i0Lkl8ky4.bpeSG.OX73p0", "password-hash-weak"),
        ("$apr1$ZsQWAsuR$i0Lkl8ky4.bpeSG.OX73p0", "password-hash-weak"),
        ("ab01FAX.bQRSU", "password-hash-weak"),
        ("$9$whatever", "password-hash-invalid"),
        ("$CRYPTED_PASS", "password-hash-invalid"),
    ],
)
def test_others_stop_the_build(hashed: str, id_: str) -> None:
    found = flaw(hashed)
    assert found is not None
    assert (found.id, found.is_error) == (id_, True)
    assert not hashed or hashed not in found.message


def test_sha256_and_published_hashes_are_only_warnings() -> None:
    sha256 = "$5$vfZkKvoPyS6nN0ji$P7qOth5PpqvR8Y7xr4/dAyBGjw3rD8SXYpelVskkgD6"
    published = SHA512.replace("Z2v7qMmO6hhelkVo", "exDY1mhS4KUYCE/2")
    flaws = [flaw(one) for one in (sha256, published)]
    assert [(one.id, one.is_error) for one in flaws if one] == [
        ("password-hash-sha256", False),
        ("password-published", False),
    ]


def test_locked_is_only_what_no_password_opens() -> None:
    assert [locked(one) for one in ("!", "*", "!" + SHA512, SHA512, "")] == [True, True, True, False, False]
