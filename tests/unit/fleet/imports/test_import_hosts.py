"""Inventories of Ansible and CSVs become a change of ours: read, compared, written, and nothing secret copied."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from isoforge.errors import ForgeError, InventoryError, UsageError
from isoforge.fleet.imports.columns import columns_of
from isoforge.fleet.imports.formats import Format
from isoforge.fleet.imports.read import read_source
from isoforge.fleet.inventory.load import load_inventory
from isoforge.import_hosts import ImportResult, import_hosts

ROOT = Path(__file__).parents[4]
VAULT = "$ANSIBLE_VAULT;1.1;AES256\n62313365396662343061393464336163\n"

CSV = """Name,Group,Serial Number,MAC Address,IP,Netmask,DNS,Disk Serial
rack-1,rack,PC0B1,00-00-5E-00-53-21,192.0.2.101,255.255.255.0,192.0.2.53 192.0.2.54,S4B1
rack-2,rack,PC0B2,0000.5e00.5322,dhcp,,,S4B2
"""

LISTED = {
    "_meta": {
        "hostvars": {
            "rack-1": {
                "ansible_host": "192.0.2.101",
                "serial": "PC0B1",
                "timezone": "Europe/Berlin",
                "storage": {"disk": {"serial": "S4B1"}, "passphrase": {"__ansible_vault": VAULT}},
                "identity": {"username": "ops", "password_hash": "$6$salt$hash"},
            },
            "rack-2": {"serial": "PC0B2", "packages": ["htop"], "shell": "{{ x }}"},
        }
    },
    "all": {"children": ["ungrouped", "site"]},
    "site": {"children": ["rack"]},
    "rack": {"hosts": ["rack-1", "rack-2"]},
}

INI = """# racks
[rack]
rack-[1:2] timezone=Europe/Berlin packages="['htop', 'tmux']"
rack-3:2222 serial='PC0 B3'

[rack:vars]
locale = de_DE.UTF-8
[site:children]
rack
"""

YAML = f"""all:
  children:
    rack:
      vars: {{locale: de_DE.UTF-8}}
      hosts:
        rack-[1:2]: {{timezone: Europe/Berlin}}
        rack-3:
          serial: !unsafe PC0B3
          passphrase: !vault |
            {VAULT.splitlines()[0]}
            {VAULT.splitlines()[1]}
