"""Names that mean a secret (``password``, ``API_TOKEN``, ``clientSecret``), and values that are none."""

from __future__ import annotations

import re
from functools import lru_cache

from isoforge.masking.spans import MASK

LONGEST = 80
"""How many characters of a name are looked at, its last ones."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_NAMED_KEYS = (
    r"(?:api|access|auth|account|registration|activation|recovery|encryption|decryption|licen[cs]e|signing|master|session"
    r"|setup|join|shared|service|deploy|admin|sas|hmac|aes|luks|kek|unlock|crypt|disk|root|validation|subscription|wep|wg"
    r"|wireguard|bot)key\d*$"
)

_KINDS = [
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"passphrase", "passphrase"),
        (r"password|passwd|passcode|passwort|rootpw|bindpw|adminpw|userpw|sudopw|authtok(?!en)", "password"),
        (r"macaroon|discharge", "macaroon"),
        (r"pre-?shared(?:access)?key|psk$|^psk|tlspsk", "pre-shared key"),
        (r"privatekey|privkey|sshprivate|clientkey|keydata$|private$", "private key"),
        (r"credential|dockerconfigjson|connectionstring", "credentials"),
        (r"secret", "secret"),
        (r"token", "token"),
        (r"proxystore$|storeid$", "store id"),
        (_NAMED_KEYS, "key"),
    )
]
"""Looked for in a name whose words are written together in small letters; the first that fits gives the kind."""

_LAST = {
    "pass": "password",
    "pw": "password",
    "pwd": "password",
    "pin": "PIN",
    "puk": "PIN",
    "otp": "one-time password",
    "cookie": "cookie",
    "authorization": "authorization header",
}
"""A name whose last word is one of these."""

_ONE_WORD = re.compile(r"(?<!com)(?<!by)(?<!tres)(?<!en)(?<!sur)(?<!over)(?<!under)(?<!multi)(?<!one)pass$")

_ABOUT_WORDS = """
    age authentication auths change changed count days dir directory enabled env expire expired expires expiry file
    filename format hint id ids interval length len lifetime management max method min minlen mode name names path
    policy prompt quality ref required retries rotation rule rules server servers size stdin timeout ttl type uri url
    version warn
"""
_ABOUT = frozenset(_ABOUT_WORDS.split())
"""A name with one of these as its last word is about a secret: ``password_file``, ``token_ttl``, ``key-management``."""

_SETTING_WORDS = "allow ask change disable enable expire has is lock no permit prompt require show use"
_SETTINGS = frozenset(_SETTING_WORDS.split())
"""A name with one of these as its first word is a setting: ``lock_passwd``, ``PermitEmptyPasswords``."""

_PLAIN_VALUES = """
    yes no true false on off none null nil undefined required optional sufficient requisite include default ask prompt
    enabled disabled always never unset empty changed prohibit-password
"""
_PLAIN_WORDS = frozenset(_PLAIN_VALUES.split())

_REFERENCE = re.compile(
    r"\$\w+|\$\{[^{}]*\}|\$\(\s*(?:cat\s|<)[^()|;&]*\)|`\s*cat\s[^`|;&]*`|\$\([a-z][\w.-]*\)"
    r"|\{\{[^{}]*\}\}|\{%[^{}]*%\}|%[sdqv]|%\(\w+\)s|<[\w ./-]+>|ENC\[.*\]|\.\.\.|…|x{3,}|X{3,}|[!*x]{1,3}|-+",
    re.DOTALL,
)
"""A variable, the content of a file, a template's value, a placeholder, an encrypted value, a locked password."""

_EXAMPLE = re.compile(r"[A-Z][A-Z_]+|string|text|[\w./-]+\.(?:hash|txt|key|json|ya?ml|conf|pem)")
"""What help texts write for a value, and names of files."""

_PATH = re.compile(r"@?(?:/|\./|~/)[\w.~+@%/:-]*")


@lru_cache(maxsize=8192)
def secret_kind(name: str) -> str:
    """What kind of secret the value of the key ``name`` is, such as "password" or "token"; "" if it is not a secret."""
    words = [word.lower() for word in _WORD.findall(name[-LONGEST:])]
    if not words or {"public", "pub", "pubkey"} & {*words}:
        return ""
    last = words[-1]
    joined = "".join(words)
    if joined in ("storeid", "secretid"):
        return "store id" if joined == "storeid" else "secret"
    if last in _ABOUT and not (last == "id" and "secret" in words[-2:]):
        return ""
    if (words[0] in _SETTINGS and len(words) > 1) or joined.startswith("nopass"):
        return ""
    for pattern, kind in _KINDS:
        if pattern.search(joined):
            return kind
    if last in _LAST and name != "PWD" and not (len(words) > 1 and words[-2].isdigit()):
        return _LAST[last]
    return "password" if _ONE_WORD.search(last) else ""


def is_reference(value: str) -> bool:
    """Whether ``value`` stands for a secret without being one: a variable, a placeholder, a word like ``yes``."""
    return not value or value.strip(MASK[0]) == "" or bool(_REFERENCE.fullmatch(value)) or value.lower() in _PLAIN_WORDS


def is_path(value: str) -> bool:
    """Whether ``value`` is a path, which is where a secret is, not what it is."""
    return bool(_PATH.fullmatch(value))


def is_written_out(value: str) -> bool:
    """Whether a value is written out: no variable in it, nothing that is encrypted, no locked account."""
    return not (
        value.startswith(("$", "!", "*", "<", "{", "`", "@")) or is_reference(value) or _EXAMPLE.fullmatch(value)
    )
