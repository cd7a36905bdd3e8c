"""meta-data: empty is right, and its few keys are texts."""

from __future__ import annotations

import pytest

from isoforge.fleet.check.engine import check_meta_data


@pytest.mark.parametrize(
    "text",
    [b"", b"\n", b"# nothing\n", b"{}\n", b"instance-id: site-a-m710q1-0123\nlocal-hostname: site-a-m710q1\n"],
)
def test_right_meta_data_gets_no_problem(text: bytes) -> None:
    assert check_meta_data(text, file="meta-data") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"instance_id: a\n", "meta-data-key-unknown instance_id:1"),
        (b"\ninstance-id: 0123\n", "unquoted-value instance-id:2"),
        (b"instance-id:\n", "wrong-type instance-id:1"),
        (b'instance-id: ""\n', "value-empty instance-id:1"),
        (b"instance-id: [a]\n", "wrong-type instance-id:1"),
        (b"local-hostname: no\n", "unquoted-value local-hostname:1"),
        (b"local-hostname: a_b\n", "host-name-invalid local-hostname:1"),
        (b"- instance-id\n", "wrong-type :1"),
        (b"a: b: c\n", "yaml-syntax :1"),
        (b"\xef\xbb\xbfinstance-id: a\n", "byte-order-mark :1"),
        (b"instance-id: a\r\n", "windows-line-ends :1"),
        (b"instance-id: a\ninstance-id: b\n", "key-duplicate instance-id:2"),
    ],
)
def test_wrong_meta_data_is_reported_with_its_place(text: bytes, problem: str) -> None:
    (found,) = check_meta_data(text, file="meta-data", scope="hosts.a")
    assert f"{found.id} {found.key}:{found.line}" == problem
    assert (found.file, found.scope) == ("meta-data", "hosts.a")
