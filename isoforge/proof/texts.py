"""The texts of templates/ that go on the synthetic base ISO and into the probe."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import isoforge


def folder(name: str) -> Path:
    """Where templates/``name`` lies: in the installed package, or beside it in the repository."""
    package = Path(isoforge.__file__).parent
    installed = package / "templates"
    return (installed if installed.is_dir() else package.parent / "templates") / name


def render(room: str, template: str, **values: object) -> str:
    """The text of templates/``room``/``template`` with ``values`` filled in; an undefined value is an error."""
    environment = Environment(
        loader=FileSystemLoader(folder(room)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**values)
