"""Secrets that are known by their shape alone: tokens with a prefix, private keys, hashes, logins in URLs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from isoforge.masking.names import is_path, is_reference, secret_kind
from isoforge.masking.spans import PASSWORD_HASH, Span


class Shape(NamedTuple):
    """A kind of secret and its pattern, whose first group is what to mask (the whole match without a group).

    ``words``: without any of these in the text there is no match, and no need to look. ``certain_from`` is the number
    of characters from which a match is certain to be a secret, None for never.
    """

    kind: str
    words: tuple[str, ...]
    pattern: str
    certain_from: int | None = None


_HASH = (
    r"\$(?:[1567]|2[abxy]|y|gy|sha1|md5|apr1|argon2\w{1,2}|scrypt|pbkdf2[\w-]{0,16}|bcrypt[\w-]{0,8})\$"
    r"[\w./$=,+-]{8,}|\{(?:S?SHA(?:256|512)?|S?MD5|CRYPT)\}[\w./+=$-]{8,}"
)

SHAPES = (
    Shape(
        "private key",
        ("PRIVATE KEY",),
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?"
        r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
        0,
    ),
    Shape("private key", ("Private-Lines:",), r"Private-Lines: ?\d+\s+([\s\S]*?)(?=Private-MAC|\Z)", 0),
    Shape("age key", ("AGE-SECRET-KEY-", "age-secret-key-"), r"(?i)AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]+", 37),
    Shape(PASSWORD_HASH, ("$", "{"), _HASH, 0),
    Shape(PASSWORD_HASH, ("grub.pbkdf2",), r"grub\.pbkdf2\.sha512\.\d+\.[0-9A-Fa-f]+\.[0-9A-Fa-f]+", 0),
    Shape("GitHub token", ("gh", "github_pat_"), r"(?<![A-Za-z0-9])(?:gh[oprsu]_|github_pat_)[0-9A-Za-z_]{8,}", 34),
    Shape("GitLab token", ("gl",), r"(?<![\w-])gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|oas|ffct|imt)-[\w.-]{8,}", 26),
    Shape("Slack token", ("xox", "xapp-"), r"(?<![\w-])(?:xox[a-z](?:\.xox[a-z])?|xapp)-[\w-]{8,}", 25),
    Shape("Slack webhook", ("hooks.slack.com",), r"hooks\.slack\.com/(?:services|workflows|triggers)/([\w/-]{8,})", 20),
    Shape("Discord webhook", ("/webhooks/",), r"/api/webhooks/(\d+/[\w-]{8,})", 40),
    Shape("Telegram token", (":AA",), r"(?<!\d)\d{6,12}:AA[\w-]{20,}", 40),
    Shape("Tailscale key", ("tskey-",), r"(?<![\w-])tskey-[\w-]{8,}", 26),
    Shape("AWS key", ("AKIA", "ASIA", "ABIA", "ACCA"), r"(?<![\w-])(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{12,}(?![\w-])", 20),
    Shape("Google API key", ("AIza",), r"(?<![\w-])AIza[\w-]{16,}", 39),
    Shape("Google token", ("ya29.", "GOCSPX-"), r"(?<![\w-])(?:ya29\.|GOCSPX-)[\w.-]{8,}", 25),
    Shape("Azure secret", ("Q~",), r"(?<![\w~.-])[\w~.-]{3}\dQ~[\w~.-]{20,}", 37),
    Shape("JSON web token", ("eyJ",), r"(?<![\w-])eyJ[\w-]{10,}\.eyJ[\w-]{10,}(?:\.[\w-]*)*", 40),
    Shape("JSON web token", ("eyJ",), r"(?<![\w-])eyJ[\w.=+/-]{8,}"),
    Shape("Vault token", ("hvs.", "hvb.", "hvr."), r"(?<![\w.-])hv[sbr]\.[\w-]{8,}", 28),
    Shape("Vault token", ("s.",), r"(?<![\w.-])s\.(?=[A-Za-z0-9]*\d)[A-Za-z0-9]{24}(?![\w.-])"),
    Shape("Terraform token", (".atlasv1.",), r"(?<!\w)\w{14}\.atlasv1\.[\w-]{20,}", 40),
    Shape("npm token", ("npm_",), r"(?<![\w-])npm_[A-Za-z0-9]{20,}", 40),
    Shape("PyPI token", ("pypi-",), r"(?<![\w-])pypi-(?=[\w-]*[A-Z])(?=[\w-]*\d|AgE)[\w-]{12,}", 40),
    Shape("Stripe key", ("sk_", "rk_", "whsec_"), r"(?<![\w-])(?:(?:sk|rk)_(?:live|test)_|whsec_)[A-Za-z0-9]{8,}", 30),
    Shape("DigitalOcean token", ("_v1_",), r"(?<![\w-])do[opr]_v1_[0-9a-f]{16,}", 60),
    Shape("Docker Hub token", ("dckr_",), r"(?<![\w-])dckr_[po]at_[\w-]{8,}", 28),
    Shape("API key", ("sk-",), r"(?<![\w-])sk-(?!ssh-|ecdsa-)(?=[\w-]*\d)[\w-]{20,}", 40),
    Shape("Hugging Face token", ("hf_",), r"(?<![\w-])hf_[A-Za-z0-9]{16,}", 37),
    Shape("SendGrid key", ("SG.",), r"(?<![\w.-])SG\.[\w-]{16,}\.[\w-]{16,}", 60),
    Shape("Mailgun key", ("key-",), r"(?<![\w-])key-[0-9a-f]{32}(?![\w-])", 36),
    Shape("Grafana token", ("glsa_", "glc_"), r"(?<![\w-])gl(?:sa|c)_[\w=+/-]{16,}", 38),
    Shape("Databricks token", ("dapi",), r"(?<![\w-])dapi[0-9a-f]{32}", 36),
    Shape("Shopify token", ("shp",), r"(?<![\w-])shp(?:at|ca|pa|ss)_[0-9a-fA-F]{16,}", 38),
    Shape("k3s token", ("::",), r"(?<!\w)K10[0-9a-f]{64}::[\w.:-]+", 0),
    Shape("Ubuntu Pro token", ("C",),
          r"(?<![\w/.-])C(?=\w{0,29}\d)(?=\w{0,29}[a-z])[1-9A-HJ-NP-Za-km-z]{23,29}(?![\w/.-])"),
    Shape("macaroon", ("MDA", "AgE"), r"(?<![\w+/-])(?:MDA|AgE)[\w=+/-]{30,}", 60),
    Shape("login", ("login", "password"), r"\blogin\s+\S+\s+(?:account\s+\S+\s+)?password\s+(\S+)", 0),
    Shape("password", ("BY", "by", "PASSWORD"),
          r"(?i)\b(?:identified\s+by|password)\s+(?:password\s+)?'([^'\n]+)'", 0),
    Shape("password", ("assword",), r"(?<![\w-])send(?:_user)?[ \t]+(?:--[ \t]+)?\"([^\"\n]+?)(?:\\[rn])*\""),
    Shape("password", (" password ",),
          r"(?:passw(?:or)?d|passphrase|secret|token)[\w-]{0,40}[ \t]+password[ \t]+(\S[^\n'\"]*)", 0),
    Shape("password", (" string ",),
          r"(?:passw(?:or)?d|passphrase|secret|token)[\w-]{0,40}[ \t]+string[ \t]+(\S[^\n'\"]*)"),
    Shape("password", ("assword", "asswd"), r"(?m)^[ \t]*(?:rootpw|sshpw)[ \t]+(?:--\S+[ \t]+)*(\S.*)$"),
    Shape("password", ("crypt(",), r"crypt\(\s*['\"]([^'\"\n]+)['\"]"),
    Shape("password", ("/p",), r"(?<!\S)/p(?:wd|ass|assword)?:(\S+)"),
    Shape("password", ("user",), r"\buser[ \t]*=[ \t]*\\?\"[^:\"\n]{1,64}:([^\"\\\n]+)"),
    Shape("password", ("sqlplus",), r"\bsqlplus\s(?:-\w+\s){0,4}\w{1,64}/([^\s@]+)@"),
    Shape("password", ("assw", "ASSW", "ecret", "ECRET", "oken", "OKEN"),
          r"\bs(?P<sign>[/|#,!])(?:(?!(?P=sign))[^\n]){0,60}?(?i:passw|secret|token)(?!\w*Auth)"
          r"(?:(?!(?P=sign))[^\n]){0,40}(?P=sign)(?P<secret>(?:(?!(?P=sign))[^\n]){1,200})(?P=sign)"),
    Shape("password", ("assword", "assphrase", "ASSWORD", "asswort"),
          r"(?i)\b(?:password|passphrase|passwort)(?:[ \t]+(?:for|of|on|to|für)[ \t]+[\w .@-]{1,40}?)?"
          r"(?:[ \t]+(?:is|was|ist)\b[ \t:]{0,4}|[ \t]*:[ \t]*)[ \t]*[\"']?"
          r"(?=[^\s\"']*\d)(?=[^\s\"']*[A-Za-z])([^\s\"']{6,})"),
    Shape("password", ("ogin", "ogon"), r"(?i)\blog[io]n[ \t]*:[ \t]*\S+[ \t]+/[ \t]+(\S+)"),
    Shape("password", ("login=",), r"\blogin=[^:\s]{1,64}:(\S+)"),
    Shape("password", ("createUser",), r"\bcreateUser\s+\S+\s+(?:MD5|SHA[\w-]{0,8})\s+[\"']?([^\s\"']+)"),
    Shape("password", ("createUser",), r"\bcreateUser\s[^\n]{1,120}?\s(?:DES|AES[\w-]{0,8})\s+[\"']?([^\s\"']+)"),
    Shape("pre-shared key", ("PSK", "EAP", "XAUTH"), r":\s*(?:PSK|EAP|XAUTH)\s+\"([^\"\n]+)\""),
    Shape("pre-shared key", ("PSK",), r":\s*PSK\s+(0[sx][\w+/=]{8,})"),
    Shape("private key", ("RSA", "ECDSA"), r":\s*(?:RSA|ECDSA)\s*\{([^}]+)\}"),
    Shape("password", ("requirepass", "masterauth"),
          r"\b(?:requirepass|masterauth)[ \t]+(?!is\b|in\b|to\b)([^\s'\"]+)"),
    Shape("secret", ("SetEnv", "setenv", "SETENV"),
          r"(?i)\bsetenv[ \t]+\w*(?:pass(?:word|wd|phrase)?|secret|token|key|pwd)[ \t]+[\"']?([^\s'\"]+)"),
    Shape("secret", ("sops",), r"\bsops\b[^\n]{0,200}?\bset\b[^\n]{0,200}?\][ '\"]{0,4}[ \t]+'?\"?([^\s\"'][^\n\"']*)"),
    Shape("hex-encoded data", ("xxd",), r"\b((?:[0-9a-fA-F]{2}){4,})\b(?=[^\n]{0,80}\bxxd\b[^\n]{0,40}-\w*r)"),
    Shape("hex-encoded data", ("xxd",), r"\bxxd\b[^\n]{0,40}-\w*r[^\n]{0,40}<<<[ '\"]*([0-9a-fA-F]{8,})"),
    Shape("hex-encoded data", ("fromhex", "unhexlify"), r"(?:fromhex|unhexlify)\(\s*b?['\"]([0-9a-fA-F ]{8,})['\"]"),
    Shape("community", ("community",), r"\b(?:r[ow]community6?|snmp-server\s+community)\s+(\S+)"),
    Shape("authorization header", ("uthorization", "UTHORIZATION"),
          r"(?i)authorization[\"']?\s*(?::|=(?=\s*[\"']?(?:bearer|basic|token)\s))\s*[\"']?"
          r"(?:(?:bearer|basic|token|digest|negotiate|apikey|macaroon)\s+)?([^\"'\n]+)", 0),
    Shape("bearer token", ("earer", "EARER"), r"\b(?i:bearer)\s+(?=[\w.~+/-]*(?:\d|[a-z][A-Z]|=))([\w.~+/=-]{8,})", 20),
    Shape("basic credentials", ("asic", "ASIC"), r"\b(?i:basic)\s+(?=[\w+/]*(?:\d|[a-z][A-Z]|=))([\w+/=-]{8,})"),
)  # fmt: skip
"""Which secret looks how: the formats that their issuers document, and those of crypt(5), OpenSSH, PuTTY and age."""


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiled when a text has a word of the shape: most never do, and all of them take a tenth of a second."""
    return re.compile(pattern)


