"""The container image is really built, and really does the main job, as an ordinary user."""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from isoforge.errors import ToolError
from isoforge.proof.boot.synthetic_iso import make_base
from isoforge.run import run
from tests.conftest import ROOT

pytestmark = [pytest.mark.container, pytest.mark.xdist_group("container")]

USER = 1000
"""The user and group of the image."""

HANGS_AFTER_SIGTERM = """\
#!/bin/sh
case $* in
*'dev stdio:'*)
    touch /work/told
    kill -TERM 1
    exec sleep 600
    ;;
esac
exec /usr/bin/xorriso "$@"
"""
"""An xorriso that, told to write, has the first process of its namespace ended, and hangs."""


class Buildah:
    """buildah with a store of its own; needs root, no engine and no privileges beyond chroot."""

    def __init__(self, folder: Path) -> None:
        self._options = ("--storage-driver", "vfs", "--root", folder / "store", "--runroot", folder / "run")

    def __call__(self, *args: str | os.PathLike[str]) -> str:
        return run("buildah", *self._options, *args).strip()


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    folder = tmp_path_factory.mktemp("buildah")
    yield Buildah(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def image(buildah: Buildah, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image of the Dockerfile, on a base made by debootstrap that bears the name of the base it asks for."""
    (base,) = set(re.findall(r"^FROM (\S+:\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    suite = base.removeprefix("debian:").removesuffix("-slim")
    root = tmp_path_factory.mktemp("debian") / "root"
    run("debootstrap", "--variant=minbase", suite, root)
    scratch = buildah("from", "scratch")
    buildah("add", "-q", scratch, root, "/")
    buildah("commit", "-q", scratch, f"docker.io/library/{base}")
    buildah("rm", scratch)
    shutil.rmtree(root)
    return built(buildah, "isoforge", ROOT)


@pytest.fixture(scope="module")
def boot_image(buildah: Buildah, image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image of the stage ``boot``, on the one that is built already, to spare building that again."""
    stages = re.split(r"^(?=FROM )", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    (stage,) = (stage for stage in stages if stage.startswith("FROM tool AS boot\n"))
    context = tmp_path_factory.mktemp("boot")
    (context / "Dockerfile").write_text(stage.replace("FROM tool AS boot", f"FROM localhost/{image}"), "utf-8")
    return built(buildah, f"{image}-boot", context)


def built(buildah: Buildah, name: str, context: Path) -> str:
    certificates = os.environ.get("PIP_CERT") or ssl.get_default_verify_paths().cafile
    inside = "/run/host-certificates.crt"
    trust = ("-v", f"{certificates}:{inside}:ro", "--build-arg", f"PIP_CERT={inside}") if certificates else ()
    buildah("bud", "--isolation", "chroot", "--pull-never", *trust, "-t", name, context)
    return name


@pytest.fixture(scope="module")
def container(buildah: Buildah, image: str) -> str:
    return buildah("from", "--pull-never", image)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A fleet's folder that belongs to the image's user."""
    shutil.copytree(ROOT / "baremetal/inventory", tmp_path / "work/baremetal/inventory")
    make_base(tmp_path / "work/files/ubuntu-24.04-live-server-amd64.iso")
    run("chown", "-R", f"{USER}:{USER}", tmp_path / "work")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to(tmp_path.parents[1]):
            folder.chmod(0o755)
    return tmp_path / "work"


def test_it_is_isoforge_that_runs_and_not_as_root(buildah: Buildah, image: str) -> None:
    told = json.loads(buildah("inspect", "--type", "image", image))["OCIv1"]["config"]
    assert told["Entrypoint"] == ["isoforge"]
    assert told["User"] == "isoforge"
    assert told["WorkingDir"] == "/work"


def test_it_does_the_main_job(buildah: Buildah, container: str, work: Path) -> None:
    hosts = ("--host", "site-a-m710q1", "--host", "site-a-m710q2")
    told = buildah(
        "run", "--isolation", "chroot", "-v", f"{work}:/work", container, "--",
        "isoforge", "multi", *hosts, "--name", "prod-2025-03", "--render", "--json",
    )  # fmt: skip
    manifest = json.loads(told)
    iso = work / "baremetal/autoinstall/generated/_multi/prod-2025-03" / manifest["iso"]["file"]
    assert iso.stat().st_size == manifest["iso"]["size"]
    assert (iso.stat().st_uid, iso.stat().st_gid) == (USER, USER)


def test_it_serves_a_user_that_the_image_does_not_know(buildah: Buildah, container: str, work: Path) -> None:
    run("chown", "-R", "4321:4321", work)
    buildah(
        "run", "--isolation", "chroot", "--user", "4321:4321", "-v", f"{work}:/work", container, "--",
        "isoforge", "multi", "--host", "site-a-m710q1", "--name", "first", "--render",
    )  # fmt: skip
    written = work / "baremetal/autoinstall/generated"
    assert {(file.stat().st_uid, file.stat().st_gid) for file in written.rglob("*")} == {(4321, 4321)}


def test_as_first_process_it_ends_on_sigterm_and_leaves_nothing(buildah: Buildah, container: str, work: Path) -> None:
    """The kernel drops a signal to a first process that has not asked for it; engines then wait, and kill."""
    root = Path(buildah("mount", container))
    shutil.copytree(work, root / "work", dirs_exist_ok=True)
    (root / "work/bin").mkdir()
    hanging = root / "work/bin/xorriso"
    hanging.write_text(HANGS_AFTER_SIGTERM, "utf-8")
    hanging.chmod(0o755)
    run("chown", "-R", f"{USER}:{USER}", root / "work")
    namespace = ("--pid", "--fork", "--kill-child", "--mount-proc", f"--root={root}", "--wd=/work")
    with pytest.raises(ToolError, match=r"unshare exited with status 143: (?s:.*)error: terminated$"):
        run(
            "unshare", *namespace, f"--setgid={USER}", f"--setuid={USER}", "/opt/isoforge/bin/isoforge",
            "multi", "--host", "site-a-m710q1", "--name", "first", "--render",
            env={"PATH": "/work/bin:/opt/isoforge/bin:/usr/bin:/bin"},
        )  # fmt: skip
    assert (root / "work/told").exists()
    assert not (root / "work/baremetal/autoinstall/generated/_multi").exists()


def test_it_boots_what_it_built(buildah: Buildah, boot_image: str, work: Path, bootable_base: Path) -> None:
    shutil.copy(bootable_base, work / "files/ubuntu-24.04-live-server-amd64.iso")
    boots = buildah("from", "--pull-never", boot_image)
    inside = ("run", "--isolation", "chroot", "-v", f"{work}:/work", boots, "--", "isoforge")
    buildah(*inside, "multi", "--host", "site-a-m710q1", "--name", "first", "--render")
    iso = "baremetal/autoinstall/generated/_multi/first/ubuntu-autoinstall-first.iso"
    told = json.loads(buildah(*inside, "boot-test", iso, "--firmware", "bios", "--medium", "cd", "--json"))
    assert [boot["ok"] for boot in told["boots"]] == [True]


def test_it_carries_what_secrets_need(buildah: Buildah, container: str) -> None:
    for program in ("sops", "age", "gpgv", "xorriso"):
        assert buildah("run", "--isolation", "chroot", container, "--", "which", program)
