"""Several machines on one: user-mode Linux runs a kernel of its own as a process, with real clients and servers of NFS and SMB.

The kernel boots on this machine's files, so it writes to them: what a scenario writes outside of its own mounts is to be in its
folder. A machine of the scenario is a network of its own with a name of its own, for two mounts of one NFS client share what it
knows: `on 1 COMMAND` and `on 2 COMMAND` run one there. Both see the mounts of both. The server has 10.0.1.1 for the one and
10.0.2.1 for the other. They have one kernel, so where it matters which one that is, `run 1 NUMBER COMMAND` has the command see
another number of its run (boot_id).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

__all__ = ["ROOT", "missing", "run_scenario"]

ROOT = Path(__file__).parents[2]
_MODULES = Path("/usr/lib/uml/modules")
_NEEDED = ("linux.uml", "modprobe", "rpcbind", "rpc.nfsd", "exportfs", "rpc.mountd", "smbd", "mount.cifs", "mkfs.ext4", "nsenter")
_END = "the scenario has ended"

_INIT = r"""#!/bin/bash
exec 2>&1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH=@ROOT@/src
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /mnt
mount -t tmpfs tmpfs /var/lib/nfs
mkdir -p /run/lock /run/rpcbind /run/samba /var/lib/nfs/{sm,sm.bak,v4recovery,rpc_pipefs} /mnt/{disk,a,b}
touch /var/lib/nfs/{state,etab,rmtab}
ip link set lo up
printf '#!/bin/sh\nexec modprobe -d @FOLDER@/root "$@"\n' > /run/modprobe; chmod +x /run/modprobe
echo /run/modprobe > /proc/sys/kernel/modprobe
/run/modprobe -a nfsd nfsv3 nfsv4 cifs veth fuse ext4
mount /dev/ubda /mnt/disk; mkdir -p /mnt/disk/e; chmod 777 /mnt/disk/e
echo 1 > /proc/sys/fs/nfs/nlm_grace_period
mount -t nfsd nfsd /proc/fs/nfsd; echo 10 > /proc/fs/nfsd/nfsv4leasetime; echo 10 > /proc/fs/nfsd/nfsv4gracetime
declare -A MACHINE
machine() { # number name
  unshare -n -u sh -c "hostname $2; touch /run/machine.$1; exec sleep 100000" & MACHINE[$1]=$!
  until [ -e /run/machine.$1 ]; do sleep 0.1; done
  ip link add v$1 type veth peer name w$1; ip link set w$1 netns ${MACHINE[$1]}
  ip addr add 10.0.$1.1/24 dev v$1; ip link set v$1 up
  on $1 sh -c "ip link set lo up; ip addr add 10.0.$1.2/24 dev w$1; ip link set w$1 up"
}
on() { local one=$1; shift; nsenter -t ${MACHINE[$one]} -n -u "$@"; }
run() { # machine number command
  local one=$1 number=$2; shift 2; echo $number > /run/kernel.$number
  on $one unshare -m sh -c 'mount --bind $0 /proc/sys/kernel/random/boot_id && exec "$@"' /run/kernel.$number "$@"
}
start() { local one=$1; shift; nsenter -t ${MACHINE[$one]} -n -u "$@" & }
serve_nfs() {
  rpcbind -w; rpc.statd --no-notify
  exportfs -i -o rw,no_root_squash,insecure,fsid=0,no_subtree_check '*:/mnt/disk/e'
  rpc.mountd -N 2 2>/dev/null || rpc.mountd; rpc.nfsd 4; echo Y > /proc/fs/nfsd/v4_end_grace
}
mount_nfs() { # options
  on 1 mount -t nfs -o $1 10.0.1.1:${2:-/} /mnt/a; on 2 mount -t nfs -o $1 10.0.2.1:${2:-/} /mnt/b
}
serve_smb() {
  cat > /run/smb.conf <<X
[global]
server role = standalone
map to guest = bad user
guest account = root
lock directory = /run/samba
state directory = /run/samba
cache directory = /run/samba
private dir = /run/samba
pid directory = /run/samba
ncalrpc dir = /run/samba/ncalrpc
log file = /run/samba/log
disable spoolss = yes
[s]
path = /mnt/disk/e
guest ok = yes
read only = no
force user = root
X
  smbd -D -s /run/smb.conf
  for n in 1 2 3 4 5 6 7 8 9; do [ -e /run/samba/smbd.pid ] && break; sleep 0.5; done
}
mount_smb() { # options
  for n in 1 2 3 4 5; do on 1 mount -t cifs -o guest,vers=3.1.1,$1 //10.0.1.1/s /mnt/a && break; sleep 1; done
  on 2 mount -t cifs -o guest,vers=3.1.1,$1 //10.0.2.1/s /mnt/b
}
PYTHON=@PYTHON@
WRITER=@ROOT@/tests/integration/programs/network_writer.py
FOLDER=@FOLDER@
machine 1 alpha; machine 2 beta
. @FOLDER@/scenario
sync
rm -rf @FOLDER@/files; cp -a /mnt/disk/e @FOLDER@/files
grep ' /mnt/[ab] ' /proc/mounts
echo @END@
exec @PYTHON@ -c "import ctypes; ctypes.CDLL(None).reboot(0x4321fedc)"
"""


def missing() -> str | None:
    """Why no such machine can be had here; None if one can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "user-mode Linux boots on this machine's own files, as root of it"
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    absent = [name for name in _NEEDED if shutil.which(name, path=path) is None]
    if absent:
        packages = "user-mode-linux kmod rpcbind nfs-kernel-server samba cifs-utils"
        return f"{', '.join(absent)} missing (Debian: apt-get install {packages})"
    return None if any(_MODULES.glob("*/modules.dep")) else f"no modules of user-mode Linux in {_MODULES}"


def run_scenario(folder: Path, scenario: str, seconds: float = 280.0) -> str:
    """Boot, run a scenario (of bash), copy what the server has to `folder/files`; what was printed.

    Args:
        folder: of the test; the scenario knows it as $FOLDER.
        scenario: with the functions and variables of the script above.
        seconds: for all of it.
    """
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    modules = folder / "root" / "lib" / "modules"
    modules.mkdir(parents=True)
    for version in _MODULES.iterdir():
        (modules / version.name).symlink_to(version)
    disk = folder / "disk.img"
    with disk.open("wb") as file:
        file.truncate(64 << 20)
    environment = {**os.environ, "PATH": os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])}
    subprocess.run(["mkfs.ext4", "-q", "-F", disk], check=True, env=environment)
    (folder / "scenario").write_text(scenario)
    init = folder / "init"
    values = {"ROOT": ROOT, "FOLDER": folder, "PYTHON": sys.executable, "END": _END}
    text = _INIT
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    init.write_text(text)
    init.chmod(0o755)
    command = ["linux.uml", "rootfstype=hostfs", "rootflags=/", "rw", f"init={init}", "mem=768M", f"ubd0={disk}"]
    command += ["con=null", "con0=fd:0,fd:1", "quiet"]
    with open(folder / "console", "wb") as console:
        kernel = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            env={**environment, "TMPDIR": str(folder)},
            start_new_session=True,
        )
        try:
            kernel.wait(seconds)
        finally:
            try:  # its threads are processes of a group
                os.killpg(kernel.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            kernel.wait()
            disk.unlink()
    printed = (folder / "console").read_text(errors="replace")
    assert _END in printed, printed[-6000:]
    return printed
