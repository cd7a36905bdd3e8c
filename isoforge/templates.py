"""Templates: strict, every value through a quoting filter, and what comes out read back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import yaml

from isoforge.errors import TemplateError
from isoforge.safe_yaml import FastLoader

_BARE = re.compile(r"[A-Za-z/][A-Za-z0-9_/.-]*( [A-Za-z][A-Za-z0-9_/.-]*)*")
"""Texts that no YAML reader takes for anything else, if they are not one of `_TAKEN`."""

_TAKEN = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"])

_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""What JSON leaves as it is and YAML folds or refuses (YAML 1.1, section 4.1.1)."""


def quoted(value: Any) -> str:
    """``value`` as YAML on one line; texts are always in quotes (the filter ``yaml`` in templates)."""
    text = json.dumps(value, ensure_ascii=False, default=_refuse_undefined)
    return _UNPRINTABLE.sub(lambda char: f"\\u{ord(char[0]):04x}", text)


def _refuse_undefined(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)  # an undefined value raises here, and says its name


def given(value: Any) -> Any:
    """``value`` less everything that nobody wrote (None, and mappings with nothing else in them)."""
    if isinstance(value, Mapping):
        pruned = {key: given(child) for key, child in value.items() if child is not None}
        return {key: child for key, child in pruned.items() if child != {}}
    if isinstance(value, list | tuple):
        return [given(child) for child in value]
    return value


def disk_match(disk: Mapping[str, Any]) -> dict[str, Any]:
    """The installer's ``match`` for one disk.

    A serial number without a glob is looked for anywhere in udev's ID_SERIAL, which has the model before it. ``size``
    is always there: with it the installer leaves its own medium out (subiquity 23.10 and later).
    """
    match = dict(given(disk))
    serial = match.get("serial")
    if isinstance(serial, str) and not re.search(r"[*?\[]", serial):
        match["serial"] = f"*{serial}*"
    return {**match, "size": match.get("size", "largest")}


@lru_cache(maxsize=8)
def environment(templates: tuple[Path, ...]) -> jinja2.Environment:
    """Jinja as our templates want it: undefined values are errors, a block's line leaves nothing behind."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([str(path) for path in templates]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "yaml": quoted,
        "given": given,
        "disk_match": disk_match,
        "as_list": lambda value: [] if not value else [value] if isinstance(value, str) else list(value),
        "comment": lambda text: " ".join("".join(char if char.isprintable() else " " for char in str(text)).split()),
    }
    return made


def render(name: str, variables: Mapping[str, Any], *, templates: Sequence[Path], host: str) -> str:
    """The template ``name`` (first found in ``templates``) with ``variables``.

    ``TemplateError`` names the template, its line and the host.
    """
    try:
        return environment(tuple(templates)).get_template(name).render(variables)
    except jinja2.TemplateNotFound as missing:
        places = ", ".join(str(path) for path in templates)
        raise TemplateError(f"there is no template {missing.name} in {places} (host {host})") from None
    except jinja2.TemplateSyntaxError as broken:
        where = f"{broken.filename or broken.name}:{broken.lineno}"
        raise TemplateError(f"{where}: {broken.message} (host {host})") from None
    except Exception as failure:  # noqa: BLE001  a template can raise anything; its author must learn where
        said = _said(failure)
        raise TemplateError(f"{_place(failure, name, templates)}: {said} (host {host})") from None


def _said(failure: Exception) -> str:
    """The sentence of an error, without values: they may be secret."""
    if isinstance(failure, jinja2.UndefinedError):
        return str(failure.message)
    return f"{type(failure).__name__} in an expression"


def _place(failure: BaseException, name: str, templates: Sequence[Path]) -> str:
    """``FILE:LINE`` of the innermost template line that was being rendered."""
    roots = [str(path) for path in templates]
    place = name
    trace = failure.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if any(file.startswith(root) for root in roots):
            place = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Base):  # type: ignore[misc]
    """One look for every seed: texts in quotes unless they are plain words, several lines as a block."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  PyYAML's signature
        return True


def _text(dumper: Any, text: str) -> Any:
    bare = _BARE.fullmatch(text) and text.lower() not in _TAKEN
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
