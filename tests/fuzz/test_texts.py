"""Texts that others wrote: every reader answers, or refuses with the errors that it documents."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import PurePosixPath

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from isoforge.errors import ForgeError
from isoforge.fleet.check.engine import check_meta_data, check_user_data
from isoforge.fleet.facts import host_vars, read_facts
from isoforge.fleet.inventory.edit_hosts import with_host
from isoforge.fleet.inventory.load import survey
from isoforge.image.checksums import refreshed
from isoforge.proof.boot.probe_report import BEGIN, is_complete, parse_report
from isoforge.proof.manifest import Manifest
from isoforge.proof.read.grub import read_grub, read_isolinux
from isoforge.seed_format import guard_keys
from isoforge.yaml_reader import read
from tests.fuzz.conftest import at_most

TEXT = st.text(st.characters(codec="utf-8"), max_size=200)


def words_of(*words: str) -> st.SearchStrategy[str]:
    """Texts that are mostly made of ``words``, in any order."""
    return st.lists(st.one_of(st.sampled_from(words), st.text(max_size=4)), max_size=60).map("".join)


YAML = words_of(
    "a: ", "- ", "\n", "\n  ", "\n    ", "{", "}", "[", "]", ", ", "&x ", "*x", "<<: *x", "!!binary ", "!!set ",
    "!x ", "? ", ": ", "|\n", ">-\n", "'", '"', "---\n", "...\n", "%YAML 1.1\n", "\t", "# c\n", "null", "~", "0x1F",
    "1_000", "1e400", ".nan", "2001-01-01", "2001-13-45", "all:", "hosts:", "children:", "vars:", "web-1:", "g1:",
    "\\", "\0", "\ufeff", "\r\n",
)  # fmt: skip
KEYS = words_of(
    "#cloud-config\n", "autoinstall:\n", "  version: 1\n", "  identity: ", "  storage: ", "  network: ", "{", "}",
    "[", "]", "\n", "  ", "- ", ": ", "late-commands: ", "early-commands: ", "ssh: ", "layout: ", "config: ",
    "size: ", "-1", "id: ", "type: ", "disk", "partition", "match: ", "addresses: ", "'", '"', "&x ", "*x", "null",
    "hostname: ", "password: ", "$6$a$b", "1.5", "true",
)  # fmt: skip
GRUB = words_of(
    "menuentry ", "submenu ", "'a' ", "{", "}", "\n", ";", "linux ", "initrd ", "/casper/vmlinuz ", "--- ",
    "set default=", "set ", "timeout=0", "if ", "then ", "else ", "elif ", "fi\n", "[ ", " ]", "source ",
    "configfile ", "$prefix", "${x", "$", "'", '"', "\\", "function ", "for ", "in ", "do ", "done", "while ", "#",
    "smbios ", "--type 1 ", "search ", "regexp ", "test ", "!", "||", "&&", "label ", "append ", "kernel ",
    "include ", "\t", "((", "*", "echo ", "-f ",
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FACTS = words_of(
    "smbios ", "system-serial ", "system-uuid ", "disk ", "nic ", "card ", "route ", "udev ", "end", "\n", " ", "\t",
    "=", ":", "isoforge-facts 1\n", "ID_SERIAL=x\n", "00:00:5e:00:53:01", "192.0.2.1/24", "none", "-1", "0", "efi",
    "bios", "default via ",
)  # fmt: skip
REPORT = words_of(
    f"{BEGIN}\n", "isoforge-probe ", "kernel-line ", "seed ", "view ", "device ", "partition ", "view-unreadable ",
    "uname ", "missing", "none", "\n", "\r\n", " ", "0" * 64, "/nocloud/web-1/user-data", "module-failed ", "end ",
)  # fmt: skip


@given(text=st.one_of(YAML, TEXT))
def test_yaml_is_read_or_faults_say_why(text: str) -> None:
    with at_most():
        document = read(text, "x.yml")
        assert document.faults or document.readable


@given(hosts=YAML, values=YAML)
@example(hosts="\r'", values="")  # YAML counts a line that ends with CR
def test_an_inventory_is_read_with_its_problems(
    tmp_path_factory: pytest.TempPathFactory, hosts: str, values: str
) -> None:
    folder = tmp_path_factory.mktemp("fuzz") / "inventory"
    (folder / "host_vars").mkdir(parents=True)
    (folder / "hosts.yml").write_bytes(hosts.encode("utf-8", errors="surrogatepass"))
    (folder / "host_vars/web-1.yml").write_bytes(values.encode("utf-8", errors="surrogatepass"))
    with at_most(), suppress(ForgeError):
        survey(folder.parent)


@given(text=YAML)
@example(text="2001-13-45")
def test_a_host_is_added_to_hosts_yml_or_it_is_left_alone(text: str) -> None:
    with at_most():
        with_host(text, "web-9", "site_z")


@given(text=st.one_of(KEYS, YAML, TEXT))
def test_seeds_are_checked_whatever_they_hold(text: str) -> None:
    content = text.encode("utf-8", errors="surrogatepass")
    with at_most():
        check_user_data(content, file="user-data")
        check_meta_data(content, file="meta-data")
    with at_most(), suppress(ForgeError):
        guard_keys(content, "web-1")


@given(content=st.binary(max_size=200))
def test_seeds_of_any_bytes_are_checked(content: bytes) -> None:
    with at_most():
        check_user_data(content, file="user-data")
        check_meta_data(content, file="meta-data")


@given(text=st.one_of(GRUB, TEXT))
def test_menus_are_read_whatever_they_hold(text: str) -> None:
    with at_most():
        read_grub(text, lambda _file: text)
        read_isolinux(text)


@given(
    text=st.one_of(
        TEXT, JSON.map(json.dumps), words_of("{", "}", "[", "]", '"', ",", ":", "1", "schema_version", "\\u")
    )
)
def test_a_manifest_is_read_or_a_value_error(text: str) -> None:
    with at_most(), suppress(ValueError):
        Manifest.from_json(text)


@given(document=st.dictionaries(st.sampled_from([*Manifest.__dataclass_fields__, "x"]), JSON))
def test_a_manifest_with_keys_of_ours_is_read_or_a_value_error(document: dict[str, object]) -> None:
    with at_most(), suppress(ValueError):
        Manifest.from_json(json.dumps({"schema_version": 1, **document}))


@given(text=st.one_of(TEXT, words_of("0" * 32, "  ", "./", "a", "\n", " *", "\\", "\r", "../", "/")))
def test_md5sum_txt_is_refreshed_whatever_it_holds(text: str) -> None:
    with at_most():
        refreshed(text, {PurePosixPath("/a"): b"a"})


@given(text=st.one_of(FACTS, TEXT))
def test_facts_of_a_machine_are_read_or_refused(text: str) -> None:
    with at_most(), suppress(ForgeError):
        yaml.safe_load(host_vars(read_facts(text)))


@given(text=REPORT, whole=st.booleans())
@example(text="view ", whole=True)
@example(text="seed ", whole=True)
def test_a_report_of_a_guest_is_read_or_a_proof_error(text: str, whole: bool) -> None:
    lines = text.replace("\r", "").splitlines()
    digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode(errors="replace")).hexdigest()
    serial = f"{BEGIN}\n{text}\nisoforge-probe end {digest}\n" if whole else text
    with at_most(), suppress(ForgeError):
        assert is_complete(serial) or not whole
        parse_report(serial)