def shaped(text: str) -> Iterator[Span]:
    """What in ``text`` has one of the `SHAPES`, or is a login or a key in a URL."""
    for shape in SHAPES:
        for word in shape.words:  # quicker than `any`, and most texts have no word of any shape
            if word in text:
                break
        else:
            continue
        pattern = _compiled(shape.pattern)
        for match in pattern.finditer(text):
            start, end = match.span("secret" if "secret" in pattern.groupindex else pattern.groups and 1)
            if is_reference(text[start:end]):
                continue
            length = match.end() - match.start()
            yield Span(start, end, shape.kind, shape.certain_from is not None and length >= shape.certain_from)
    if "://" in text:
        yield from _in_urls(text)


_URL = re.compile(r"[a-z][a-z0-9+.-]{0,30}://((?:[^\s\"'<>|\\]|\\(?![nrt\"']))*+)", re.IGNORECASE)
_LOGIN = re.compile(r"[^/?#]*@|[^/?#:@]+:(?!\d{1,5}(?:[/?#]|$))\S*@")
"""The second form: a password with a slash in it."""

_PARAMETER = re.compile(r"[?&;#]([\w.~-]{1,64})=([^&#;\s]+)")
_USERS = frozenset(("git", "anonymous", "anon", "ftp", "hg", "svn", "root", "admin", "ubuntu", "user"))
_KEYS = re.compile(
    r"sig|signature|key|code|auth|pass|pw|pwd|sas|hmac|jwt|hash|x-(?:amz|goog)-(?:signature|credential|security-token)"
)
_CERTAIN_LENGTH = 8
_TOKEN_LENGTH = 20


