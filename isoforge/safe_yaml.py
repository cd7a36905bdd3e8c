"""What every reader of YAML starts from: the loader, and how deep a text may be nested.

Readers call themselves for each level, and libyaml's crashes the whole program.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

DEEPEST = 100
"""How many mappings and lists may lie in one another; Ubuntu's own documents have about ten."""

_INDENTED = re.compile(rf"^[ ?-]{{{DEEPEST}}}", re.MULTILINE)
"""A line that could begin so deep in block style: each level takes a column at least."""

_LIBYAML_LIMIT = "exceeded maximum nesting depth"
"""What libyaml 0.2.6 (PyYAML 6.0.4) says at 1,000 levels. It reads ahead, so this can come before the first bracket's
event."""

FastLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The YAML 1.1 loader that cloud-init has, in C where PyYAML was built with it: ten times faster."""


def refuse_depth(text: str) -> None:
    """Raise ``yaml.MarkedYAMLError`` if ``text`` is nested deeper than `DEEPEST`, or no YAML up to there.

    Only a text that has the brackets or the indentation for it is gone through.
    """
    if text.count("[") + text.count("{") < DEEPEST and not _INDENTED.search(text):
        return
    depth = 0
    event: Any
    try:
        for event in yaml.parse(text, Loader=FastLoader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > DEEPEST:
                raise _too_deep(event.start_mark)
    except yaml.MarkedYAMLError as error:
        if error.problem == _LIBYAML_LIMIT:
            raise _too_deep(error.problem_mark) from error
        raise


def _too_deep(mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=f"more than {DEEPEST} lists and mappings in one another", problem_mark=mark)
