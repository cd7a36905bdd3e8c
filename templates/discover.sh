#!/bin/sh
# Prints the hardware facts of this machine: one fact per line, fields separated by tabs, between "isoforge-facts 1" and
# "end".
#
# `isoforge discover` feeds it to a shell, locally or over ssh; isoforge/fleet/facts.py parses the output. It needs a POSIX
# shell with cat, sed and dd, and reads only /sys, /proc and udev's database. It does not need tr, which prints nothing in
# uutils coreutils before 0.0.24 if a byte is not UTF-8.
# ISOFORGE_ROOT is a prefix of every path, for tests.
set -u
LC_ALL=C
export LC_ALL
root=${ISOFORGE_ROOT:-}
tab=$(printf '\t')

report() {
    line=$1
    shift
    for field in "$@"; do
        line=$line$tab$field
    done
    printf '%s\n' "$line"
}

# The printable ASCII of all lines, as one line.
plain() {
    sed -n 'H; ${ x; s/[^ -~]//g; s/^ *//; s/ *$//; p; }'
}

value() {
    [ ! -r "$1" ] || plain <"$1" 2>/dev/null
}

real_path() {
    (cd -P "$1" 2>/dev/null && pwd)
}

# Serial numbers and the UUID are readable only by root (0400): check once whether sudo works without a password.
sudo_works=''
with_sudo() {
    if [ -z "$sudo_works" ]; then
        sudo_works=no
        ! sudo -n true </dev/null >/dev/null 2>&1 || sudo_works=yes
    fi
    [ "$sudo_works" = yes ]
}

# What the firmware wrote into the file $2, under the key $1.
firmware_value() {
    if [ ! -e "$2" ]; then
        return
    elif [ -r "$2" ]; then
        { text=$(cat "$2"); } 2>/dev/null # bash reports the NUL at the end of a text of the device tree
    elif with_sudo; then
        text=$(sudo -n cat "$2" </dev/null 2>/dev/null)
    else
        report unreadable "$1"
        return
    fi
    if [ -n "$(printf '%s' "$text" | sed -n '/[^ -~]/p; 2,$p')" ]; then
        report odd "$1" # the guard and the menu cannot compare it
    else
        report dmi "$1" "$(printf '%s' "$text" | plain)"
    fi
}

# A machine without SMBIOS may have a device tree (arm64 boards), with a model and a serial number.
firmware() {
    if [ -d "$root/sys/class/dmi/id" ]; then
        for key in sys_vendor product_name product_serial product_uuid chassis_asset_tag board_serial; do
            firmware_value "$key" "$root/sys/class/dmi/id/$key"
        done
    else
        firmware_value product_name "$root/proc/device-tree/model"
        firmware_value product_serial "$root/proc/device-tree/serial-number"
    fi
    if [ -d "$root/sys/firmware/efi" ]; then
        report firmware uefi
    elif [ ! -d "$root/proc/device-tree" ]; then
        report firmware bios
    fi
}

cards() {
    for path in "$root"/sys/class/net/*; do
        if [ ! -e "$path/device" ] || [ -e "$path/device/physfn" ]; then
            continue # virtual: a bridge, a VLAN, a virtual function of a card
        fi
        mac=$(value "$path/bonding_slave/perm_hwaddr")
        [ -n "$mac" ] || mac=$(value "$path/address")
        kind=wired
        if [ -e "$path/wireless" ] || [ -e "$path/phy80211" ]; then
            kind=wireless
        fi
        driver=$(real_path "$path/device/driver")
        report card "${path##*/}" "$mac" "$(value "$path/carrier")" "$kind" "${driver##*/}"
    done
    for path in "$root"/sys/class/net/*/lower_*; do
        if [ -e "$path" ]; then
            upper=${path%/*}
            report over "${upper##*/}" "${path##*/lower_}"
        fi
    done
}

routes() {
    if [ -r "$root/proc/net/route" ]; then
        while read -r card to via _; do
            [ "$to" != 00000000 ] || report route "$card" "$via"
        done <"$root/proc/net/route"
    fi
    nowhere=00000000000000000000000000000000 # :: as the kernel writes it
    if [ -r "$root/proc/net/ipv6_route" ]; then
        while read -r to length _ _ via _ _ _ _ card; do
            if [ "$to$length" = "${nowhere}00" ] && [ "$via" != "$nowhere" ]; then
                report route "$card" ''
            fi
        done <"$root/proc/net/ipv6_route"
    fi
}

of_disk() {
    [ -z "$3" ] || report of "$1" "$2" "$3"
}

disks() {
    for path in "$root"/sys/block/*; do
        name=${path##*/}
        case $name in
        sr* | fd* | mmcblk*boot* | mmcblk*rpmb*) continue ;;
        esac
        if [ ! -e "$path/device" ] || [ "$(value "$path/hidden")" = 1 ]; then
            continue # virtual: loop, LVM, RAID; or one path to a multipath disk
        fi
        report disk "$name" "$(value "$path/size")"
        of_disk "$name" removable "$(value "$path/removable")"
        of_disk "$name" rotational "$(value "$path/queue/rotational")"
        of_disk "$name" model "$(value "$path/device/model")"
        of_disk "$name" wwid "$(value "$path/wwid")$(value "$path/device/wwid")"
        serial=$(value "$path/device/serial")
        [ -n "$serial" ] || serial=$(value "$path/serial")
        if [ -z "$serial" ] && [ -r "$path/device/vpd_pg80" ]; then
            serial=$(dd if="$path/device/vpd_pg80" bs=1 skip=4 2>/dev/null | plain) # SPC-4, 7.8.16: four bytes before it
        fi
        of_disk "$name" serial "$serial"
        case $(real_path "$path/device") in
        */usb[0-9]*) of_disk "$name" transport usb ;;
        esac
        udev=$root/run/udev/data/b$(value "$path/dev")
        if [ -r "$udev" ]; then
            sed -n "s|^E:\(ID_[A-Z_]*\)=|of$tab$name$tab\1$tab|p; s|^S:disk/by-id/|of$tab$name${tab}by-id$tab|p" "$udev"
        fi
    done
}

mounts() {
    [ -r "$root/proc/mounts" ] || return 0
    while read -r device place _; do
        case $device in
        /dev/*) report mount "${device#/dev/}" "$place" ;;
        esac
    done <"$root/proc/mounts"
}

memory() {
    [ ! -r "$root/proc/meminfo" ] || report memory "$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' "$root/proc/meminfo")"
}

main() {
    report isoforge-facts 1
    firmware
    memory
    cards
    routes
    disks
    mounts
    report end
}

main