def _in_urls(text: str) -> Iterator[Span]:
    for url in _URL.finditer(text):
        start = url.start(1)
        login = _LOGIN.match(text, start, url.end())
        if login:
            yield from _in_login(text, url.group(), start, login.end() - 1)
        for parameter in _PARAMETER.finditer(text, login.end() if login else start, url.end()):
            name, value = parameter[1].lower(), parameter[2]
            kind = secret_kind(name)
            if (kind or _KEYS.fullmatch(name)) and not is_reference(value):
                certain = name in ("sig", "signature", "x-amz-signature") or bool(kind)
                is_long = len(value) >= _CERTAIN_LENGTH
                yield Span(*parameter.span(2), "key in a URL", certain and is_long and not is_path(value))


def _in_login(text: str, url: str, start: int, end: int) -> Iterator[Span]:
    """The password of ``user:password@``, or the token of ``token@`` where no user is expected."""
    user, colon, password = text[start:end].partition(":")
    if not is_reference(password):
        yield Span(start + len(user) + 1, end, "password in a URL", certain=True)
    is_long = len(user) >= _TOKEN_LENGTH or password == "x-oauth-basic"  # noqa: S105 - says that the user is a token
    is_web = not colon and url.lower().startswith(("http", "git+http")) and user not in _USERS
    if (is_long or is_web) and not is_reference(user):  # a token may have an empty password, or x-oauth-basic
        yield Span(start, start + len(user), "token in a URL", certain=is_long and not password)
