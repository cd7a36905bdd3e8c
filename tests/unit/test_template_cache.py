"""Compiled templates: used again when nothing has changed, and only from a folder that nobody else can write to."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

from isoforge import template_cache as caching
from isoforge.template_cache import template_cache


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the compiled templates, below a home of the test's own; it is written to."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    monkeypatch.setattr(caching, "others_can_replace", lambda folder: folder.stat().st_mode & 0o022)
    return tmp_path / "cache" / "isoforge" / "templates"


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "one.j2").write_text("{{ 'a' | double }}")
    (tmp_path / "filters.py").write_text("first")
    return folder


def rendered(shipped: Path, *, twice: str = "aa", folder: Path | None = None) -> str:
    """What a new environment makes of one.j2, whose filter gives ``twice`` while Jinja compiles."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(folder or shipped)),
        bytecode_cache=template_cache(shipped, [shipped.parent / "filters.py"]),
        autoescape=False,
    )
    environment.filters["double"] = lambda _: twice
    return environment.get_template("one.j2").render()


def test_what_is_compiled_is_used_again(shipped: Path, cache: Path) -> None:
    assert rendered(shipped) == "aa"
    assert cache.stat().st_mode & 0o777 == 0o700
    assert [file.is_file() for file in cache.iterdir()] == [True]  # whose mode is Jinja's affair, the folder's is ours
    assert rendered(shipped, twice="bb") == "aa", "compiled again, though nothing changed"


def test_another_text_or_filter_or_jinja_is_compiled(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rendered(shipped) == "aa"
    (shipped.parent / "filters.py").write_text("second")
    assert rendered(shipped, twice="bb") == "bb"
    monkeypatch.setattr(jinja2, "__version__", "99")
    assert rendered(shipped, twice="cc") == "cc"
    (shipped / "one.j2").write_text("{{ 'a' | double }}!")
    assert rendered(shipped, twice="dd") == "dd!"


def test_templates_of_the_user_are_not_kept(shipped: Path, cache: Path, tmp_path: Path) -> None:
    own = tmp_path / "shipped-not"
    own.mkdir()
    (own / "one.j2").write_text("secret")
    assert rendered(shipped, folder=own) == "secret"
    assert [*cache.iterdir()] == []


def test_a_folder_that_others_can_write_to_is_not_used(shipped: Path, cache: Path) -> None:
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    assert rendered(shipped) == "aa"
    assert [*cache.iterdir()] == []


def test_nothing_fails_without_a_folder_or_with_a_broken_file(
    shipped: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rendered(shipped) == "aa"
    (file,) = cache.iterdir()
    file.write_bytes(file.read_bytes()[:-10])
    assert rendered(shipped, twice="bb") == "bb"
    file.unlink()
    file.symlink_to(file)
    assert rendered(shipped, twice="cc") == "cc"
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/cache")
    assert rendered(shipped, twice="dd") == "dd"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert rendered(shipped, twice="ee") == "ee"
