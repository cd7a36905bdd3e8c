"""meta-data: empty is right, and its few keys are texts."""

from __future__ import annotations

import pytest

from isoforge.fleet.check import check_meta_data


@pytest.mark.parametrize(
    "text",
    [b"", b"\n", b"# nothing\n", b"{}\n", b"instance-id: site-a-m710q1-0123\nlocal-hostname: site-a-m710q1\n"],
)
def test_right_meta_data_gets_no_problem(text: bytes) -> None:
    assert check_meta_data(text, file="meta-data") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"instance_id: a\n", "meta-data:1  hosts.a.instance_id: warning: NoCloud reads no such key"),
        (
            b"\ninstance-id: 0123\n",
            "meta-data:2  hosts.a.instance-id: without quotes, YAML reads 0123 as the number 83",
        ),
        (b"instance-id:\n", "hosts.a.instance-id: must be text, not null"),
        (b'instance-id: ""\n', "hosts.a.instance-id: is empty"),
        (b"instance-id: [a]\n", "hosts.a.instance-id: must be text, not a list"),
        (b"local-hostname: no\n", "hosts.a.local-hostname: without quotes, YAML reads no as false"),
        (b"local-hostname: a_b\n", "'a_b' is not a host name"),
        (b"- instance-id\n", "must be a mapping"),
        (b"a: b: c\n", "not YAML"),
        (b"\xef\xbb\xbfinstance-id: a\n", "byte order mark"),
        (b"instance-id: a\r\n", "Windows line ends"),
        (b"instance-id: a\ninstance-id: b\n", "meta-data:2  hosts.a.instance-id: 'instance-id' was set before"),
    ],
)
def test_wrong_meta_data_is_told_with_its_place(text: bytes, problem: str) -> None:
    found = [str(one) for one in check_meta_data(text, file="meta-data", address="hosts.a")]
    assert len(found) == 1
    assert problem in found[0]
