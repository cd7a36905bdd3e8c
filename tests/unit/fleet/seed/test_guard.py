"""Who is guarded, by what, and what the detection finds on the medium: texts only, nothing is run here."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from isoforge.fleet.check.engine import check_meta_data, check_user_data
from isoforge.fleet.inventory.host import MatchKeys
from isoforge.fleet.inventory.load import Host, survey
from isoforge.fleet.seed.detect import bare_autoinstall, detect_seed, early_script, match_table
from isoforge.fleet.seed.render import Seed, read_seed, render_seed, write_seed
from isoforge.fleet.smbios import PLACEHOLDER_PATTERNS, PLACEHOLDERS, both_orders, is_placeholder, normalised
from isoforge.iso_layout import DETECT
from isoforge.seed_format import GUARD, REPORT, STAMP, guard_keys
from tests.unit.fleet.conftest import Write, reviewed

UUID = "00112233-4455-6677-8899-aabbccddeeff"


def host_of(baremetal: Path) -> Host:
    return survey(baremetal).host("web-1")


def section(seed: Seed) -> dict[str, Any]:
    return dict(yaml.safe_load(seed.user_data)["autoinstall"])


def test_the_guard_is_the_first_early_command_and_its_values_are_words(one_host: Write, templates: list[Path]) -> None:
    baremetal = one_host(
        f'match: {{serial: "$(x) \'", uuid: {UUID}, mac: ["00:00:5e:00:53:01", "00:00:5e:00:53:02"]}}\n'
        "early_commands: [echo first]\n"
    )
    seed = render_seed(host_of(baremetal), templates=templates)
    guard, report, own = section(seed)["early-commands"]
    assert report[3:] == [REPORT, "start", "web-1"]
    assert guard[:2] == ["sh", "-c"]
    assert guard[3:] == [
        GUARD,
        "web-1",
        "serial=$(x) '",
        f"uuid={UUID}",
        "mac=00:00:5e:00:53:01",
        "mac=00:00:5e:00:53:02",
    ]
    assert own == "echo first"
    assert seed.guarded
    assert guard_keys(seed.user_data, "web-1") is not None


@pytest.mark.parametrize("raw", ["early-commands: [echo mine]", "late-commands: [echo mine]", "version: 1"])
def test_a_raw_autoinstall_section_leaves_guard_and_stamp_in_their_places(
    one_host: Write, templates: list[Path], raw: str
) -> None:
    seed = render_seed(host_of(one_host(f"match: {{serial: PC1}}\nautoinstall: {{{raw}}}")), templates=templates)
    assert section(seed)["early-commands"][0][3] == GUARD
    assert section(seed)["late-commands"][0][3:] == [STAMP, "web-1"]
    assert list(section(seed))[:2] == ["version", "early-commands"]


def test_a_template_of_the_users_own_leaves_guard_and_stamp_in_their_places(
    one_host: Write, templates: list[Path], tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "user-data.j2").write_text("#cloud-config\nautoinstall: {version: 1, identity: {hostname: a}}\n")
    seed = render_seed(host_of(one_host("match: {serial: PC1}")), templates=[own, *templates])
    assert seed.guarded
    assert section(seed)["late-commands"][0][3] == STAMP


@pytest.mark.parametrize(("values", "guard"), [("", True), ("match: {serial: PC1}", False)])
def test_without_match_keys_or_on_request_there_is_no_guard(
    one_host: Write, templates: list[Path], values: str, guard: bool
) -> None:
    seed = render_seed(host_of(one_host(values)), templates=templates, guard=guard, report=False)
    assert not seed.guarded
    assert "early-commands" not in section(seed)
    assert section(seed)["late-commands"][0][3] == STAMP


@pytest.mark.parametrize("guard", [True, False])
def test_a_seed_read_back_knows_whether_it_is_guarded(
    one_host: Write, templates: list[Path], tmp_path: Path, guard: bool
) -> None:
    seed = render_seed(host_of(one_host("match: {serial: PC1}")), templates=templates, guard=guard)
    write_seed(seed, tmp_path / "generated")
    assert read_seed(tmp_path / "generated", "web-1").guarded is guard


@pytest.mark.parametrize(
    "user_data",
    [
        b"",
        b"\xff",
        b"{",
        b"autoinstall: []",
        b"autoinstall: {early-commands: [isoforge-guard]}",
        b"autoinstall: {early-commands: [[sh, -c, exit, isoforge-other]]}",
        b"autoinstall: {early-commands: ['true', [sh, -c, exit, isoforge-guard]]}",
        b"autoinstall: {late-commands: [[sh, -c, exit, isoforge-guard]]}",
    ],
)
def test_only_a_guard_that_comes_first_counts(user_data: bytes) -> None:
    assert guard_keys(user_data, "web-1") is None


@pytest.mark.parametrize(
    "value",
    ["To Be Filled By O.E.M.", "System Serial Number", "none", "'0'", "'00000000'", "ffff-ffff", "'  '", "xxxx"],
)
def test_a_match_key_that_many_machines_have_is_refused(one_host: Write, value: str) -> None:
    (problem,) = reviewed(one_host(f"match: {{serial: {value}}}"))
    assert (problem.id, problem.key) == ("match-placeholder", "match.serial")


@pytest.mark.parametrize(
    ("match", "problem"),
    [
        ("mac: '00:00:00:00:00:00'", "match-placeholder match.mac"),
        ("mac: ['00:00:5e:00:53:01', 'FF:FF:FF:FF:FF:FF']", "match-placeholder match.mac[1]"),
        ("uuid: 03000200-0400-0500-0006-000700080009", "match-placeholder match.uuid"),
        ("serial: ''", "match-value-empty match.serial"),
        ("mac: []", "match-value-empty match.mac"),
        ("product: Intel® NUC", "match-not-ascii match.product"),
        ('serial: "a\\tb"', "match-not-ascii match.serial"),
    ],
)
def test_a_match_key_that_tells_nothing_is_refused(one_host: Write, match: str, problem: str) -> None:
    (found,) = reviewed(one_host(f"match: {{{match}}}"))
    assert f"{found.id} {found.key}" == problem


def test_the_name_of_the_detection_is_no_hosts(write: Write) -> None:
    files = {"inventory/hosts.yml": f"all:\n  hosts:\n    {DETECT}:\n"}
    assert "host-name-reserved" in [one.id for one in reviewed(write(files))]


@pytest.mark.parametrize(
    ("written", "plain"),
    [("  PC0 EXMP1 ", "pc0 exmp1"), ("ÄB", "Äb"), ("K\N{KELVIN SIGN}", "k\N{KELVIN SIGN}"), ("", ""), ("a  B", "a  b")],
)
def test_values_are_compared_without_outer_blanks_in_small_letters_of_ascii(written: str, plain: str) -> None:
    assert normalised(written) == plain


def test_a_uuid_is_known_in_both_byte_orders() -> None:
    turned = "33221100-5544-7766-8899-aabbccddeeff"
    assert both_orders(UUID.upper()) == (UUID, turned)
    assert both_orders(turned) == (turned, UUID)
    assert both_orders("11111111-2222-3333-4444-555555555555") == ("11111111-2222-3333-4444-555555555555",)
    assert both_orders(" No uuid ") == ("no uuid",)


@given(st.text(alphabet="0fx .:_-aF1", max_size=12))
def test_the_patterns_of_placeholders_say_what_the_function_says(text: str) -> None:
    plain = normalised(text)
    by_pattern = any(re.fullmatch(pattern, plain) for pattern in PLACEHOLDER_PATTERNS)
    assert is_placeholder(text) == (by_pattern or plain in PLACEHOLDERS)


def test_placeholders_are_written_as_they_are_compared() -> None:
    assert [text for text in PLACEHOLDERS if text != normalised(text)] == []
    assert len(PLACEHOLDERS) == len(set(PLACEHOLDERS))


def test_the_table_has_a_line_for_each_host_with_match_keys(one_host: Write) -> None:
    web = host_of(one_host(""))
    keys = [
        ("a", MatchKeys(serial=" PC0EXMP1 ")),
        ("b", MatchKeys(mac=("00:00:5E:00:53:01", "00:00:5e:00:53:02"), product="M710q")),
        ("c", MatchKeys()),
        ("d", MatchKeys(uuid=UUID.upper(), asset_tag="A 17", baseboard_serial="L1")),
    ]
    table = match_table(replace(web, name=name, match=match) for name, match in keys)
    assert table.decode().splitlines() == [
        "a\tpc0exmp1\t-\t-\t-\t-\t-",
        "b\t-\t-\tm710q\t-\t-\t00:00:5e:00:53:01,00:00:5e:00:53:02",
        f"d\t-\t{UUID}\t-\ta 17\tl1\t-",
    ]


def test_the_detections_seed_passes_the_check_and_can_install_nothing(templates: list[Path]) -> None:
    seed = detect_seed(templates=templates)
    assert seed == detect_seed(templates=templates)
    problems = check_user_data(seed.user_data, file="user-data") + check_meta_data(seed.meta_data, file="meta-data")
    assert [str(problem) for problem in problems] == []
    assert section(seed)["storage"]["layout"]["match"]["serial"].startswith("*no-disk")
    assert section(seed)["early-commands"][0][3:] == [DETECT]


def test_the_bare_config_is_the_section_by_itself(one_host: Write, templates: list[Path]) -> None:
    seed = render_seed(host_of(one_host("match: {serial: PC1}")), templates=templates)
    assert yaml.safe_load(bare_autoinstall(seed)) == section(seed)


def test_the_script_of_early_commands_quotes_every_word(one_host: Write, templates: list[Path]) -> None:
    seed = render_seed(
        host_of(one_host('early_commands: [echo "a b", [printf, "%s", "it\'s"]]')), templates=templates, report=False
    )
    assert early_script(seed).decode().splitlines() == ["set -e", "sh -c 'echo \"a b\"'", "printf %s 'it'\"'\"'s'"]
    assert early_script(render_seed(host_of(one_host("")), templates=templates, report=False)) == b"set -e\n"
