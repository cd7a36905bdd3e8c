"""Templates: one strict environment, the quoting filters it offers, and the folders that the templates come from."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import yaml

from isoforge.errors import TemplateError
from isoforge.template_cache import template_cache
from isoforge.yaml_limits import FastLoader

_BARE = re.compile(r"[A-Za-z/][A-Za-z0-9_/.-]*( [A-Za-z][A-Za-z0-9_/.-]*)*")
"""Texts that no YAML reader takes for anything else, if they are not one of `_RESERVED`."""

_RESERVED = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"])

_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""What JSON leaves as it is and YAML folds or refuses (YAML 1.1, section 4.1.1)."""

_GRUB_PLAIN = re.compile(r"[A-Za-z0-9_./:=,@%+-]+")


def shipped_templates() -> Path:
    """The folder of the templates that come with isoforge."""
    return _shipped("templates", checkout="templates")


def shipped_inventory() -> Path:
    """The folder of the example inventory that comes with isoforge."""
    return _shipped("inventory", checkout="baremetal/inventory")


def _shipped(name: str, *, checkout: str) -> Path:
    """A folder that the wheel has inside the package, and a checkout beside it."""
    package = Path(__file__).parent
    installed = package / "shipped" / name
    return installed if installed.is_dir() else package.parent / checkout


def quoted(value: Any) -> str:
    """``value`` as YAML on one line; texts are always in quotes (the filter ``yaml`` in templates)."""
    text = json.dumps(value, ensure_ascii=False, default=_refuse_undefined)
    return _UNPRINTABLE.sub(lambda char: f"\\u{ord(char[0]):04x}", text)


def _refuse_undefined(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)  # an undefined value raises here, and names itself


def without_empty(value: Any) -> Any:
    """``value`` without None and without mappings that hold nothing else (the filter ``given``)."""
    if isinstance(value, Mapping):
        pruned = {key: without_empty(child) for key, child in value.items() if child is not None}
        return {key: child for key, child in pruned.items() if child != {}}
    if isinstance(value, list | tuple):
        return [without_empty(child) for child in value]
    return value


def disk_match(disk: Mapping[str, Any]) -> dict[str, Any]:
    """The installer's ``match`` for one disk.

    A serial number without a glob is looked for anywhere in udev's ID_SERIAL, which has the model before it. ``size``
    is always there: with it the installer leaves its own medium out (subiquity 23.10 and later).
    """
    match = dict(without_empty(disk))
    serial = match.get("serial")
    if isinstance(serial, str) and not re.search(r"[*?\[]", serial):
        match["serial"] = f"*{serial}*"
    return {**match, "size": match.get("size", "largest")}


def as_list(value: Any) -> list[Any]:
    """``value`` as a list: empty for nothing, one item for a text."""
    if not value:
        return []
    return [value] if isinstance(value, str) else list(value)


def one_line(text: object) -> str:
    """``text`` without line breaks and control characters (the filter ``comment``)."""
    return " ".join("".join(char if char.isprintable() else " " for char in str(text)).split())


def grub_word(text: str) -> str:
    """``text`` as one word of a GRUB script: every character that GRUB could read otherwise is escaped.

    Without blanks each such character gets a backslash, with blanks the whole is put in single quotes (GRUB manual,
    16.1.1 Quoting). A newline cannot be escaped by a backslash, so it may only stand in quotes.
    """
    if _GRUB_PLAIN.fullmatch(text):
        return text
    if text and not re.search(r"\s", text):
        return "".join(char if _GRUB_PLAIN.fullmatch(char) or not char.isascii() else f"\\{char}" for char in text)
    return "'" + text.replace("'", r"'\''") + "'"


def html_text(value: object) -> str:
    """``value`` as text of an HTML page or of an attribute in double quotes."""
    return html.escape(str(value), quote=True)


FILTERS = {
    "yaml": quoted,
    "grub": grub_word,
    "html": html_text,
    "comment": one_line,
    "given": without_empty,
    "disk_match": disk_match,
    "as_list": as_list,
}
"""What templates may use beside Jinja's own filters."""


def render(template: str, values: Mapping[str, Any], *, templates: Sequence[Path] = (), host: str = "") -> str:
    """The text that ``template`` gives with ``values``.

    It is looked for in the folders ``templates``, first match first; without any, in the shipped ones. Raises
    ``TemplateError`` with the template's file and line, and the ``host`` it was rendered for; it shows no value.
    """
    folders = tuple(templates) or (shipped_templates(),)
    about = f" (host {host})" if host else ""
    try:
        return _environment(folders).get_template(template).render(values)
    except jinja2.TemplateNotFound as failure:
        searched = ", ".join(str(folder) for folder in folders)
        raise TemplateError(f"template {failure.name} not found in {searched}{about}") from None
    except jinja2.TemplateSyntaxError as failure:
        position = f"{failure.filename or failure.name}:{failure.lineno}"
        raise TemplateError(f"{position}: {failure.message}{about}") from None
    except Exception as failure:  # noqa: BLE001  a template can raise anything; its author must learn where
        raise TemplateError(f"{_position(failure, template, folders)}: {_reason(failure)}{about}") from None


@lru_cache(maxsize=16)
def _environment(folders: tuple[Path, ...]) -> jinja2.Environment:
    """The environment for templates in ``folders``; kept, because it compiles each template once.

    Undefined values are errors, and a line that holds only a block leaves nothing behind.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([str(folder) for folder in folders]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        bytecode_cache=template_cache(shipped_templates(), [Path(__file__)]),
    )
    environment.filters.update(FILTERS)
    return environment


def _reason(failure: Exception) -> str:
    """What went wrong, without values: they may be secret."""
    if isinstance(failure, jinja2.UndefinedError):
        return str(failure.message)
    return f"{type(failure).__name__} in an expression"


def _position(failure: BaseException, template: str, folders: Sequence[Path]) -> str:
    """``FILE:LINE`` of the innermost template line that was being rendered (Jinja puts it into the traceback)."""
    roots = tuple(str(folder) for folder in folders)
    position = template
    trace = failure.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file.startswith(roots) and not file.endswith(".py"):
            position = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return position


_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Base):  # type: ignore[misc]
    """One look for every seed: texts in quotes unless they are plain words, several lines as a block."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  PyYAML's signature
        return True


def _text(dumper: Any, text: str) -> Any:
    bare = _BARE.fullmatch(text) and text.lower() not in _RESERVED
    style = "" if bare else "|" if "\n" in text else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def load(text: str) -> Any:
    """The document in ``text``; raises ``yaml.YAMLError``."""
    return yaml.load(text, Loader=FastLoader)  # noqa: S506  it is the safe loader, libyaml's if there is one


def dump(document: Any) -> str:
    """``document`` as YAML: same document, same bytes."""
    return str(
        yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=4096, default_flow_style=False)
    )
