"""Programs to which secrets are passed on the command line or from their input, as their manual pages say."""

from __future__ import annotations

from typing import NamedTuple

WORD, ATTACHED, LOGIN, PERCENT, SOURCE = "word", "attached", "login", "percent", "source"
"""How an option takes its secret: as its word (``-p X`` or ``-pX``), only in the same word (``-pX``), as
``user:X``, as ``user%X``, as ``pass:X``."""

_OPTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    ("curl", {"-u": LOGIN, "--user": LOGIN, "-U": LOGIN, "--proxy-user": LOGIN, "--oauth2-bearer": WORD, "-b": WORD,
              "--cookie": WORD}),
    ("http https xh", {"-a": LOGIN, "--auth": LOGIN}),
    ("lftp", {"-u": LOGIN}),
    ("sshpass useradd usermod groupadd groupmod", {"-p": WORD}),
    ("mysql mysqldump mysqladmin mysqlimport mysqlshow mysqlsh mysqlpump mycli", {"-p": ATTACHED}),
    ("mariadb mariadb-dump mariadb-admin 7z 7za 7zr 7zz", {"-p": ATTACHED}),
    ("ipmitool", {"-P": WORD, "-k": WORD, "-y": WORD}),
    ("racadm redfishtool ipmipower ipmiconsole ipmi-chassis ipmi-config bmc-config ilorest", {"-p": WORD}),
    ("fence_ipmilan mongo mongosh mongodump mongorestore rdesktop vncdo", {"-p": WORD}),
    ("mosquitto_pub mosquitto_sub zip unzip sqlcmd osql bcp", {"-P": WORD}),
    ("redis-cli", {"-a": WORD}),
    ("ldapsearch ldapadd ldapmodify ldapdelete ldapwhoami ldapmodrdn ldapcompare ldapexop kadmin", {"-w": WORD}),
    ("ipa-client-install ipa-server-install ipa-replica-install", {"-w": WORD}),
    ("ldappasswd", {"-w": WORD, "-s": WORD, "-a": WORD}),
    ("slappasswd", {"-s": WORD}),
    ("kadmin.local plink pscp psftp putty", {"-pw": WORD}),
    ("keytool", {"-storepass": WORD, "-keypass": WORD, "-srcstorepass": WORD, "-deststorepass": WORD}),
    ("virsh", {"--base64": WORD}),
    ("smbclient net rpcclient smbmap smbget winexe", {"-U": PERCENT, "--user": PERCENT}),
    ("snmpwalk snmpget snmpset snmpbulkwalk", {"-A": WORD, "-X": WORD}),
    ("openssl", {"-k": WORD, "-K": WORD, "-pass": SOURCE, "-passin": SOURCE, "-passout": SOURCE, "-password": SOURCE}),
    ("mount mount.cifs", {}),
    ("ssh-keygen", {"-N": WORD, "-P": WORD}),
    ("caddy", {"--plaintext": WORD}),
    ("landscape-config juju x11vnc", {"-p": WORD, "-passwd": WORD}),
    ("swaks", {"-ap": WORD, "--auth-password": WORD}),
    ("sendemail", {"-xp": WORD}),
    ("docker podman skopeo buildah nerdctl helm oras crane az oc", {}),
)  # fmt: skip

OPTIONS = {program: options for programs, options in _OPTIONS for program in programs.split()}
"""The options of a program that take a secret, beside those whose name says so (`--password`)."""

LOGIN_COMMANDS = frozenset(_OPTIONS[-1][0].split())
"""Programs whose ``login`` takes the password as ``-p``; elsewhere ``-p`` is a port to them."""

_HARMLESS_P = """
    apt apt-get awk base64 bash blkid bootctl busctl cargo cat cfdisk chage chgrp chmod chown cloud-init command cp
    cryptsetup dash date dd declare df dig docker docker-compose dpkg dpkg-reconfigure du e2fsck efibootmgr export
    fdisk file find findmnt firewall-cmd fsck fuser gdisk getfacl gpg grep gzip hash helm hexdump id install ip
    ip6tables iptables iw journalctl kill kubectl ln local locale localectl logger loginctl ls lsblk lscpu lshw lsof
    make mkdir mkfifo mkfs mkswap mktemp modprobe mv nc ncat netcat netplan netstat nft nice nmap nohup nsenter
    parted partprobe patch perl pgrep ping pip pkill podman printenv printf ps pstree pv py3compile pypy3compile
    python python3 read readonly resize2fs rm rmdir rsync ruby runuser scp sed sftp sgdisk sh shutdown snap sort ss
    ssh ssh-copy-id ssh-keygen ssh-keyscan stat strace su sudo swapon sync sysctl systemctl systemd-analyze
    systemd-run tail tar tc tee telnet time timedatectl timeout touch tr traceroute trap type udevadm ufw umount
    uniq update-grub update-initramfs vi vim watch wget wipefs xargs xz yes zfs zpool zsh
"""
HARMLESS_P = frozenset(_HARMLESS_P.split())
"""Programs whose ``-p`` is a port, a protocol, a parent directory, …: known not to be a secret."""

