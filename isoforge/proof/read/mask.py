"""Seeds for display: secrets in them are masked, by their keys and by their shape; the rest stays as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import yaml

from isoforge.yaml_limits import compose

MASK = "***"

UNREADABLE = "# Not shown: this is not valid YAML, so its secrets cannot be masked.\n"

_NAMES_ONE = (
    r"pass(?:wd|word|phrase|code)|secret|token|private|psk|credential"
    r"|(?:api|access|auth|registration|recovery|encryption|licen[cs]e|pre[-_]?shared)[-_]?key"
)
_SECRET_KEY = re.compile(rf"{_NAMES_ONE}|^(?:key|pass|pw|pin)$", re.IGNORECASE)

_PUBLIC = re.compile(
    r"-----BEGIN (?:[A-Z0-9 ]*PUBLIC KEY(?: BLOCK)?|CERTIFICATE)-----.*?-----END [A-Z0-9 ]+-----"
    r"|\b(?:sk-)?(?:ssh|ecdsa)-[\w@.-]+\s+AAAA[A-Za-z0-9+/=]+",
    re.DOTALL,
)
"""What has the shape of a secret and is public."""

_SHAPES = [
    re.compile(pattern, flags)
    for pattern, flags in (
        (r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL),
        (r"\$(?:\d\w?|y|gy|sha1|argon2\w*|scrypt)\$[^\s:'\"|]+", 0),
        (r"AGE-SECRET-KEY-1[0-9A-Za-z]+", 0),
        (r"\b(?:gh[opsu]_|github_pat_|glpat-|tskey-|xox[abprs]-|AKIA|hvs\.|eyJ)[\w.=+/-]{8,}", 0),
        (r"\bC[1-9A-HJ-NP-Za-km-z]{23,29}\b", 0),
        (r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)", 0),
        (r"(?<=Bearer )\S+|(?<=Basic )\S+", re.IGNORECASE),
        (r"(?<=attach )[^\s-]\S+", 0),
        (r"(?<=echo )[^|\n]+(?=\|[^|\n]*(?:passwd|cryptsetup|sudo -S))", 0),
        (r"(?<=printf )[^|\n]+(?=\|[^|\n]*(?:passwd|cryptsetup|sudo -S))", 0),
        (r"\b\w[\w.-]*:[^\s:|]+(?=['\"]?\s*\|\s*(?:sudo )?chpasswd)", 0),
    )
]
_ASSIGNED = re.compile(
    rf"(?<![\w.-])(?!NOPASSWD)([\w.-]*(?:{_NAMES_ONE}|\bpass|\bpw)[\w.-]*[\"']?\s*(?:[=:]\s*|\s))(\"[^\"\n]*\"|'[^'\n]*'|[^\s\"'|;&]+)",
    re.IGNORECASE,
)
"""In running text: a word for a secret, then ``=``, ``:`` or a blank, then the secret."""

_DENSE = re.compile(r"(?<![\w+/=.-])(?=[\w+/=-]*\d)(?=[\w+/=-]*[a-z])(?=[\w+/=-]*[A-Z])[\w+=-][\w+/=-]{31,}")
"""A long word with capitals, small letters and digits, which can only be a key."""

_NAMED = re.compile(r"(?:[&!]\S*\s+)+")

Edit = tuple[int, int, str]


def masked(text: str) -> str:
    """``text`` of a seed with everything secret in it replaced by `MASK`; layout and comments stay.

    Masked are values whose key names a secret and everything below such a key, the content of files that are not
    world-readable, and everything that looks like a secret: password hashes, private keys, tokens, passwords in
    commands and addresses. A text that is not a YAML mapping is not shown at all.
    """
    if not text.strip():
        return text
    try:
        documents = compose(text, yaml.SafeLoader)
        comments = list(_comments(text))
    except yaml.YAMLError:
        return UNREADABLE
    if any(not isinstance(document, yaml.MappingNode) for document in documents):
        return UNREADABLE
    edits: dict[int, Edit] = {}
    for document in documents:
        for edit in _edits(document, text, hidden=False, seen={}):
            edits[edit[0]] = edit
    for start, end in comments:
        hidden = mask_shapes(text[start:end])
        if hidden != text[start:end]:
            edits.setdefault(start, (start, end, hidden))
    return _edited(text, sorted(edits.values()))


def mask_shapes(text: str) -> str:
    """Running text with everything masked that has the shape of a secret."""
    parts = []
    end = 0
    for public in _PUBLIC.finditer(text):
        parts += [_mask_part(text[end : public.start()]), public.group()]
        end = public.end()
    return "".join([*parts, _mask_part(text[end:])])


def _mask_part(text: str) -> str:
    for shape in _SHAPES:
        text = shape.sub(MASK, text)
    text = _ASSIGNED.sub(lambda match: match[1] + MASK, text)
    return _DENSE.sub(MASK, text)


def _edited(text: str, edits: list[Edit]) -> str:
    parts, done = [], 0
    for start, end, new in edits:
        if start >= done:
            parts += [text[done:start], new]
            done = end
    return "".join([*parts, text[done:]])


def _comments(text: str) -> Iterator[tuple[int, int]]:
    """The ranges of a YAML text between tokens that contain a comment."""
    end = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if "#" in text[end : token.start_mark.index]:
            yield end, token.start_mark.index
        end = max(end, token.end_mark.index)
    if "#" in text[end:]:
        yield end, len(text)


def _edits(node: yaml.Node | None, text: str, *, hidden: bool, seen: dict[int, bool]) -> Iterator[Edit]:
    """The replacements below ``node``; ``hidden`` is set below a key that names a secret."""
    if node is None or seen.get(id(node), False) or (id(node) in seen and not hidden):
        return  # an anchor's node comes again at each alias, maybe below a key that names a secret
    seen[id(node)] = hidden
    if isinstance(node, yaml.MappingNode):
        private = _is_private_file(node)
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            yield from _edits(key, text, hidden=False, seen={})
            below = hidden or bool(_SECRET_KEY.search(name)) or (private and name == "content")
            yield from _edits(value, text, hidden=below, seen=seen)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _edits(value, text, hidden=hidden, seen=seen)
    elif isinstance(node, yaml.ScalarNode):
        yield from _scalar(node, text, hidden=hidden)


def _is_private_file(node: yaml.MappingNode) -> bool:
    """Whether a mapping is a file of ``write_files`` that is not world-readable, or whose content is encoded."""
    facts = {key.value: value.value for key, value in node.value if isinstance(value, yaml.ScalarNode)}
    mode = str(facts.get("permissions", "")).removeprefix("0o")
    return "path" in facts and ((bool(mode) and not _readable_by_all(mode)) or "encoding" in facts)


def _readable_by_all(mode: str) -> bool:
    return mode[-1:] in {"4", "5", "6", "7"}


def _scalar(node: yaml.ScalarNode, text: str, *, hidden: bool) -> Iterator[Edit]:
    start, end = node.start_mark.index, node.end_mark.index
    kind = node.tag.rpartition(":")[2]
    whole = hidden and bool(node.value) and kind not in ("bool", "null")
    value = MASK if whole else mask_shapes(node.value)
    if value == node.value:
        return
    if node.style in ("|", ">"):
        yield start, end, _block(text[start:end], value)
        return
    prefix = _NAMED.match(text, start, end)  # an anchor or a tag in front of the value
    yield prefix.end() if prefix else start, end, json.dumps(value, ensure_ascii=False)


def _block(raw: str, value: str) -> str:
    """``value`` as a literal block in place of the block ``raw``, at the same indentation."""
    lines = [line for line in raw.splitlines()[1:] if line.strip()]
    indent = len(lines[0]) - len(lines[0].lstrip(" ")) if lines else 0
    body = "".join(f"{' ' * indent}{line}\n" if line else "\n" for line in value.rstrip("\n").split("\n"))
    tail = raw[len(raw.rstrip(" \n")) :]  # what comes before the next key belongs to the block for PyYAML
    return f"|\n{body}" + tail.partition("\n")[2]
