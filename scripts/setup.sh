#!/bin/sh
# Installs what isoforge needs on this machine and what is missing, and only that.
#
#   scripts/setup.sh build    make an ISO: xorriso, a Python that can make virtual environments
#   scripts/setup.sh demo     build, and what the synthetic base ISO is made of (a signed kernel among it)
#   scripts/setup.sh boot     boot an ISO: QEMU, its firmware, the shell of the probe
#   scripts/setup.sh test     all of it, and what the tests call
#   scripts/setup.sh ci       test, and what a machine of one's own is better without: cloud-init would act at its
#                             next start. Tests that ask cloud-init, netplan and sshd are skipped where these are missing.
#
# Works on Debian 12 and 13 and on Ubuntu 24.04, as root or with sudo. The kernel is not installed: it is unpacked
# into .cache/guest-kernel/. When nothing is missing, nothing is done and no network is needed.
set -eu

here=$(dirname -- "$0")
cache=$(cd -- "$here/.." && pwd)/.cache
kernel=$cache/guest-kernel

build="xorriso python3 python3-venv"
demo="grub-common grub-pc-bin grub-efi-amd64-bin grub-efi-amd64-signed shim-signed mtools busybox-static kmod zstd"
boot="qemu-system-x86 ovmf busybox-static"
test="age buildah debootstrap fdisk gpgv mandoc shellcheck"
ci="cloud-init netplan.io openssh-server"

say() {
    printf 'setup: %s\n' "$*" >&2
}

give_up() {
    say "$@"
    exit 6
}

usage() {
    sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        give_up "this needs root, and there is no sudo: $*"
    fi
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >&2
}

# Once a run, before the first thing that is fetched.
refresh() {
    if [ -z "${refreshed:-}" ]; then
        say "refreshing the list of packages"
        apt update
        refreshed=yes
    fi
}

# The packages among "$@" that are not installed.
missing() {
    for package in "$@"; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=''
        [ "$state" = installed ] || printf '%s ' "$package"
    done
}

install_missing() {
    lacking=$(missing "$@")
    [ -n "$lacking" ] || return 0
    refresh
    say "installing $lacking"
    # shellcheck disable=SC2086  # a list of package names
    apt install -y --no-install-recommends $lacking
}

# The real package behind a name such as linux-image-amd64: the first linux-image-VERSION it depends on.
real_image() {
    apt-cache depends --important "$1" 2>/dev/null | sed -n 's/^ *|\{0,1\}Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1
}

kernel_packages() {
    image=$(real_image linux-image-amd64)
    [ -n "$image" ] || image=$(real_image linux-image-generic)
    [ -n "$image" ] || return 0
    printf '%s\n' "$image"
    # Ubuntu keeps the modules in a package of their own.
    case $image in
    *-generic) printf 'linux-modules-%s\n' "${image#linux-image-}" ;;
    esac
}

# Unpack the kernel and the modules that may lie between it and a disk; sound, graphics and the like stay out.
unpack() {
    dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --no-same-owner \
        --exclude='*/kernel/sound' --exclude='*/kernel/net' --exclude='*/drivers/net' --exclude='*/drivers/gpu' \
        --exclude='*/drivers/media' --exclude='*/drivers/iio' --exclude='*/drivers/staging' --exclude='*/share/doc' \
        --exclude='*/drivers/infiniband' --exclude='*/boot/System.map*'
    # Of all network cards only QEMU's: a guest is known by its MAC address. Where the driver is built in, or is in the
    # other package, tar finds nothing and says so.
    dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --no-same-owner --wildcards \
        '*/drivers/net/virtio_net.ko*' '*/drivers/net/net_failover.ko*' '*/net/core/failover.ko*' 2>/dev/null || true
}

fetch_kernel() {
    ! grep -qx 'with a network card' "$kernel/stamp" 2>/dev/null || return 0
    packages=$(kernel_packages)
    if [ -z "$packages" ]; then
        refresh
        packages=$(kernel_packages)
    fi
    [ -n "$packages" ] || give_up "apt knows neither linux-image-amd64 nor linux-image-generic"
    mkdir -p "$cache"
    new=$(mktemp -d "$cache/guest-kernel.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    mkdir "$new/debs" "$new/tree"
    # shellcheck disable=SC2086  # a list of package names
    (cd "$new/debs" && fetch $packages)
    for deb in "$new"/debs/*.deb; do
        unpack "$deb" "$new/tree"
    done
    printf '%s\n' "$packages" 'with a network card' >"$new/tree/stamp"
    rm -rf "$kernel"
    mv "$new/tree" "$kernel"
}

fetch() {
    say "fetching" "$@"
    if ! download "$@" 2>/dev/null; then
        refresh
        download "$@"
    fi
}

# The sandbox user of apt may not write here; as an ordinary user there is no sandbox to leave.
download() {
    apt-get -qq -o APT::Sandbox::User=root download "$@" >&2
}

[ $# -gt 0 ] || usage
packages='' with_kernel=''
for what in "$@"; do
    case $what in
    build) packages="$packages $build" ;;
    demo) packages="$packages $build $demo" with_kernel=yes ;;
    boot) packages="$packages $boot" ;;
    test) packages="$packages $build $demo $boot $test" with_kernel=yes ;;
    ci) packages="$packages $build $demo $boot $test $ci" with_kernel=yes ;;
    *) usage ;;
    esac
done

command -v apt-get >/dev/null ||
    give_up "this machine has no apt; install what these Debian packages hold, then go on:$packages"

# shellcheck disable=SC2086  # a list of package names
install_missing $packages
[ -z "$with_kernel" ] || fetch_kernel
