"""What every answer of the check has in common: it keeps secrets, never fails, and follows the release."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from isoforge.fleet.check.engine import check_user_data
from isoforge.fleet.check.schema import load
from isoforge.release import Release
from isoforge.yaml_reader import read

CORPUS = Path(__file__).parents[3] / "corpus"
DOCUMENTS = [path.read_bytes() for path in sorted(CORPUS.glob("*/*.user-data"))]

SECRET = "geheim8472915"  # noqa: S105 - what must not be shown
NOBLE = Release(year=24, month=4)
HEAD = "#cloud-config\nautoinstall:\n  version: 1\n"


@pytest.mark.parametrize(
    "body",
    [
        f"  identity: {{hostname: a, username: b, password: {SECRET}}}\n",
        f"  identity: {{hostname: a, username: b, password: $6$salt${SECRET}}}\n",
        f"  identity:\n    password: !{SECRET}\n",
        f"  identity:\n    password: *{SECRET}\n",
        f"  identity:\n    password: '{SECRET}\n",
        f"  identity:\n    password: {SECRET}: x: y\n",
        f"  identity: {{password: [{SECRET}]}}\n",
        "  identity: {password: 8472915}\n",
        "  storage: {layout: {name: lvm, password: 8472915}}\n",
        "  storage: {config: [{type: dm_crypt, id: a, volume: b, key: 8472915}]}\n",
        f"  ubuntu-pro: {{token: {SECRET}}}\n",
        f"  user-data: {{users: [{{name: a, passwd: {SECRET}, plain_text_passwd: {SECRET}}}]}}\n",
        f"  proxy: http://ops:{SECRET}@192.0.2.5/\n",
        f"  late-commands:\n    - echo ops:{SECRET} | chpasswd\n",
        "  network: {version: 2, wifis: {w: {access-points: {x: {password: 8472915}}}}}\n",
        f"  reporting: {{a: {{type: webhook, token_secret: [{SECRET}]}}}}\n",
    ],
)
def test_no_problem_shows_a_secret(body: str) -> None:
    found = check_user_data((HEAD + body).encode(), file="user-data", scope="hosts.a")
    assert found
    assert not [str(one) for one in found if "8472915" in str(one)]


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(DOCUMENTS), st.integers(0, 2000), st.integers(0, 40), st.binary(max_size=12))
def test_a_damaged_document_is_reported_and_never_fails(text: bytes, start: int, length: int, put: bytes) -> None:
    for one in check_user_data(text[:start] + put + text[start + length :], file="user-data", release=NOBLE):
        assert str(one)
        assert one.line is not None
        assert one.line >= 1


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(DOCUMENTS), st.integers(0, 400), _VALUES)
def test_any_value_at_any_place_is_reported_and_never_fails(text: bytes, at: int, value: object) -> None:
    parsed = read(text.decode("utf-8", errors="replace")).data
    holders = list(holders_in(parsed))
    if not holders:
        return
    holder = holders[at % len(holders)]
    key = sorted(holder)[at % len(holder)] if isinstance(holder, dict) else at % len(holder)
    holder[key] = value
    content = "#cloud-config\n" + yaml.safe_dump(parsed, allow_unicode=True)
    check_user_data(content.encode("utf-8", errors="surrogatepass"), file="user-data", release=NOBLE)


def holders_in(value: Any) -> Iterator[Any]:
    """Every mapping and list in ``value`` that is not empty."""
    if isinstance(value, dict | list) and value:
        yield value
        for child in value.values() if isinstance(value, dict) else value:
            yield from holders_in(child)


@pytest.mark.parametrize("name", ["autoinstall", "netplan"])
def test_our_schema_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(load(name))


@pytest.mark.parametrize("kind", sorted(load("storage")["actions"]))
def test_our_schema_of_each_storage_action_is_a_schema(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(load("storage")["actions"][kind])


@pytest.mark.parametrize(
    ("release", "severities"),
    [("20.04", ["error"]), ("22.04", ["error"]), ("22.04.5", ["warning"]), ("23.04", []), ("26.04", []), (None, [])],
)
def test_a_key_is_reported_by_the_release_that_first_knew_it(release: str | None, severities: list[str]) -> None:
    text = HEAD + "  user-data: {}\n  codecs: {install: false}\n"
    found = check_user_data(text.encode(), file="user-data", release=Release.of(release))
    assert [str(one.severity) for one in found] == severities


def test_a_huge_file_is_refused_unread_and_a_large_one_is_a_warning() -> None:
    (huge,) = check_user_data(b"#" * (17 * 1024 * 1024), file="user-data")
    assert (huge.id, huge.line) == ("yaml-too-large", 1)
    large = check_user_data((HEAD + "  user-data: {}\n#" + "x" * 1_100_000).encode(), file="user-data")
    assert [one.id for one in large] == ["user-data-large"]
