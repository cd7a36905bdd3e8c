"""Wherever in a seed a secret stands, and in whatever style of YAML, nothing of it is shown."""

from __future__ import annotations

import base64
import gzip
import json
from itertools import pairwise
from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from isoforge.masking.document import UNREADABLE, masked, secrets
from isoforge.masking.spans import MASK
from isoforge.masking.text import find, mask
from isoforge.masking.tree import found_in

SECRET = "Xq7vJ2mR9tLw"  # noqa: S105 - it opens nothing
"""In no template, so that every part of it that is shown is a leak."""

SECRETS = st.sampled_from([SECRET, f"{SECRET}!", f"ö{SECRET}", f"{SECRET}/x+y=", f"{SECRET}{SECRET}{SECRET}"])

COMMANDS = st.sampled_from(
    [
        "curl -u admin:{} https://192.0.2.1/",
        "mytool --password {} --verbose",
        "mytool --token={}",
        "sshpass -p {} ssh ops@192.0.2.7",
        "echo 'ops:{}' | chroot /target chpasswd",
        "chpasswd <<EOF\nops:{}\nEOF\n",
        "# isn't it\n\nchroot /target sh -c 'echo ops:{} | chpasswd'\n",
        "export API_TOKEN={}",
        "echo {} | cryptsetup luksFormat /dev/sda3 -",
        "curl 'https://192.0.2.1/?sig={}'",
        "https://ops:{}@192.0.2.1",
        "curl -H 'Authorization: Bearer {}' https://192.0.2.1/",
        "[Interface]\nPrivateKey = {}\n\n[Peer]\nEndpoint = 192.0.2.1:51820\n",
        "a: 1\npassphrase: {}\n\n\nb: 2\n",
    ]
)
KEYS = st.sampled_from(
    ["password", "passphrase", "token", "key", "client-key-password", "preshared-key", "secret_id", "hashed_passwd"]
)


def indented(text: str, by: int) -> str:
    return "".join(f"{' ' * by if line.strip() else ''}{line}" for line in text.splitlines(keepends=True))


def as_scalar(text: str, style: str, by: int) -> str:
    """``text`` in one of YAML's styles, for a place that is indented by ``by``."""
    if style == "plain":
        return text if text == text.strip() and not set(text) & set("#:\n'\"[]{}<>|&*!%@`,") else json.dumps(text)
    if style == "single":
        return "'" + text.replace("'", "''").replace("\n", "\n\n") + "'" if "\n" not in text else json.dumps(text)
    if style == "escaped":
        return '"' + "".join(f"\\u{ord(char):04x}" for char in text) + '"'
    if style in ("|", "|-", "|+", ">", ">-"):
        lines = text.rstrip("\n").replace("\n", "\n\n") if style.startswith(">") else text.rstrip("\n")
        return f"{style}\n{indented(lines, by + 2)}"
    if style == "binary":
        return f"!!binary {base64.b64encode(text.encode()).decode()}"
    return json.dumps(text, ensure_ascii=style == "ascii")


STYLES = st.sampled_from(["plain", "single", "double", "ascii", "escaped", "|", "|-", "|+", ">", ">-", "binary"])
BESIDE = st.sampled_from(
    ["", "# a comment, isn't it?\n", "z: 1   # one\n", "y: &y [a, b]\nx: *y\n", "w: |\n  a\n\n  b\n\n"]
)


def as_anchor(scalar: str) -> str:
    return f"&s {scalar}" if not scalar.startswith("!!") else scalar.replace("!!binary", "&s !!binary")


@st.composite
def seeds(draw: st.DrawFn) -> str:
    """A seed with `SECRET` in it, once or more."""
    secret = draw(SECRETS)
    place = draw(
        st.sampled_from(["command", "key", "item", "file", "encoded", "flow", "anchor", "comment", "yaml-key"])
    )
    command = draw(COMMANDS).format(secret)
    style = draw(STYLES)
    if place == "command":
        body = f"late-commands:\n  - {as_scalar(command, style, 2)}\n"
    elif place == "old command":
        body = "a: 1\n" + "".join(f"# {line}\n" for line in command.splitlines()) + "b: 1\n"
    elif place == "key":
        body = f"a:\n  {draw(KEYS)}: {as_scalar(secret, style, 2)}\n"
    elif place == "item":
        body = f"a:\n  {draw(KEYS)}:\n  - {as_scalar(secret, style, 2)}\n  - b: {as_scalar(secret, style, 4)}\n"
    elif place == "file":
        body = f"write_files:\n- path: /etc/x\n  content: {as_scalar(command, style, 2)}\n"
    elif place == "encoded":
        content = draw(st.sampled_from([command.encode(), gzip.compress(command.encode())]))
        encoding = "b64" if content == command.encode() else "gz+b64"
        text = base64.b64encode(content).decode()
        body = f"write_files:\n- {{path: /etc/x, encoding: {encoding}, content: {text}}}\n"
    elif place == "flow":
        body = f"{{a: [{json.dumps(command)}], b: {{{draw(KEYS)}: {json.dumps(secret)}}}}}\n"
        return f"#cloud-config\n{body}"
    elif place == "anchor":
        body = f"a: {as_anchor(as_scalar(secret, style, 0))}\nb:\n  {draw(KEYS)}: *s\n"
    elif place == "comment":
        body = f"a: 1\n# {json.dumps(command)}\nb: 2 # {draw(KEYS)}: {json.dumps(secret)}\n"
    else:
        body = f"? {json.dumps(command)}\n: 1\n"
    return "#cloud-config\n" + draw(BESIDE) + body + draw(st.sampled_from(["", "# the end\n", "v: 1\n"]))


def shape_of(value: Any) -> Any:
    """The mappings and lists of a tree, without its texts."""
    if isinstance(value, dict):
        return [shape_of(one) for one in value.values()]
    return [shape_of(one) for one in value] if isinstance(value, list) else None


@settings(deadline=None, max_examples=300, derandomize=True)
@given(seeds())
@example("#cloud-config\na: 1\n\n\n")
def test_nothing_of_a_secret_is_shown_in_any_style_and_the_rest_is_still_the_same_yaml(seed: str) -> None:
    shown = masked(seed)
    assert SECRET not in shown
    assert SECRET[:6] not in shown
    assert base64.b64encode(SECRET.encode()).decode()[:8] not in shown
    assert shown != UNREADABLE
    assert shape_of(yaml.safe_load(shown)) == shape_of(yaml.safe_load(seed))
    assert masked(shown) == shown
    assert bool(secrets(seed)) == (MASK in shown)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.text(alphabet=st.sampled_from("ab1:= -_'\"\\\n$(){}|;&<>/@?#*+.,p-u"), max_size=120) | st.text(max_size=80))
def test_any_text_is_masked_without_failing_and_masking_it_again_changes_nothing(text: str) -> None:
    for one in (text, f"password={text}", f"curl -u {text}", f"echo {text} | passwd", f"http://{text}@x/?key={text}"):
        spans = find(one)
        assert all(0 <= span.start < span.end <= len(one) for span in spans)
        assert all(before.end <= after.start for before, after in pairwise(spans))
        shown = mask(one)
        assert mask(shown) == shown


@settings(deadline=None, max_examples=200, derandomize=True)
@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=30) | st.binary(max_size=30), st.lists)
)
def test_any_tree_is_searched_without_failing(tree: Any) -> None:
    for found in found_in({"a": tree, "password": tree}):
        assert found.kind
