"""How a template becomes a text: strict about what it names, each value through a quoting filter."""

from __future__ import annotations

import functools
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from isoforge.errors import TemplateError


def shipped_templates() -> Path:
    """The folder of the templates that come with isoforge: inside the package, or beside it in a checkout."""
    return _shipped("templates", beside="templates")


def shipped_inventory() -> Path:
    """The folder of the example inventory: inside the package, or in baremetal/ of a checkout."""
    return _shipped("examples", beside="baremetal/inventory")


def _shipped(name: str, *, beside: str) -> Path:
    package = Path(__file__).parent
    return package / name if (package / name).is_dir() else package.parent / beside


def render(
    template: str,
    *,
    search: Sequence[Path] = (),
    filters: Mapping[str, Callable[..., object]] | None = None,
    subject: str = "",
    **values: Any,
) -> str:
    """Render ``template``, looked for in ``search`` first and among the shipped templates last.

    ``filters`` are the quoting functions that it may use, ``subject`` names whom the text is for. Raises
    ``TemplateError`` that names the template, its line and the undefined variable or the fault.
    """
    folders = tuple(os.fspath(folder) for folder in (*search, shipped_templates()))
    about = f" for {subject}" if subject else ""
    try:
        return _environment(folders, tuple((filters or {}).items())).get_template(template).render(**values)
    except jinja2.TemplateNotFound as failure:
        raise TemplateError(
            f"template {failure.name} is not there{about}", hint=f"looked in {', '.join(folders)}"
        ) from None
    except jinja2.TemplateSyntaxError as failure:
        raise TemplateError(f"{failure.filename or template}:{failure.lineno}{about}: {failure.message}") from None
    except jinja2.TemplateError as failure:
        raise TemplateError(f"{_place(failure, folders, template)}{about}: {failure.message}") from None


@functools.lru_cache(maxsize=16)
def _environment(
    folders: tuple[str, ...], filters: tuple[tuple[str, Callable[..., object]], ...]
) -> jinja2.Environment:
    """Jinja as our templates want it; kept, because it compiles each template once."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(filters)
    return made


def _place(failure: Exception, folders: Sequence[str], template: str) -> str:
    """``file:line`` of the innermost template line that led to ``failure`` (Jinja puts it into the traceback)."""
    frames = traceback.extract_tb(failure.__traceback__)
    inside = [frame for frame in frames if any(frame.filename.startswith(folder) for folder in folders)]
    inside = [frame for frame in inside if not frame.filename.endswith(".py")]
    return f"{inside[-1].filename}:{inside[-1].lineno}" if inside else template
