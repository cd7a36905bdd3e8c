#!/bin/sh
# Installs the system packages that isoforge needs and this machine lacks.
#
#   scripts/setup.sh build    to build ISOs: xorriso, a Python that can create virtual environments
#   scripts/setup.sh demo     build, plus what the synthetic base ISO is made of (including a signed kernel)
#   scripts/setup.sh boot     to boot ISOs: QEMU, its firmware, the shell of the probe, what reads an installed disk
#   scripts/setup.sh arm64    to boot ISOs for arm64: QEMU and its firmware for it, and a kernel and the shell of the probe
#   scripts/setup.sh test     all of the above, plus the programs that the tests call
#   scripts/setup.sh ci       test, plus packages that do not belong on a workstation: cloud-init would act at the next
#                             boot. Tests that need cloud-init, grub-emu, netplan, sshd or uutils are skipped where these are missing.
#
# Works on Debian 12 and 13 and on Ubuntu 24.04, as root or with sudo. The kernels, a second xorriso and the boot
# programs for arm64 are not installed but unpacked into .cache/. All but the first kernel are Debian 13's, from the
# Debian mirror in the apt sources of this machine; where they name none (Ubuntu), set DEBIAN_MIRROR to the address of
# one. When nothing is missing, nothing is done and no network is needed.
set -eu

here=$(dirname -- "$0")
cache=$(cd -- "$here/.." && pwd)/.cache
kernel=$cache/guest-kernel
xorriso=$cache/xorriso-debian-13
arm64=$cache/arm64-boot
arm64_kernel=$cache/guest-kernel-arm64

build="xorriso python3 python3-venv"
demo="grub-common grub-pc-bin grub-efi-amd64-bin grub-efi-amd64-signed shim-signed mtools busybox-static kmod zstd"
boot="qemu-system-x86 ovmf busybox-static e2fsprogs"
on_arm64="qemu-system-arm qemu-efi-aarch64 kmod zstd debian-archive-keyring"
test="age bindfs buildah debian-archive-keyring debootstrap faketime fdisk gdisk gnupg gpgv mandoc mount shellcheck strace xfsprogs"
ci="chromium chromium-driver cloud-init grub-emu netplan.io openssh-server rust-coreutils"

say() {
    printf 'setup: %s\n' "$*" >&2
}

give_up() {
    say "$@"
    exit 6
}

usage() {
    sed -n '2,17s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        give_up "root is required and sudo is not installed: $*"
    fi
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >&2
}

# At most once per run, before the first download.
refresh() {
    if [ -z "${refreshed:-}" ]; then
        say "refreshing the package lists"
        apt update
        refreshed=yes
    fi
}

# Print the packages among "$@" that are not installed.
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
    # Ubuntu ships the modules in a separate package.
    case $image in
    *-generic) printf 'linux-modules-%s\n' "${image#linux-image-}" ;;
    esac
}

