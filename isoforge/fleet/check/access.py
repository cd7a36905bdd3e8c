"""Who may log in: identity, ssh, and the users of the installed system's cloud-config."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from isoforge.fleet.check import password_hash, schema
from isoforge.fleet.check.document import Route
from isoforge.fleet.check.findings import Findings, items, mapping, text

IDENTITY: Route = ("autoinstall", "identity")

USER_NAME = re.compile(r"[a-z_][a-z0-9_-]*")
HOST_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")

_LOOKS_OTHERWISE = re.compile(r"0o[0-7]+|[-+]?[0-9]+(\.[0-9]+)?[eE][-+]?[0-9]+|[yYnN]")
"""Text to cloud-init's YAML 1.1 parser, a number or a truth value to others."""


def check(found: Findings, autoinstall: Mapping[str, Any]) -> None:
    """Everything about accounts in an `autoinstall:` mapping."""
    identity = autoinstall.get("identity")
    if identity is None:
        _check_without_identity(found, autoinstall)
    elif isinstance(identity, dict):
        _check_identity(found, identity)
    _check_ssh(found, autoinstall)
    _check_users(found, autoinstall)


def _check_without_identity(found: Findings, autoinstall: Mapping[str, Any]) -> None:
    layout = mapping(mapping(autoinstall.get("storage")).get("layout"))
    asked = items(autoinstall.get("interactive-sections"))
    if "user-data" in autoinstall or {"identity", "*"} & {text(name) for name in asked}:
        return
    if layout.get("reset-partition-only") is not True:
        found.error(IDENTITY, "is missing: a server needs `identity`, or `user-data` that makes the accounts")


def _check_identity(found: Findings, identity: Mapping[str, Any]) -> None:
    for key in ("hostname", "username", "password"):
        place = found.document.place((*IDENTITY, key))
        if isinstance(identity.get(key), str) and place.plain and _LOOKS_OTHERWISE.fullmatch(place.written):
            found.warning(
                (*IDENTITY, key), "without quotes, this is a number or a truth value to some readers: quote it"
            )
    _check_host_name(found, identity.get("hostname"))
    _check_user_name(found, identity.get("username"), (*IDENTITY, "username"))
    if isinstance(identity.get("password"), str):
        check_hash(found, identity["password"], (*IDENTITY, "password"))
    if re.search(r"[:\n]", text(identity.get("realname"))):
        found.error((*IDENTITY, "realname"), "must not hold a colon or a line end (passwd(5))")


def _check_host_name(found: Findings, name: Any) -> None:
    route = (*IDENTITY, "hostname")
    if not isinstance(name, str):
        return
    if name == "":
        found.error(route, "is empty")
    elif len(name) > 64 or not all(HOST_LABEL.fullmatch(label) for label in name.split(".")):
        found.error(route, f"{name!r} is not a host name: letters, digits and hyphens, at most 63 in a label")


def _check_user_name(found: Findings, name: Any, route: Route) -> None:
    if not isinstance(name, str):
        return
    if name in schema.words("reserved-users"):
        found.error(route, f"{name!r} is reserved for the system: choose another name")
    elif not USER_NAME.fullmatch(name):
        found.error(route, f"{name!r} is not a user name: small letters, digits, - and _, not beginning with a digit")
    elif len(name) > 32:
        found.error(route, f"has {len(name)} characters; a user name has at most 32")


def check_hash(found: Findings, hashed: str, route: Route) -> None:
    """Judge the password hash at ``route``; no part of it is shown."""
    said, stops = password_hash.flaw(hashed)
    if any(fault.route == route for fault in found.document.faults):
        return
    if hashed == "" and found.document.place(route).plain:
        found.error(route, "is empty: a ! without quotes is a YAML tag, not text; quote it")
    elif said:
        (found.error if stops else found.warning)(route, said)


def _check_ssh(found: Findings, autoinstall: Mapping[str, Any]) -> None:
    route: Route = ("autoinstall", "ssh")
    ssh = mapping(autoinstall.get("ssh"))
    keys = items(ssh.get("authorized-keys"))
    for index, key in enumerate(keys):
        if isinstance(key, str) and key:
            check_public_key(found, key, (*route, "authorized-keys", index))
    if keys and ssh.get("install-server") is not True:
        found.warning((*route, "authorized-keys"), "no sshd will be installed: add `install-server: true`")
    if "user-data" in autoinstall or keys:
        return
    if ssh.get("install-server") is True and ssh.get("allow-pw") is False:
        found.warning((*route, "allow-pw"), "nobody could log in by ssh: no password, and no authorized-keys")
    identity = mapping(autoinstall.get("identity"))
    if isinstance(identity.get("password"), str) and password_hash.locked(identity["password"]):
        found.warning((*IDENTITY, "password"), "is locked and there are no authorized-keys: nobody could log in")


def check_public_key(found: Findings, key: str, route: Route) -> None:
    """Judge one line of an authorized_keys file."""
    if "PRIVATE KEY" in key:
        found.error(route, "is a private key: give the public one (the file that ends in .pub)")
        return
    words = key.split()
    at = next((index for index, word in enumerate(words) if word in schema.words("public-key-types")), None)
    if at is None:
        if "ssh-dss" in words:
            found.error(route, "is a DSA key, which sshd refuses; ed25519 is the usual choice")
        else:
            found.error(route, "is no public key: it must read `ssh-ed25519 AAAA… comment`, or another key type")
    elif len(words) < at + 2 or not _body_fits(words[at], words[at + 1]):
        found.error(route, f"is no complete {words[at]} key: cut off, or a placeholder")
    elif "\n" in key.strip():
        found.error(route, "holds more than one line: make each key an item of its own")


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


def _check_users(found: Findings, autoinstall: Mapping[str, Any]) -> None:
    """The `users` of the installed system's cloud-config (cloud-init, "Users and Groups")."""
    route: Route = ("autoinstall", "user-data", "users")
    users = mapping(autoinstall.get("user-data")).get("users")
    for index, user in enumerate(items(users)):
        here: Route = (*route, index)
        for key in ("passwd", "hashed_passwd"):
            if isinstance(mapping(user).get(key), str):
                check_hash(found, user[key], (*here, key))
        if "plain_text_passwd" in mapping(user):
            found.warning((*here, "plain_text_passwd"), "is a password in clear: use `passwd` with a hash")
        keys = mapping(user).get("ssh_authorized_keys")
        for at, key in enumerate(items(keys)):
            if isinstance(key, str) and key:
                check_public_key(found, key, (*here, "ssh_authorized_keys", at))
