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
    assert flaw(hashed) == ("", False)


@pytest.mark.parametrize(
    ("hashed", "said"),
    [
        ("", "empty"),
        ("correct horse", "plain text"),
        ("$6$short", "no complete SHA-512"),
        (SHA512[:-1], "no complete SHA-512"),
        (SHA512 + "x", "no complete SHA-512"),
        (SHA512 + "\n", "no complete SHA-512"),
        (YESCRYPT[:-2], "no complete yescrypt"),
        ("$6$abcdefgh$" + "." * 86, "placeholder"),
        ("$6$REPLACE_ME", "no complete"),
        ("$1$ZsQWAsuR$i0Lkl8ky4.bpeSG.OX73p0", "MD5"),
        ("$apr1$ZsQWAsuR$i0Lkl8ky4.bpeSG.OX73p0", "Apache"),
        ("ab01FAX.bQRSU", "DES"),
        ("$9$whatever", "no kind that Ubuntu knows"),
        ("$CRYPTED_PASS", "no kind that Ubuntu knows"),
    ],
)
def test_others_stop_the_build(hashed: str, said: str) -> None:
    text, stops = flaw(hashed)
    assert said in text
    assert stops


def test_sha256_and_published_hashes_are_only_warned_of() -> None:
    sha256 = "$5$vfZkKvoPyS6nN0ji$P7qOth5PpqvR8Y7xr4/dAyBGjw3rD8SXYpelVskkgD6"
    published = SHA512.replace("Z2v7qMmO6hhelkVo", "exDY1mhS4KUYCE/2")
    assert [flaw(one)[1] for one in (sha256, published)] == [False, False]
    assert all(flaw(one)[0] for one in (sha256, published))


def test_locked_is_only_what_no_password_opens() -> None:
    assert [locked(one) for one in ("!", "*", "!" + SHA512, SHA512, "")] == [True, True, True, False, False]
