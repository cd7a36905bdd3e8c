"""YAML text as a tree of values that know where they were written, and what is wrong with the text itself.

The flavour is YAML 1.1, as PyYAML, cloud-init and Ubuntu's installer read it. A key that is written twice is a fault
here, because YAML's own rule (the last one wins, without a word) hides mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import yaml

from isoforge.yaml_limits import STANDARD, FastLoader, Fault, KeyPath, LimitError, measure, refuse_beyond_limits
from isoforge.yaml_tree import Node, Origin, plain


@dataclass(frozen=True, kw_only=True)
class Document:
    """One YAML document: the tree with its places, and what is wrong with the text.

    ``root`` is None where nothing was written; ``readable`` is False where the text is not YAML at all. A document that
    was rendered, not read, has ``content`` and no places.
    """

    root: Node | None = None
    faults: tuple[Fault, ...] = ()
    readable: bool = True
    content: Any = None

    @cached_property
    def data(self) -> Any:
        """The bare values, as `yaml.safe_load` gives them, keys always as text."""
        return self.content if self.root is None else plain(self.root)

    def line(self, path: KeyPath) -> int:
        """The line (from 1) of the value at ``path``, or of the nearest value around it that was written down."""
        return self.root.nearest(path).origin.line if self.root else 1

    def written(self, path: KeyPath) -> str:
        """The scalar at ``path`` as it was written without quotes; "" if it was quoted, or is none."""
        node = self.root.at(path) if self.root else None
        return node.bare if node else ""


def read(text: str, file: str = "") -> Document:
    """The one document in ``text``, its values placed in ``file``; every fault is in the result, none is raised.

    A tree that could be read in spite of a fault (a key written twice, a key that is not text, an unknown tag) is
    returned with it.
    """
    loader = None
    try:
        refuse_beyond_limits(text)
        loader = FastLoader(text)
        nodes: list[Any] = []
        while loader.check_node() and len(nodes) < 2:
            nodes.append(loader.get_node())
        if len(nodes) > 1:
            return Document(faults=(_second_document(nodes[1], text),), readable=False)
        if not nodes:
            return Document()
        measure(nodes[0])
        reader = _Reader(loader, file)
        root = reader.node(nodes[0], (), nodes[0].start_mark.line + 1)
        return Document(root=root, faults=tuple(reader.faults))
    except LimitError as error:
        return Document(faults=(error.fault,), readable=False)
    except yaml.YAMLError as error:
        return Document(faults=(_syntax_fault(error, text),), readable=False)
    finally:
        if loader is not None:
            loader.dispose()


class _Reader:
    """Turns libyaml's nodes, which know their place, into ours; an alias becomes the very same value again."""

    def __init__(self, loader: Any, file: str) -> None:
        self.loader = loader
        self.file = file
        self.faults: list[Fault] = []
        self.done: dict[int, Node] = {}

    def node(self, raw: Any, path: KeyPath, line: int) -> Node:
        known = self.done.get(id(raw))
        if known is None:
            bare = raw.value if isinstance(raw, yaml.ScalarNode) and not raw.style else ""
            known = Node(value=self.value(raw, path), origin=Origin(file=self.file, line=line), bare=bare)
            self.done[id(raw)] = known
        return known if known.origin.line == line else replace(known, origin=Origin(file=self.file, line=line))

    def value(self, raw: Any, path: KeyPath) -> Any:
        if isinstance(raw, yaml.ScalarNode):
            return self.scalar(raw, path)
        if raw.tag not in (f"{STANDARD}map", f"{STANDARD}seq"):
            self.fault("yaml-tag", raw, _TAGGED, path)
        if isinstance(raw, yaml.MappingNode):
            return self.entries(raw, path)
        return [self.node(child, (*path, number), child.start_mark.line + 1) for number, child in enumerate(raw.value)]

    def entries(self, raw: Any, path: KeyPath) -> dict[str, Node]:
        self.find_duplicates(raw, path)
        try:
            self.loader.flatten_mapping(raw)  # "<<: *anchor" becomes plain entries, the weaker ones first
        except yaml.YAMLError:
            raw.value = [pair for pair in raw.value if pair[0].tag != f"{STANDARD}merge"]
            self.fault("yaml-merge", raw, "'<<' merges mappings, but was given something else", path)
        entries: dict[str, Node] = {}
        for key_node, value_node in raw.value:
            key = self.key(key_node, path)
            entries[key] = self.node(value_node, (*path, key), key_node.start_mark.line + 1)
        return entries

    def find_duplicates(self, raw: Any, path: KeyPath) -> None:
        lines: dict[tuple[str, str], int] = {}
        for key_node, _ in raw.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.tag != f"{STANDARD}merge":
                line = key_node.start_mark.line + 1
                name = (key_node.tag, key_node.value)
                if name in lines:
                    message = f"is written twice, here and on line {lines[name]}; only the last one counts"
                    self.fault("key-duplicate", key_node, message, (*path, key_node.value))
                lines.setdefault(name, line)

    def key(self, node: Any, path: KeyPath) -> str:
        if not isinstance(node, yaml.ScalarNode):
            message = "a key must be a word, not a list or a mapping ({{ … }} must be filled in, or quoted)"
            self.fault("key-not-text", node, message, path)
            return "?"
        if node.tag != f"{STANDARD}str":
            message = f'YAML reads the key {node.value} as {kind_of_tag(node.tag)}; quote it: "{node.value}"'
            self.fault("key-not-text", node, message, (*path, node.value))
        return str(node.value)

    def scalar(self, raw: Any, path: KeyPath) -> Any:
        if raw.tag == f"{STANDARD}str":
            return str(raw.value)
        if raw.tag == "!vault":
            message = "Ansible Vault values are not supported: put the value into secrets.sops.yaml beside this file"
            self.fault("ansible-vault", raw, message, path)
            return str(raw.value)
        if not raw.tag.startswith(STANDARD):
            self.fault("yaml-tag", raw, _TAGGED, path)  # the value is not shown: a locked password hash begins with !
            return str(raw.value)
        try:
            return self.loader.construct_object(raw, deep=True)
        except (yaml.YAMLError, ValueError, OverflowError):  # a date like 2024-02-31, a number of 5,000 digits
            message = f"looks like {kind_of_tag(raw.tag)} to YAML, but is not a valid one; quote it"
            self.fault("value-unreadable", raw, message, path)
            return str(raw.value)

    def fault(self, id_: str, node: Any, message: str, path: KeyPath) -> None:
        self.faults.append(Fault(id=id_, line=node.start_mark.line + 1, message=message, path=path))