_KEYWORD_PROGRAMS = """
    aws confctl consul crudini etcdctl fw_setenv gcloud git gsettings iscsiadm iwctl kubectl microk8s nmcli npm pnpm
    pppd rclone snap snapctl uci yarn
"""
KEYWORD_PROGRAMS = frozenset(_KEYWORD_PROGRAMS.split())
"""Programs that take settings as words, a name and then its value: ``nmcli … password X``."""


class Positional(NamedTuple):
    """A program that takes a secret as a word of its own: the one after ``words``, then ``skip`` more, or the last."""

    words: tuple[str, ...]
    kind: str
    skip: int = 0
    last: bool = False
    certain: bool = True


_PRO = (Positional(("attach",), "Ubuntu Pro token"),)

POSITIONAL: dict[str, tuple[Positional, ...]] = {
    "pro": _PRO,
    "ua": _PRO,
    "ubuntu-advantage": _PRO,
    "vault": (Positional(("login",), "Vault token"),),
    "bao": (Positional(("login",), "Vault token"),),
    "cloudflared": (Positional(("service", "install"), "tunnel token"),),
    "rabbitmqctl": tuple(Positional((verb,), "password", skip=1) for verb in ("add_user", "change_password")),
    "maas": (Positional(("login",), "API key", skip=2),),
    "mc": (Positional(("alias", "set"), "key", skip=3), Positional(("config", "host", "add"), "key", skip=3)),
    "virsh": (Positional(("secret-set-value",), "secret", skip=1),),
    "ansible-vault": (Positional(("encrypt_string",), "secret"),),
    "wpa_passphrase": (Positional((), "Wi-Fi password", skip=1),),
    "ipmitool": (Positional(("set", "password"), "password", skip=1),),
    "keyctl": tuple(Positional(("add", kind), "key", skip=1) for kind in ("user", "logon")),
    "htpasswd": tuple(
        Positional((flag,), "password", last=True) for flag in ("-b", "-nb", "-bc", "-cb", "-nbB", "-bB")
    ),
    "iwconfig": (Positional(("key",), "Wi-Fi password"),),
    "mkpasswd": (Positional((), "password", last=True, certain=False),),
}
"""Secrets that are words of their own."""

CONSUMERS = {
    "chpasswd": "password",
    "passwd": "password",
    "cryptsetup": "passphrase",
    "cryptsetup-reencrypt": "passphrase",
    "systemd-cryptenroll": "passphrase",
    "kinit": "password",
    "net": "password",
    "smbpasswd": "password",
    "pdbedit": "password",
    "slappasswd": "password",
    "vncpasswd": "password",
    "grub-mkpasswd-pbkdf2": "password",
    "mkpasswd": "password",
    "openssl": "password",
    "htpasswd": "password",
    "ssh-add": "private key",
    "keyctl": "key",
    "gpg": "passphrase",
    "pppd": "password",
    "realm": "password",
    "adcli": "password",
    "zfs": "passphrase",
    "zpool": "passphrase",
    "wpa_passphrase": "Wi-Fi password",
    "debconf-set-selections": "",
    "gh": "GitHub token",
    "systemd-creds": "secret",
    "iwctl": "Wi-Fi password",
    "ykman": "PIN",
    "wg": "private key",
    "clevis": "passphrase",
    "ansible-vault": "secret",
}
"""Programs that read a secret from their input; "" for those whose input is read for names and values only."""

NEEDED = {
    "openssl": ("-stdin", "stdin"),
    "net": ("join", "ads"),
    "wg": ("set", "setconf", "addconf"),
    "clevis": ("luks",),
    "ansible-vault": ("encrypt_string",),
    "htpasswd": ("-i",),
    "gpg": ("--passphrase-fd", "--passphrase-file", "--import", "-c", "--symmetric"),
    "gh": ("--with-token",),
    "keyctl": ("padd",),
    "zfs": ("create", "load-key", "change-key"),
    "zpool": ("create",),
}
"""Of those, the words without which they read something else."""

EVERYONE = {
    "--password-stdin": "password",
    "--with-token": "token",
    "--token-stdin": "token",
    "--passphrase-fd": "passphrase",
}
"""Options with which any program reads a secret from its input."""

_RUNNERS = """
    arch-chroot chroot curtin do doas docker else env exec if lxc machinectl nice nohup nsenter podman runuser ssh
    sshpass stdbuf su sudo systemd-nspawn systemd-run then time timeout unshare until while xargs !
"""
RUNNERS = frozenset(_RUNNERS.split())
"""Programs and words of the shell that are followed by a program."""
