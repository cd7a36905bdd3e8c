"""Templates: strict, quoting, overridable, and what comes out is what was meant."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isoforge.errors import TemplateError
from isoforge.fleet.inventory.load import Host, survey
from isoforge.fleet.seed.render import locked_hash, render_seed
from isoforge.release import Release
from isoforge.templates import dump, quoted
from isoforge.yaml_limits import load
from tests.unit.fleet.conftest import ROOT, Write

SHIPPED = ROOT / "templates"


@pytest.fixture
def host(one_host: Write) -> Host:
    return survey(one_host("description: a host")).host("web-1")


def document(host: Host, templates: list[Path] | None = None, release: str | None = None) -> dict[str, Any]:
    return dict(
        yaml.safe_load(render_seed(host, templates=templates or [SHIPPED], release=Release.of(release)).user_data)
    )


def own(tmp_path: Path, name: str, text: str) -> list[Path]:
    path = tmp_path / "templates" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return [tmp_path / "templates", SHIPPED]


def test_the_first_line_is_the_header_and_comments_come_after_it(host: Host) -> None:
    lines = render_seed(host, templates=[SHIPPED]).user_data.decode().splitlines()
    assert lines[0] == "#cloud-config"
    assert lines[1] == "# web-1: a host"
    assert lines[2].startswith("# ")
    assert lines[3] == "autoinstall:"


def test_rendering_twice_gives_the_same_bytes(host: Host) -> None:
    assert render_seed(host, templates=[SHIPPED]) == render_seed(host, templates=[SHIPPED])


def test_the_instance_id_changes_when_the_seed_does_and_not_otherwise(one_host: Write) -> None:
    def instance_id(values: str) -> str:
        seed = render_seed(survey(one_host(values)).host("web-1"), templates=[SHIPPED])
        return str(yaml.safe_load(seed.meta_data)["instance-id"])

    assert instance_id("timezone: Etc/UTC") == instance_id("timezone: Etc/UTC\nkernel: hwe")
    assert instance_id("timezone: Etc/UTC") != instance_id("timezone: Europe/Berlin")
    assert instance_id("instance_id: mine") == "mine"
    assert instance_id("hostname: other").startswith("other-")


def test_meta_data_names_the_host(one_host: Write) -> None:
    seed = render_seed(survey(one_host("hostname: '0123'")).host("web-1"), templates=[SHIPPED])
    assert yaml.safe_load(seed.meta_data)["local-hostname"] == "0123"
    assert seed.vendor_data == b""


def test_an_undefined_variable_names_itself_the_line_and_the_host(host: Host, tmp_path: Path) -> None:
    templates = own(tmp_path, "apt.j2", "  apt:\n\n    geoip: {{ apt.goip | yaml }}\n")
    with pytest.raises(TemplateError) as refused:
        render_seed(host, templates=templates)
    assert f"{tmp_path}/templates/apt.j2:3: " in str(refused.value)
    assert "goip" in str(refused.value)
    assert "(host web-1)" in str(refused.value)
    assert refused.value.exit_code == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#cloud-config\n{% if %}\n", "user-data.j2:2: Expected an expression"),
        ("#cloud-config\n{{ nonsense }}\n", "user-data.j2:2: 'nonsense' is undefined"),
        ("#cloud-config\n{{ 1 / 0 }}\n", "user-data.j2:2: ZeroDivisionError"),
        ("#cloud-config\n{% include 'gone.j2' %}\n", "template gone.j2 not found in "),
        ("# a comment first\n#cloud-config\nautoinstall: {}\n", "its first line must be #cloud-config"),
        ("#cloud-config \nautoinstall: {}\n", "its first line must be #cloud-config"),
        ("#cloud-config\nautoinstall: [\n", "not valid YAML"),
        ("#cloud-config\n- a\n", "must be a mapping"),
    ],
)
def test_a_broken_template_is_told_apart(host: Host, tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TemplateError) as refused:
        render_seed(host, templates=own(tmp_path, "user-data.j2", text))
    assert said in str(refused.value)
    assert "(host web-1)" in str(refused.value)


def test_a_failing_template_does_not_show_values(one_host: Write, tmp_path: Path) -> None:
    host = survey(one_host("identity: {username: ops, password_hash: hunter2}")).host("web-1")
    templates = own(tmp_path, "user-data.j2", "#cloud-config\n{{ identity.password_hash | int(base='x') }}\n")
    with pytest.raises(TemplateError) as refused:
        render_seed(host, templates=templates)
    assert "hunter2" not in str(refused.value)


def test_a_template_of_the_same_name_takes_the_place_of_ours(one_host: Write, tmp_path: Path) -> None:
    host = survey(one_host("vars: {zone: blue}")).host("web-1")
    templates = own(tmp_path, "apt.j2", "  apt:\n    conf: {{ ('zone ' ~ vars.zone) | yaml }}\n")
    assert document(host, templates)["autoinstall"]["apt"] == {"conf": "zone blue"}


def test_the_raw_mapping_is_merged_last_and_lists_in_it_replace(one_host: Write) -> None:
    values = "packages: [vim]\nautoinstall: {packages: [htop], ssh: {allow-pw: true}, new-section: {a: null}}"
    made = document(survey(one_host(values)).host("web-1"))["autoinstall"]
    assert made["packages"] == ["htop"]
    assert made["ssh"]["allow-pw"] is True
    assert made["ssh"]["install-server"] is True
    assert made["new-section"] == {"a": None}


def test_a_raw_storage_section_takes_the_place_of_ours(one_host: Write) -> None:
    values = "autoinstall: {storage: {config: [{type: disk, id: d}]}}"
    assert document(survey(one_host(values)).host("web-1"))["autoinstall"]["storage"] == {
        "config": [{"type": "disk", "id": "d"}]
    }


@pytest.mark.parametrize(
    ("serial", "match"),
    [("S4EV", "*S4EV*"), ("*S4EV", "*S4EV"), ("Samsung_SSD_S4E?", "Samsung_SSD_S4E?"), ("S4[EF]V", "S4[EF]V")],
)
def test_a_serial_without_a_glob_is_looked_for_anywhere(one_host: Write, serial: str, match: str) -> None:
    made = document(survey(one_host(f"storage: {{disk: {{serial: '{serial}'}}}}")).host("web-1"))
    assert made["autoinstall"]["storage"]["layout"]["match"] == {"serial": match, "size": "largest"}


@pytest.mark.parametrize("layout", ["lvm", "direct", "zfs", "partitions", "raid1"])
def test_no_layout_can_hit_the_install_medium(one_host: Write, layout: str) -> None:
    disks = "disk: null, disks: [{serial: S4TEST01}, {model: X*, size: smallest}]" if layout == "raid1" else ""
    host = survey(one_host(f"storage: {{layout: {layout}, disk: {{serial: S4TEST01}}, {disks}}}".replace(
        "disk: {serial: S4TEST01}, disk: null", "disk: null"))).host("web-1")  # fmt: skip
    storage = document(host)["autoinstall"]["storage"]
    disks_made = [one for one in storage.get("config", []) if one["type"] == "disk"] or [storage["layout"]]
    assert all(disk["match"].get("size") in ("largest", "smallest") for disk in disks_made)


def test_a_host_without_a_password_has_a_hash_that_opens_nothing_and_sudo_that_asks_nothing(host: Host) -> None:
    made = document(host)["autoinstall"]
    assert made["identity"]["password"] == locked_hash("web-1")
    assert made["identity"]["password"] != locked_hash("web-2")
    assert "NOPASSWD" in made["late-commands"][1]
    assert made["ssh"]["allow-pw"] is False


def test_a_host_with_a_password_has_no_rule_for_sudo(one_host: Write) -> None:
    values = "identity: {username: ops, password_hash: $6$a$b}"
    assert "NOPASSWD" not in str(document(survey(one_host(values)).host("web-1")))


@pytest.mark.parametrize(("layouts", "variant"), [("us", ""), ("us,ru", ","), ("us,de,fr", ",,")])
def test_there_are_as_many_keyboard_variants_as_layouts(one_host: Write, layouts: str, variant: str) -> None:
    host = survey(one_host(f"keyboard: {{layout: '{layouts}', toggle: alt_shift_toggle}}")).host("web-1")
    assert document(host)["autoinstall"]["keyboard"]["variant"] == variant


def test_without_a_known_release_a_mirror_is_written_so_that_all_read_it(one_host: Write) -> None:
    host = survey(one_host("apt: {mirror: 'http://mirror.example.org/ubuntu'}")).host("web-1")
    assert "primary" in document(host)["autoinstall"]["apt"]
    assert "mirror-selection" in document(host, release="24.04.2")["autoinstall"]["apt"]


TRAPS = ["no", "on", "y", "0o17", "017", "12:30", "1e3", "1_000", "0x1F", ".inf", "~", "null", "=", "<<", "2024-01-31",
         "* glob", "!tag", "&anchor", "- item", "a: b", "a #b", "#c", "%", "@", "`", "'", '"', "{a}", "[a]", ",", "?",
         "|", ">", " lead", "trail ", "", "tab\there", "line\nbreak", "\n", "end\n", "two\n\n", "é", "\U0001f600",
         "\u2028", "\x7f", "\x85", "\ufeff", "\x00"]  # fmt: skip


@pytest.mark.parametrize("text", TRAPS)
def test_a_text_that_yaml_would_take_for_something_else_stays_what_it_is(text: str) -> None:
    assert load(quoted(text)) == text
    assert load(dump({"key": text, text: [text]})) == {"key": text, text: [text]}


texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)


@given(st.dictionaries(texts, st.recursive(texts | st.booleans() | st.integers() | st.none(), st.lists, max_leaves=4)))
def test_what_is_quoted_or_dumped_reads_back_as_it_was(value: dict[str, Any]) -> None:
    assert load(quoted(value)) == value
    assert load(dump(value)) == value


@given(command=texts, name=texts)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_value_breaks_out_of_its_place(host: Host, command: str, name: str) -> None:
    values = {**host.values, "late_commands": [command], "identity": {**host.values["identity"], "realname": name}}
    made = document(dataclasses.replace(host, values=values))["autoinstall"]
    assert made["late-commands"][-2] == command
    assert made["identity"].get("realname", "") == name
    assert set(made) == set(document(host)["autoinstall"])


@given(texts)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_description_breaks_out_of_its_comment(host: Host, text: str) -> None:
    made = document(dataclasses.replace(host, values={**host.values, "description": text}))
    assert made == document(host)


def test_vendor_data_and_user_data_are_merged_from_all_groups_and_the_host(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    texts = {
        "hosts.yml": "all: {children: {lab: {hosts: {web-1: }}}}",
        "group_vars/all.yml": "{vendor_data: {ntp: {enabled: yes}, swap: {}}, user_data: {fqdn: a, ntp: {pools: [a]}}}",
        "group_vars/lab.yml": "{vendor_data: {ntp: {servers: ['it: #']}, swap: null}, user_data: {ntp: {pools: [b]}}}",
        "host_vars/web-1.yml": "{vendor_data: {bootcmd: [[echo, '{{ x }}']]}, user_data: {fqdn: w}}",
    }
    for name, text in texts.items():
        (inventory / name).parent.mkdir(parents=True, exist_ok=True)
        (inventory / name).write_text(text)
    seed = render_seed(survey(tmp_path).host("web-1"), templates=[SHIPPED])
    assert seed.vendor_data.startswith(b"#cloud-config\n")
    assert yaml.safe_load(seed.vendor_data) == {
        "ntp": {"enabled": True, "servers": ["it: #"]}, "swap": None, "bootcmd": [["echo", "{{ x }}"]],
    }  # fmt: skip
    assert yaml.safe_load(seed.user_data)["autoinstall"]["user-data"] == {
        "hostname": "web-1", "fqdn": "w", "ntp": {"pools": ["b"]},
    }  # fmt: skip
