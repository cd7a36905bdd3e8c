"""Who may log in: identity, ssh, and the users of the installed system's cloud-config."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from isoforge.fleet.check import password_hash, schema
from isoforge.fleet.check.findings import Findings, items, mapping, text
from isoforge.fleet.check.installers import consequence_of_bad_name
from isoforge.fleet.check.sources import asks_for_user, source_id
from isoforge.yaml_limits import KeyPath

IDENTITY: KeyPath = ("autoinstall", "identity")

USER_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")

EXAMPLE_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIGlzb2ZvcmdlIGV4YW1wbGU6IHJlcGxhY2UgdGhpcyBr"
"""The public key of the shipped examples. Its bytes are a sentence: there is no private key to it."""

_LOOKS_OTHERWISE = re.compile(r"0o[0-7]+|[-+]?[0-9]+(\.[0-9]+)?[eE][-+]?[0-9]+|[yYnN]")
"""Text to cloud-init's YAML 1.1 parser, a number or a truth value to others."""


def check(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    """Everything about accounts in an `autoinstall:` mapping."""
    identity = autoinstall.get("identity")
    if identity is None:
        _check_without_identity(findings, autoinstall)
    elif isinstance(identity, dict):
        _check_identity(findings, identity)
    _check_ssh(findings, autoinstall)
    _check_users(findings, autoinstall)


def is_host_name(name: str) -> bool:
    """Whether ``name`` is a host name, of one label or several (RFC 1123, 2.1; at most 64 characters on Linux)."""
    return len(name) <= 64 and all(_LABEL.fullmatch(label) for label in name.split("."))


def bad_host_name(name: str) -> str:
    """The sentence about a text that is not a host name."""
    return f"invalid host name {name!r}: use letters, digits and hyphens, at most 63 in a label and 64 in all"


def _check_without_identity(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    layout = mapping(mapping(autoinstall.get("storage")).get("layout"))
    asked = items(autoinstall.get("interactive-sections"))
    if asks_for_user(findings.release, findings.base, source_id(autoinstall)):
        return
    if "user-data" in autoinstall or {"identity", "*"} & {text(name) for name in asked}:
        return
    if layout.get("reset-partition-only") is not True:
        message = "is required for a server, or `user-data` that creates the accounts"
        findings.error("identity-missing", IDENTITY, message)


def _check_identity(findings: Findings, identity: Mapping[str, Any]) -> None:
    for key in ("hostname", "username", "password"):
        written = findings.document.written((*IDENTITY, key))
        if isinstance(identity.get(key), str) and _LOOKS_OTHERWISE.fullmatch(written):
            message = "without quotes, some readers take this for a number or a truth value: quote it"
            findings.warning("quotes-advised", (*IDENTITY, key), message)
    _check_host_name(findings, identity.get("hostname"))
    _check_user_name(findings, identity.get("username"), (*IDENTITY, "username"))
    if isinstance(identity.get("password"), str):
        check_hash(findings, identity["password"], (*IDENTITY, "password"))
    if re.search(r"[:\n]", text(identity.get("realname"))):
        message = "must not contain a colon or a line end (passwd(5))"
        findings.error("real-name-invalid", (*IDENTITY, "realname"), message)


def _check_host_name(findings: Findings, name: Any) -> None:
    path = (*IDENTITY, "hostname")
    if not isinstance(name, str):
        return
    if name == "":
        findings.error("value-empty", path, "is empty")
    elif not is_host_name(name):
        findings.error("host-name-invalid", path, bad_host_name(name))


def _check_user_name(findings: Findings, name: Any, path: KeyPath) -> None:
    if not isinstance(name, str):
        return
    late = consequence_of_bad_name(findings.release)
    if name in schema.words("reserved-users"):
        message = f"{name!r} is reserved for the system: choose another name{late}"
        findings.error("user-name-reserved", path, message)
    elif not USER_NAME.fullmatch(name):
        form = "start with a lower-case letter or _, then lower-case letters, digits, - and _, at most 32 characters"
        findings.error("user-name-invalid", path, f"invalid user name {name!r}: {form}{late}")


def check_hash(findings: Findings, hashed: str, path: KeyPath) -> None:
    """Check the password hash at ``path``; no part of it is shown."""
    flaw = password_hash.flaw(hashed)
    if flaw is None or findings.has_fault(path):
        return
    report = findings.error if flaw.is_error else findings.warning
    report(flaw.id, path, flaw.message)


def _check_ssh(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    path: KeyPath = ("autoinstall", "ssh")
    ssh = mapping(autoinstall.get("ssh"))
    keys = items(ssh.get("authorized-keys"))
    for index, key in enumerate(keys):
        if isinstance(key, str) and key:
            check_public_key(findings, key, (*path, "authorized-keys", index))
    if keys and ssh.get("install-server") is not True:
        message = "no SSH server will be installed: add `install-server: true`"
        findings.warning("ssh-server-missing", (*path, "authorized-keys"), message)
    if "user-data" in autoinstall or keys:
        return
    identity = mapping(autoinstall.get("identity"))
    locked = isinstance(identity.get("password"), str) and password_hash.locked(identity["password"])
    if ssh.get("install-server") is True and ssh.get("allow-pw") is False and not locked:
        message = "nobody could log in by SSH: no password allowed, and no authorized-keys"
        findings.warning("ssh-login-impossible", (*path, "allow-pw"), message)
    if locked:
        message = "is locked and there are no authorized-keys: nobody could log in"
        findings.warning("login-impossible", (*IDENTITY, "password"), message)


def check_public_key(findings: Findings, key: str, path: KeyPath) -> None:
    """Check one line of an authorized_keys file."""
    if "PRIVATE KEY" in key:
        message = "is a private key: give the public one (the file that ends in .pub)"
        findings.error("ssh-key-private", path, message)
        return
    words = key.split()
    at = next((index for index, word in enumerate(words) if word in schema.words("public-key-types")), None)
    if EXAMPLE_KEY in words:
        message = "placeholder key from the examples: nobody can log in with it; replace it with your own"
        findings.warning("ssh-key-example", path, message)
    elif at is None and "ssh-dss" in words:
        findings.error("ssh-key-dsa", path, "is a DSA key, which sshd refuses; ed25519 is the usual choice")
    elif at is None and re.match(r"~?/|\./|\S+\.pub$", key):
        message = "is the name of a file: write the line that the file holds"
        findings.error("ssh-key-invalid", path, message)
    elif at is None:
        message = "not a valid SSH public key (expected `ssh-ed25519 AAAA… comment`)"
        findings.error("ssh-key-invalid", path, message)
    elif len(words) < at + 2 or not _body_fits(words[at], words[at + 1]):
        message = f"not a complete {words[at]} key: cut off, or a placeholder"
        findings.error("ssh-key-invalid", path, message)
    elif "\n" in key.strip():
        message = "has more than one line: make each key an item of its own"
        findings.error("ssh-key-several-lines", path, message)


def _body_fits(kind: str, body: str) -> bool:
    """Whether the base64 text is a chain of length-prefixed fields that begins with the key's type (RFC 4253, 6.6)."""
    try:
        raw = base64.b64decode(body, validate=True)
    except binascii.Error:
        return False
    fields: list[bytes] = []
    while raw:
        length = int.from_bytes(raw[:4], "big")
        if len(raw) < 4 + length:
            return False
        fields.append(raw[4 : 4 + length])
        raw = raw[4 + length :]
    if len(fields) < 2 or fields[0] != kind.encode():
        return False
    return len(fields[1]) == 32 if kind == "ssh-ed25519" else len(fields) >= 3


def _check_users(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    """The `users` of the installed system's cloud-config (cloud-init, "Users and Groups")."""
    cloud_config = mapping(autoinstall.get("user-data"))
    _check_passwords(findings, cloud_config, ("autoinstall", "user-data"))
    path: KeyPath = ("autoinstall", "user-data", "users")
    users = cloud_config.get("users")
    for index, user in enumerate(items(users)):
        here: KeyPath = (*path, index)
        for key in ("passwd", "hashed_passwd"):
            if isinstance(mapping(user).get(key), str):
                check_hash(findings, user[key], (*here, key))
        if "plain_text_passwd" in mapping(user):
            message = "is a plain-text password: use `passwd` with a hash"
            findings.warning("password-plain-text", (*here, "plain_text_passwd"), message, leak=True)
        keys = mapping(user).get("ssh_authorized_keys")
        for at, key in enumerate(items(keys)):
            if isinstance(key, str) and key:
                check_public_key(findings, key, (*here, "ssh_authorized_keys", at))


def _check_passwords(findings: Findings, cloud_config: Mapping[str, Any], path: KeyPath) -> None:
    """Passwords beside `users` (cloud-init, "Set Passwords"): hashed, or RANDOM, but not in plain text."""
    chpasswd = mapping(cloud_config.get("chpasswd"))
    written: list[tuple[KeyPath, str]] = [((*path, "password"), text(cloud_config.get("password")))]
    lines = chpasswd.get("list")
    if isinstance(lines, str):
        written += [((*path, "chpasswd", "list"), line.partition(":")[2]) for line in lines.splitlines()]
    for index, line in enumerate(items(lines)):
        written.append(((*path, "chpasswd", "list", index), text(line).partition(":")[2]))
    for index, user in enumerate(items(chpasswd.get("users"))):
        here: KeyPath = (*path, "chpasswd", "users", index, "password")
        password = text(mapping(user).get("password"))
        if mapping(user).get("type", "hash") == "text":
            written.append((here, password))
        elif password and mapping(user).get("type", "hash") == "hash":
            check_hash(findings, password, here)
    for here, password in written:
        if password.strip() not in ("", "R", "RANDOM") and not password.startswith(("$", "!", "*")):
            findings.warning("password-plain-text", here, "holds a plain-text password: write a hash", leak=True)
