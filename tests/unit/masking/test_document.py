"""Secrets in a seed are masked by their name and by their shape; everything else is still there to be read."""

from __future__ import annotations

import pytest
import yaml

from isoforge.masking.document import UNREADABLE, masked
from isoforge.masking.spans import MASK

HASH = "$6$rounds=4096$saltsalt$abcdefghijklmnopqrstuv0123456789"
PEM = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n-----END OPENSSH PRIVATE KEY-----\n"
SECRETS = [
    f"autoinstall: {{identity: {{password: '{HASH}'}}}}",
    "autoinstall: {storage: {layout: {name: lvm, password: S3CRET}}}",
    "storage: {config: [{type: dm_crypt, key: S3CRET}]}",
    "ubuntu-pro: {token: S3CRET}",
    "a: {recovery-key: {live-location: /x}, recovery_key: S3CRET}",
    "chpasswd:\n  list: |\n    root:S3CRET\n",
    "chpasswd: {users: [{name: root, password: S3CRET, type: text}]}",
    "wifis: {w: {access-points: {net: {password: S3CRET}}}}",
    "wireguard: {keys: {private: S3CRET}}",
    "ssh_keys: {ed25519_private: S3CRET}",
    "password: 12345678",
    "password: |\n  S3CRET\n",
    "password: >-\n  S3CRET\n  more\n",
    'password: "S3CR\\\n  ET"',
    "? password\n: S3CRET",
    "'pass\\word': x\n\"pass\\x77ord\": S3CRET",
    "a: &x S3CRET\npassword: *x",
    "password: &x S3CRET\na: *x",
    "password: !!str S3CRET",
    "passwords: [S3CRET, {a: S3CRET}]",
    "write_files: [{path: /x, permissions: '0600', content: S3CRET}]",
    "write_files:\n- path: /x\n  encoding: b64\n  content: UzNDUkVU S3CRET\n",
    "write_files:\n- path: /x\n  content: |\n    a=1\n    db_password = S3CRET\n    b=2\n",
    "proxy: http://user:S3CRET@proxy.example:3128/",
    "late-commands: [\"echo 'ops:S3CRET' | chpasswd\"]",
    "late-commands: ['curtin in-target -- mysqladmin --password=S3CRET']",
    "late-commands: [[sh, -c, 'API_TOKEN=S3CRET ./x']]",
    "late-commands: ['pro attach S3CRET']",
    "late-commands: ['curl -H \"Authorization: Bearer S3CRET\" https://x']",
    "# the old password: S3CRET\na: b",
    "a: b  # password=S3CRET",
    "a: AGE-SECRET-KEY-1S3CRET",
    "a: ghp_S3CRETS3CRET",
    "a: |\n" + "".join(f"  {line}\n" for line in PEM.replace("b3Blb", "S3CRET").splitlines()),
    'a: "-----BEGIN PRIVATE KEY-----\\nS3CRET\\n-----END PRIVATE KEY-----"',
    "a: '-----BEGIN RSA PRIVATE KEY----- S3CRET'",
    "{password: S3CRET}",
    "---\na: 1\n---\npassword: S3CRET\n",
]


@pytest.mark.parametrize("text", SECRETS)
def test_secret_is_masked(text: str) -> None:
    for whole in (text, f"#cloud-config\n{text}", f"{text}\nafter: it\n"):
        shown = masked(whole)
        assert "S3CR" not in shown
        assert HASH not in shown
        assert "12345678" not in shown
        assert MASK in shown or shown == UNREADABLE


@pytest.mark.parametrize("text", [text for text in SECRETS if "\n---" not in text])
def test_what_is_shown_is_still_yaml_with_the_same_keys(text: str) -> None:
    def keys(value: object) -> object:
        if isinstance(value, dict):
            return {key: keys(inner) for key, inner in value.items()}
        return [keys(inner) for inner in value] if isinstance(value, list) else None

    assert keys(yaml.safe_load(masked(text))) == keys(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        "#cloud-config\nautoinstall:\n  version: 1\n  ssh: {allow-pw: false, install-server: true}\n",
        "users: [{name: a, lock_passwd: true, sudo: 'ALL=(ALL) NOPASSWD: ALL'}]\n",
        "ssh_pwauth: false\npassword: null\n",
        "authorized-keys:\n- ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGlzb2ZvcmdlIGV4YW1wbGU6IHJlcGxhY2UgdGhpcyBr me\n",
        "late-commands:\n- curtin in-target -- apt-get install -y nginx  # as they asked\n",
        "a: 'https://example.org:8080/path'\n",
        "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n",
        "a: |\n  -----BEGIN CERTIFICATE-----\n  MIIB1zCCAX2gAwIBAgIUQ3RlbXBvcmFyeTE5OTk\n  -----END CERTIFICATE-----\n",
        "",
        "instance-id: site-a-m710q1-ed08db3bd001\nlocal-hostname: site-a-m710q1\n",
    ],
)
def test_what_is_no_secret_stays_to_the_letter(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    "text", ["#!/bin/sh\necho S3CRET\n", "a: [S3CRET", "- S3CRET", "Content-Type: a/b; c\n\n--x\nS3CRET"]
)
def test_what_is_no_yaml_mapping_is_not_shown(text: str) -> None:
    assert masked(text) == UNREADABLE


def test_layout_and_comments_stay() -> None:
    text = "# a\na:   1   # b\n\npassword:   x   # c\nz:\n    - y\n"
    assert masked(text) == text.replace("x ", '"***" ')