_TAGGED = "a value that begins with ! without quotes is a YAML tag, not text: quote the whole value"


def kind_of_tag(tag: str) -> str:
    """What YAML takes a value for, in words: ``tag:yaml.org,2002:int`` is "a number"."""
    words = {
        "int": "a number",
        "float": "a number",
        "bool": "true or false",
        "null": "null",
        "timestamp": "a date",
        "binary": "binary data",
        "merge": "a merge",
    }
    name = tag.rsplit(":", 1)[-1]
    return words.get(name, f"a {name}")


def _line(text: str, number: int) -> str:
    """Line ``number`` (from 0) of ``text``, empty behind its end; YAML counts other line breaks too, such as CR."""
    return (text.splitlines()[number : number + 1] or [""])[0]


def _second_document(node: Any, text: str) -> Fault:
    line = text.count("\n", 0, text.rfind("\n---", 0, node.start_mark.index) + 1) + 1
    message = "a second document begins here; only one is read from a file"
    return Fault(id="yaml-second-document", line=line, message=message)


def _syntax_fault(error: yaml.YAMLError, text: str) -> Fault:
    """The fault behind a YAML error, with what to write instead where the mistake is a known one."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:  # a character that YAML forbids: the error knows a position, not a line
        number = text.count("\n", 0, getattr(error, "position", 0)) + 1
        return Fault(id="yaml-syntax", line=number, message="not valid YAML: a control character")
    line = _line(text, mark.line) if text.count("\n") >= mark.line else ""
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in indent or line[mark.column : mark.column + 1] == "\t":
        return Fault(id="yaml-tab", line=mark.line + 1, message="a tab is used for indentation: YAML needs spaces")
    context = getattr(error, "context_mark", None)
    if context is not None and re.search(
        "unexpected end|could not find expected ':'", str(getattr(error, "problem", ""))
    ):
        mark, line = context, _line(text, context.line)  # where it began is where the mistake is
    reason = re.sub(r"'[^']{3,}'", "…", str(getattr(error, "problem", "") or error))  # what it quotes may be secret
    message = f"not valid YAML: {reason}{''.join(_cures(reason, line))}"
    return Fault(id="yaml-syntax", line=mark.line + 1, message=message)


def _cures(reason: str, line: str) -> Iterator[str]:
    value = line.partition(": ")[2].strip()
    if value[:1] in set("*%@`&!|>") - {""}:
        yield f" (a value that begins with {value[0]} must be quoted)"
    elif "mapping values" in reason:
        yield " (text with ': ' in it must be quoted; or the line is indented too far, or the one above lacks a space"
        yield " behind its colon)"
    elif "unexpected end" in reason:
        yield " (a quote is opened here and not closed)"
    elif "could not find expected ':'" in reason:
        yield " (the line lacks a colon)"
    elif "expected <block end>" in reason or "did not find expected" in reason:
        yield " (check the indentation of this line and the one above, and quotes inside quotes)"