"""


@pytest.fixture
def baremetal(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "baremetal/inventory", tmp_path / "baremetal/inventory")
    return tmp_path / "baremetal"


def take(baremetal: Path, content: str | bytes, name: str, *columns: str, **options: bool | str) -> ImportResult:
    mapping = columns_of(columns)
    content = content if isinstance(content, bytes) else content.encode()
    source = read_source(content, name, None, mapping)
    return import_hosts(baremetal, source, mapping, **options)  # type: ignore[arg-type]


def values(baremetal: Path, host: str) -> dict[str, object]:
    return dict(yaml.safe_load((baremetal / "inventory/host_vars" / host / "main.yml").read_text()))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_csv_becomes_hosts_whatever_delimits_its_cells(baremetal: Path, delimiter: str, mark: str) -> None:
    result = take(baremetal, mark + CSV.replace(",", delimiter).replace("\n", "\r\n"), "racks.csv")
    assert result.hosts == ["rack-1", "rack-2"]
    host = load_inventory(baremetal).host("rack-1")
    assert (host.group, host.match.serial, host.address) == ("rack", "PC0B1", "192.0.2.101")
    assert host.values["network"]["ethernets"]["lan0"]["nameservers"]["addresses"] == ["192.0.2.53", "192.0.2.54"]
    assert host.values["network"]["ethernets"]["lan0"]["mac"] == host.match.mac[0] == "00:00:5e:00:53:21"
    assert load_inventory(baremetal).host("rack-2").address == "dhcp"


def test_a_second_import_of_the_same_file_changes_nothing(baremetal: Path) -> None:
    take(baremetal, CSV, "racks.csv")
    again = take(baremetal, CSV, "racks.csv")
    assert (again.files, again.changes, again.diff, again.pending) == ([], [], "", "")
    assert again.unchanged == ["hosts.rack-1", "hosts.rack-2"]


def test_a_value_that_differs_is_shown_and_replaced_only_with_update(baremetal: Path) -> None:
    file = baremetal / "inventory/host_vars/site-a-m710q1/main.yml"
    before = file.read_text()
    table = "name,serial,timezone\nsite-a-m710q1,PC0NEW,Europe/Paris\n"
    result = take(baremetal, table, "x.csv")
    origins = {change.key: (change.state, change.current, change.place) for change in result.changes}
    everyone = baremetal / "inventory/group_vars/all/main.yml"
    line = {
        path: number
        for path in (file, everyone)
        for number, text in enumerate(path.read_text().splitlines(), 1)
        if text.lstrip().startswith(("serial: PC0", "timezone"))
    }
    assert origins["match.serial"] == ("differs", "PC0EXMP1", f"{file}:{line[file]}")
    assert origins["timezone"] == (
        "differs",
        load_inventory(baremetal).host("site-a-m710q1").values["timezone"],
        f"{everyone}:{line[everyone]}",
    )
    assert "-  serial: PC0EXMP1" in result.pending
    assert "+  serial: PC0NEW" in result.pending
    assert "PC0NEW" not in file.read_text()
    take(baremetal, table, "x.csv", update=True)
    host = load_inventory(baremetal).host("site-a-m710q1")
    assert (host.match.serial, host.values["timezone"]) == ("PC0NEW", "Europe/Paris")
    kept = [line for line in before.splitlines() if line.lstrip().startswith("#")]
    assert [line for line in file.read_text().splitlines() if line.lstrip().startswith("#")] == kept


def test_a_dry_run_shows_the_same_change_and_writes_nothing(baremetal: Path) -> None:
    before = {path: path.read_bytes() for path in baremetal.rglob("*") if path.is_file()}
    dry = take(baremetal, CSV, "racks.csv", dry_run=True)
    assert {path: path.read_bytes() for path in baremetal.rglob("*") if path.is_file()} == before
    assert take(baremetal, CSV, "racks.csv").diff == dry.diff != ""


def test_the_json_of_ansible_is_imported_with_its_groups_and_without_its_secrets(baremetal: Path) -> None:
    result = take(baremetal, json.dumps(LISTED), "inventory.json", "shell=", "ansible_host=")
    inventory = load_inventory(baremetal)
    assert inventory.host("rack-1").groups == ("site", "rack")
    identity = {"username": "ops"}
    disk = {"disk": {"serial": "S4B1"}}
    berlin = {"match": {"serial": "PC0B1"}, "timezone": "Europe/Berlin"}
    assert values(baremetal, "rack-1") == berlin | {"storage": disk, "identity": identity}
    assert len(result.secrets) == 2
    assert all("host_vars/rack-1/secrets.sops.yaml" in line for line in result.secrets)
    written = "".join(path.read_text() for path in result.files)
    assert "ANSIBLE_VAULT" not in written + result.diff + repr(result)
    assert "$6$" not in written + result.diff + repr(result)


def test_an_ini_inventory_is_read_with_ranges_literals_and_group_variables(baremetal: Path) -> None:
    take(baremetal, INI, "hosts.ini")
    inventory = load_inventory(baremetal)
    assert [host.name for host in inventory.group("site")] == ["rack-1", "rack-2", "rack-3"]
    assert values(baremetal, "rack-2") == {"timezone": "Europe/Berlin", "packages": ["htop", "tmux"]}
    assert inventory.host("rack-3").match.serial == "PC0 B3"
    assert str(inventory.host("rack-3").where(("locale",)).file).endswith("group_vars/rack/main.yml")


def test_a_yaml_inventory_is_read_and_its_vault_stays_closed(baremetal: Path) -> None:
    result = take(baremetal, YAML, "hosts.yml", "passphrase=storage.passphrase")
    assert result.hosts == ["rack-1", "rack-2", "rack-3"]
    assert values(baremetal, "rack-3") == {"match": {"serial": "PC0B3"}}
    assert "host_vars/rack-3/secrets.sops.yaml" in result.secrets[0]
    assert load_inventory(baremetal).host("rack-1").values["locale"] == "de_DE.UTF-8"


MISTAKES = [
    ("a.csv", "name,serial\n../evil,1\n", "a.csv:2: invalid host name '../evil'"),
    ("a.csv", 'name,serial\n"web\n1",1\n', "a.csv:2: invalid host name 'web\\\\n1'"),
    ("a.csv", "name,serial\nweb-1,1\nWEB-1,2\n", "a.csv:3: host 'WEB-1' is listed twice"),
    ("a.csv", "name,serial\nSITE-A-M710Q1,1\n", "differs from host 'site-a-m710q1'"),
    ("a.csv", "name,group\nsite_a,x\n", "both a host and a group"),
    ("a.csv", "name,group\nweb-1,0x!\n", "invalid group name '0x!'"),
    ("a.csv", "name,serial,serial\nweb-1,1,2\n", "column 'serial' occurs twice"),
    ("a.csv", 'name,serial\n"web-1,1\n', "a.csv:2: not valid CSV"),
    ("a.csv", "name,serial\nweb-1,1,2\n", "a.csv:2: has 3 cells"),
    ("a.csv", "name,serial\n,1\n", "a.csv:2: the column 'name' is empty"),
    ("a.csv", "serial\n1\n", "no column with the names"),
    ("a.csv", "name,ip\nweb-1,192.0.2.1\n", "has no prefix length"),
    ("a.csv", "name,ip\nweb-1,192.0.2.999/24\n", "invalid address"),
    ("a.csv", "name,vars.x,vars.x.y\nweb-1,1,2\n", "vars.x.y: there is a value above"),
    ("a.csv", "name,vars.x.y,vars.x\nweb-1,1,2\n", "vars.x: there is a value above"),
    ("a.csv", "name,mac\nweb-1,00:00\n", "invalid MAC address"),
    ("a.csv", "name,storage.layout\nweb-1,lvn\n", "storage.layout: 'lvn' is not one of"),
    ("a.csv", b"name,description\nweb-1,B\xfcro\n", "a.csv:2 is not UTF-8"),
    ("a.csv", "name\nweb-1\n".encode("utf-16"), "UTF-16"),
    ("a.csv", "", "is empty"),
    ("a.json", "{", "not valid JSON"),
    ("a.json", "[" * 100_000, "nested too deeply"),
    ("a.json", '{"all": ' + "[" * 200 + "]" * 200 + "}", "nested too deeply"),
    ("a.json", '{"all": {"hosts": ["a"], "hosts": ["b"]}}', "'hosts' occurs twice"),
    ("a.json", '{"x": {}}', "not an Ansible inventory"),
    ("a.ini", "[web]\nweb-1 a\n", "a.ini:2: 'a' is not key=value"),
    ("a.ini", "[web]\nweb-1 a='b\n", "a.ini:2: a quote is opened"),
    ("a.ini", "[all:children]\nwebb\n[web]\nweb-1\n", "a.ini:2: unknown group 'webb'"),
    ("a.ini", "[web:varz]\n", "unknown section [web:varz]"),
    ("a.ini", "web-[1:99999999]\n", "more than 10000 hosts"),
    ("a.yml", "all: {hosts: [web-1]}\n", "a.yml:1: all.hosts: a group has hosts, children and vars"),
    ("a.yml", "all: {hosts: {web-1: {description: '{{ x }}'}}}\n", "is a template of Ansible"),
    ("a.yml", VAULT, "encrypted with Ansible Vault"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "line"), MISTAKES, ids=[one[2] for one in MISTAKES])
def test_a_mistake_is_one_line_and_nothing_is_imported(
    baremetal: Path, name: str, content: str | bytes, line: str
) -> None:
    before = {path: path.read_bytes() for path in baremetal.rglob("*") if path.is_file()}
    with pytest.raises(InventoryError) as caught:
        take(baremetal, content, name)
    lines = [*str(caught.value).splitlines()]
    assert any(line.replace("\\\\", "\\") in one.replace("\\\\", "\\") for one in lines), lines
    assert len(lines) <= 2
    assert {path: path.read_bytes() for path in baremetal.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("serial", "expected COLUMN=KEY"),
        ("Tag=match.seriel", "did you mean 'match.serial'?"),
        ("Tag=match", "holds several values: choose one of match.serial"),
        ("Tag=storage.disks[].serial", "items of lists"),
        ("Tag=match.serial", "no such column or variable"),
    ],
)
def test_a_wrong_column_is_a_usage_error(baremetal: Path, option: str, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        take(baremetal, CSV, "racks.csv", option)
    assert line in str(caught.value)


def test_secrets_in_a_table_are_left_out_by_key_by_name_and_by_form(baremetal: Path) -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----"
    table = f"name,password_hash,Pass,note\nweb-1,$6$abc$def,hunter2,{key}\n"
    result = take(baremetal, table, "x.csv", "Pass=vars.login", "note=description")
    assert len(result.secrets) == 3
    text = repr(result) + (baremetal / "inventory/host_vars/web-1/main.yml").read_text()
    assert not any(secret in text for secret in ("$6$", "hunter2", "BEGIN"))


def test_a_host_with_values_in_hosts_yml_or_an_alias_is_edited_safely_or_not_at_all(tmp_path: Path) -> None:
    baremetal = tmp_path / "baremetal"
    file = baremetal / "inventory/host_vars/web-1.yml"
    file.parent.mkdir(parents=True)
    (baremetal / "inventory/hosts.yml").write_text("all: {hosts: {web-1: {timezone: Etc/UTC}}}\n")
    file.write_text("match: &m {serial: A}   # kept\nvars: *m\n")
    result = take(baremetal, "name,timezone\nweb-1,Europe/Paris\n", "x.csv", update=True)
    assert file.read_text() == "match: &m {serial: A}   # kept\nvars: *m\ntimezone: Europe/Paris\n"
    assert result.files == [file]
    with pytest.raises(ForgeError, match="cannot be edited automatically"):
        take(baremetal, "name,serial\nweb-1,B\n", "x.csv", update=True)
    with pytest.raises(ForgeError, match="add these hosts under all: hosts: yourself"):
        take(baremetal, "name,serial\nweb-2,B\n", "x.csv")
    assert file.read_text().startswith("match: &m {serial: A}   # kept\n")


def test_the_format_shows_in_the_first_line_of_stdin() -> None:
    none = columns_of([])
    contents = {Format.ANSIBLE: json.dumps(LISTED), Format.INI: INI, Format.YAML: YAML, Format.CSV: CSV}
    for format_, content in contents.items():
        source = read_source(content.encode(), "(stdin)", None, none)
        assert source == read_source(content.encode(), "(stdin)", format_, none)
    with pytest.raises(UsageError, match="cannot tell the format"):
        read_source(b"web\n", "(stdin)", None, none)
