"""What every answer of the check has in common: it keeps secrets, never fails, follows the release, and is quick."""

from __future__ import annotations

import time
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from isoforge.fleet.check import check_user_data, document
from isoforge.fleet.check.releases import Release
from isoforge.fleet.check.schema import load

CORPUS = Path(__file__).parents[3] / "corpus"
DOCUMENTS = [path.read_bytes() for path in sorted(CORPUS.glob("*/*.user-data"))]

SECRET = "geheim8472915"  # noqa: S105 - what must not be shown
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
    found = check_user_data(HEAD + body, file="user-data", address="hosts.a")
    assert found
    assert not [str(one) for one in found if "8472915" in str(one)]


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(DOCUMENTS), st.integers(0, 2000), st.integers(0, 40), st.binary(max_size=12))
def test_damaged_document_is_told_and_never_fails(text: bytes, start: int, length: int, put: bytes) -> None:
    for one in check_user_data(text[:start] + put + text[start + length :], file="user-data", release="24.04"):
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
def test_any_value_at_any_place_is_told_and_never_fails(text: bytes, at: int, value: object) -> None:
    parsed = document.read(text.decode("utf-8", errors="replace")).data
    places = [(route, one) for route, one in document.walk(parsed) if isinstance(one, dict | list) and one]
    if not places:
        return
    _, holder = places[at % len(places)]
    key = sorted(holder)[at % len(holder)] if isinstance(holder, dict) else at % len(holder)
    holder[key] = value
    check_user_data("#cloud-config\n" + yaml.safe_dump(parsed, allow_unicode=True), file="user-data", release="22.04")


@pytest.mark.parametrize("name", ["autoinstall", "netplan"])
def test_our_schema_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(load(name))


@pytest.mark.parametrize("kind", sorted(load("storage")["actions"]))
def test_our_schema_of_each_storage_action_is_a_schema(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(load("storage")["actions"][kind])


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("24.04.2", Release(year=24, month=4, point=2)),
        ("26.04", Release(year=26, month=4)),
        ("24.04 LTS", Release(year=24, month=4)),
        ("noble", None),
        ("", None),
        (None, None),
    ],
)
def test_release_is_read_from_its_number(text: str | None, release: Release | None) -> None:
    assert Release.of(text) == release


@pytest.mark.parametrize(
    ("release", "severities"),
    [("20.04", ["error"]), ("22.04", ["error"]), ("22.04.5", ["warning"]), ("23.04", []), ("26.04", []), (None, [])],
)
def test_key_is_told_by_the_release_that_first_knew_it(release: str | None, severities: list[str]) -> None:
    text = HEAD + "  user-data: {}\n  codecs: {install: false}\n"
    found = check_user_data(text, file="user-data", release=release)
    assert [str(one.severity) for one in found] == severities


def test_aliases_that_stand_for_millions_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    found = check_user_data("#cloud-config\n" + "\n".join(lines), file="user-data")
    assert [one.text for one in found] == ["more than 200000 values: aliases inside aliases?"]


def test_alias_to_itself_is_refused() -> None:
    found = check_user_data("#cloud-config\nautoinstall: &a\n  packages: [*a]\n", file="user-data")
    assert len(found) == 1
    assert "holds the alias itself" in found[0].text


def test_huge_file_is_refused_unread_and_a_large_one_is_warned_of() -> None:
    huge = check_user_data(b"#" * (17 * 1024 * 1024), file="user-data")
    assert [str(one) for one in huge] == ["user-data:1  document: has more than 16 MiB: that is no user-data"]
    large = check_user_data(HEAD + "  user-data: {}\n#" + "x" * 1_100_000, file="user-data")
    assert [str(one.severity) for one in large] == ["warning"]


def test_a_thousand_documents_are_checked_in_seconds() -> None:
    good = [path.read_bytes() for path in sorted((CORPUS / "good").glob("*.user-data"))]
    start = time.monotonic()
    for number in range(1000):
        check_user_data(good[number % len(good)], file="user-data", address="hosts.a", release="24.04")
    assert time.monotonic() - start < 10
