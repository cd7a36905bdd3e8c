"""The examples of the catalogue of problems, checked: what `isoforge check` reports for each of them.

An example is laid on a host, or on a seed, with which nothing else is wrong.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from isoforge.base_contents import BaseContents, Source
from isoforge.fleet.check.engine import check_meta_data, check_user_data
from isoforge.fleet.check.plan.machine_disks import disks_of
from isoforge.fleet.check.review import review_inventory
from isoforge.fleet.inventory.load import survey
from isoforge.problems import Problem
from isoforge.release import Release

ROOT = Path(__file__).parents[1]

FORMS = ("host", "user_data", "meta_data", "files", "none")
"""How an example is written; each entry of the catalogue has exactly one of these keys."""

SETTINGS = ("release", "firmware", "base", "disks")
"""What an entry may say beside it: the base ISO's release, and what it contains; the firmware and disks of the host
behind a seed."""

HOST_VALUES = """\
identity: {username: ops}
ssh: {authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHRlc3Qga2V5IG9mIGlzb2ZvcmdlLCAzMiBieXRlcyEh test]}
storage: {disk: {model: Samsung*}}
"""
"""Values with which a host is complete, one key a line. The bytes of the public key are a sentence."""

SEED_VALUES = """\
version: 1
identity:
  {hostname: web-1, username: ops, password: "$6$Z2v7qMmO6hhelkVo$FYcJARsoWjtp3G412sq3S7r.9fq8QtsS0dxfx6PzojTqPs1uEEbwQttLcmS7EhEbfhWI/gg7grNYRNFQoySSA/"}
storage: {layout: {name: lvm, match: {serial: "*S4TEST01"}}}
"""  # noqa: E501
"""Sections with which a seed is complete."""

_TOP_LEVEL = re.compile(r"^([A-Za-z][\w-]*):", re.MULTILINE)


def problems_of(example: Mapping[str, Any], folder: Path) -> list[Problem]:
    """Everything that is reported for the ``example`` of an entry, tried out in ``folder``, which must be empty.

    Paths of files begin at ``baremetal/inventory/``, or at ``baremetal/`` for what is not there; a seed's is its name.
    Empty for an entry that has no example but a reason why.
    """
    release = Release.of(example.get("release"))
    if "user_data" in example:
        content = user_data(example["user_data"]).encode()
        return check_user_data(
            content,
            file="user-data",
            release=release,
            firmware=example.get("firmware"),
            base=base_of(example),
            disks=disks_of(example.get("disks")),
        )
    if "meta_data" in example:
        return check_meta_data(example["meta_data"].encode(), file="meta-data")
    if "none" in example:
        return []
    return _of_files(files(example), folder, release, base_of(example))


def base_of(settings: Mapping[str, Any]) -> BaseContents | None:
    """The contents of the base ISO of an example or a document of the corpus: ``base`` has the ids of its sources."""
    base = settings.get("base")
    if base is None:
        return None
    sources = [
        Source(id=id_, variant=id_.split("-")[1], is_default=number == 0)
        for number, id_ in enumerate(base.get("sources", ()))
    ]
    return BaseContents(
        sources=tuple(sources),
        kernel_packages=tuple(base.get("kernel_packages", ())),
        kernels=tuple(base.get("kernels", ())),
        size_bytes=int(base.get("gigabytes", 0)) << 30,
    )


def files(example: Mapping[str, Any]) -> dict[str, str]:
    """The files of an example, by their paths in ``baremetal/``."""
    return dict(example["files"]) if "files" in example else {"inventory/host_vars/web-1.yml": example["host"]}


def user_data(text: str) -> str:
    """The whole of the user-data that ``text`` is, or is a part of: sections below ``autoinstall:``, which begin on
    its third line and take the place of the sound ones."""
    if is_whole(text):
        return text
    sound = _less(SEED_VALUES, _TOP_LEVEL.findall(text))
    return "#cloud-config\nautoinstall:\n" + "".join(f"  {line}\n" for line in (text + sound).splitlines())


def is_whole(text: str) -> bool:
    """Whether ``text`` is the whole of a user-data file."""
    return text.startswith(("#", "\ufeff")) or bool(re.search(r"^autoinstall:", text, re.MULTILINE))


def _less(sound: str, keys: Iterable[str]) -> str:
    """``sound`` without the top-level ``keys``."""
    values = {key: value for key, value in yaml.safe_load(sound).items() if key not in keys}
    return "".join(yaml.safe_dump({key: value}, width=1000) for key, value in values.items())


def _of_files(
    written: Mapping[str, str], folder: Path, release: Release | None, base: BaseContents | None
) -> list[Problem]:
    for name, text in {**_sound(written), **written}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    with contextlib.chdir(folder):  # so that no message has a path of this machine
        inventory = survey(Path())
        if any(host.secret_files for host in inventory.hosts):
            problems = list(inventory.problems)  # anything else would take sops, and a key
        else:
            templates = [folder / "templates", ROOT / "templates"]  # absolute: they are remembered by their paths
            problems = review_inventory(
                inventory, inventory.hosts, templates=templates, release=release, base=base
            ).problems
    own = f"{folder}/"
    return [
        replace(one, file=one.file.removeprefix(own).removeprefix("inventory/"), message=one.message.replace(own, ""))
        for one in problems
    ]


def _sound(written: Mapping[str, str]) -> dict[str, str]:
    """The files with which the hosts of the files that were ``written`` are complete."""
    values = [text for name, text in written.items() if "_vars/" in name or "/profiles/" in name]
    replaced = {key for text in values for key in _TOP_LEVEL.findall(text)}
    hosts = dict.fromkeys(["web-1", *re.findall(r"/host_vars/([\w-]+)", "\n".join(written))])
    return {
        "inventory/hosts.yml": "all:\n  hosts:\n" + "".join(f"    {host}:\n" for host in hosts),
        "inventory/group_vars/all/sound.yml": _less(HOST_VALUES, replaced),
    }