# Unpack the kernel and the modules it may need to reach a disk, without sound, graphics and the like.
unpack() {
    dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --no-same-owner \
        --exclude='*/kernel/sound' --exclude='*/kernel/net' --exclude='*/drivers/net' --exclude='*/drivers/gpu' \
        --exclude='*/drivers/media' --exclude='*/drivers/iio' --exclude='*/drivers/staging' --exclude='*/share/doc' \
        --exclude='*/drivers/infiniband' --exclude='*/boot/System.map*'
    # Of all network drivers only QEMU's, because a guest is identified by its MAC address. Where the driver is built in
    # or is in the other package, tar finds nothing and complains.
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
    [ -n "$packages" ] || give_up "apt offers neither linux-image-amd64 nor linux-image-generic"
    make_room
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

# Create $new, a temporary folder that is removed on exit, interruption and termination.
make_room() {
    [ -z "${new:-}" ] || return 0
    mkdir -p "$cache"
    new=$(mktemp -d "$cache/setup.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# Print the Debian mirror in the apt sources of this machine, as apt itself reads them (one-line or deb822 form); print
# nothing if there is none, or if the package lists were never fetched.
configured_mirror() {
    # shellcheck disable=SC2016  # apt expands these
    apt-get indextargets --format '$(ORIGIN) $(LABEL) $(COMPONENT) $(REPO_URI)' |
        sed -n 's/^Debian Debian main //p' | head -n 1
}

# Set `mirror`, or fail. $DEBIAN_MIRROR is for machines whose sources name no Debian mirror, such as Ubuntu's.
find_mirror() {
    mirror=${DEBIAN_MIRROR:-$(configured_mirror)}
    if [ -z "$mirror" ]; then
        refresh
        mirror=$(configured_mirror)
    fi
    [ -n "$mirror" ]
}

no_mirror="the apt sources of this machine name no Debian mirror, so parts of Debian 13 that the tests need cannot be \
fetched: set DEBIAN_MIRROR to the address of one, and run this again"

# Run apt as on a Debian 13 machine of an architecture on which nothing is installed: debian_13 ARCHITECTURE PROGRAM ...
debian_13() {
    arch=$1 program=$2
    shift 2
    "$program" -qq -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o APT::Sandbox::User=root -o Acquire::Languages=none \
        -o Dir::State="$new/$arch" -o Dir::State::status="$new/$arch/status" -o Dir::Cache="$new/$arch" \
        -o Dir::Etc::sourcelist="$new/$arch/sources.list" -o Dir::Etc::sourceparts=/dev/null "$@"
}

# Make debian_13 ready for an architecture; fail if there is no mirror.
prepare_debian_13() {
    if ! find_mirror; then
        [ -z "$strict" ] || give_up "$no_mirror"
        say "$no_mirror; the tests that need them are skipped"
        return 1
    fi
    make_room
    mkdir -p "$new/$1/lists/partial" "$new/$1/archives/partial"
    touch "$new/$1/status"
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    echo "deb [signed-by=$keys] $mirror trixie main" >"$new/$1/sources.list"
    debian_13 "$1" apt-get update
}

# Debian 13's boot programs for arm64 (shim and GRUB, signed; GRUB's modules), and a signed kernel that they start.
fetch_arm64() {
    [ ! -f "$arm64/stamp" ] || [ ! -f "$arm64_kernel/stamp" ] || return 0
    prepare_debian_13 arm64 || return 0
    say "fetching the boot programs and a kernel of Debian 13 for arm64"
    image=$(debian_13 arm64 apt-cache depends --important linux-image-arm64 |
        sed -n 's/^ *|\{0,1\}Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
    [ -n "$image" ] || give_up "Debian 13 offers no linux-image-arm64"
    mkdir -p "$new/arm64-boot" "$new/arm64-debs" "$new/arm64-kernel" "$new/arm64-kernel-debs"
    (cd "$new/arm64-debs" && debian_13 arm64 apt-get download \
        shim-signed shim-helpers-arm64-signed grub-efi-arm64-signed grub-efi-arm64-bin busybox-static)
    (cd "$new/arm64-kernel-debs" && debian_13 arm64 apt-get download "$image")
    for deb in "$new"/arm64-debs/*.deb; do
        dpkg-deb -x "$deb" "$new/arm64-boot"
    done
    for deb in "$new"/arm64-kernel-debs/*.deb; do
        unpack "$deb" "$new/arm64-kernel"
    done
    (cd "$new/arm64-debs" && ls) >"$new/arm64-boot/stamp"
    (cd "$new/arm64-kernel-debs" && ls) >"$new/arm64-kernel/stamp"
    rm -rf "$arm64" "$arm64_kernel"
    mv "$new/arm64-boot" "$arm64"
    mv "$new/arm64-kernel" "$arm64_kernel"
}

# Debian 13's xorriso and the libraries it needs: one test builds with it, too.
fetch_xorriso() {
    [ ! -x "$xorriso/xorriso" ] || return 0
    prepare_debian_13 amd64 || return 0
    say "fetching the xorriso of Debian 13"
    mkdir -p "$new/xorriso" "$new/xorriso-debs"
    needed=$(debian_13 amd64 apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
        --no-replaces --no-enhances xorriso | grep -E '^(xorriso|lib)' | sort -u)
    # shellcheck disable=SC2086  # a list of package names
    (cd "$new/xorriso-debs" && debian_13 amd64 apt-get download $needed)
    for deb in "$new"/xorriso-debs/*.deb; do
        dpkg-deb -x "$deb" "$new/xorriso"
    done
    cat >"$new/xorriso/xorriso" <<'END'
#!/bin/sh
root=$(dirname -- "$0")/usr
exec "$root/lib64/ld-linux-x86-64.so.2" --library-path "$root/lib/x86_64-linux-gnu" "$root/bin/xorriso" "$@"
END
    chmod +x "$new/xorriso/xorriso"
    rm -rf "$xorriso"
    mv "$new/xorriso" "$xorriso"
}

fetch() {
    say "fetching" "$@"
    if ! download "$@" 2>/dev/null; then
        refresh
        download "$@"
    fi
}

# apt's sandbox user may not write to this folder; an ordinary user has no sandbox.
download() {
    apt-get -qq -o APT::Sandbox::User=root download "$@" >&2
}

[ $# -gt 0 ] || usage
packages='' with_kernel='' with_xorriso='' with_arm64='' strict=''
for what in "$@"; do
    case $what in
    build) packages="$packages $build" ;;
    demo) packages="$packages $build $demo" with_kernel=yes ;;
    boot) packages="$packages $boot" ;;
    arm64) packages="$packages $on_arm64" with_arm64=yes ;;
    test | ci)
        packages="$packages $build $demo $boot $on_arm64 $test" with_kernel=yes with_xorriso=yes with_arm64=yes
        [ "$what" = test ] || packages="$packages $ci" strict=yes
        ;;
    *) usage ;;
    esac
done

command -v apt-get >/dev/null ||
    give_up "apt is not available on this machine: install the equivalents of these Debian packages yourself:$packages"

# shellcheck disable=SC2086  # a list of package names
install_missing $packages
[ -z "$with_kernel" ] || fetch_kernel
[ -z "$with_xorriso" ] || fetch_xorriso
[ -z "$with_arm64" ] || fetch_arm64
