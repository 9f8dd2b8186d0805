"""Logs on real NFS and SMB mounts, two machines each: nothing is lost, doubled or torn, or the second machine is refused."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from _machines import missing, run_scenario

pytestmark = [
    pytest.mark.integration,
    pytest.mark.load,
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]

LINE = re.compile(rb"(\w+ \d+) (x{20}|x{100}|x{5000})")

# Two processes on each machine for some seconds, and one more on each that is killed.
TRAFFIC = """
for n in 1 2 3 4; do
  M=$(( (n + 1) / 2 ))
  start $M $PYTHON $WRITER /mnt/${MOUNT[$M]}/app.log p$n $FOLDER/acks.p$n {seconds} {options}; P[$n]=$!
done
start 1 $PYTHON $WRITER /mnt/a/app.log k5 $FOLDER/acks.k5 600 {options}; P[5]=$!
start 2 $PYTHON $WRITER /mnt/b/app.log k6 $FOLDER/acks.k6 600 {options}; P[6]=$!
until [ -s $FOLDER/acks.k5 ] && [ -s $FOLDER/acks.k6 ]; do sleep 0.1; done
sleep 4; kill -9 ${P[5]}
{meanwhile}
sleep 2; kill -9 ${P[6]}
wait ${P[1]} ${P[2]} ${P[3]} ${P[4]}
"""
MOUNTS = "MOUNT=(x a b)\n"
NFS = MOUNTS + "serve_nfs; mount_nfs vers=4.2\n"
SMB = MOUNTS + 'serve_smb; mount_smb ""\n'


def traffic(seconds: int = 12, options: str = "", meanwhile: str = "") -> str:
    """Of six processes."""
    text = TRAFFIC
    for name, value in {"seconds": str(seconds), "options": options, "meanwhile": meanwhile}.items():
        text = text.replace("{" + name + "}", value)
    return text


@dataclass
class Count:
    """What became of the records."""

    acknowledged: set[bytes]
    seen: Counter[bytes]
    odd: list[bytes]  # lines that are no record
    segments: int
    told: str  # by the processes

    @property
    def lost(self) -> set[bytes]:
        return self.acknowledged - set(self.seen)

    @property
    def doubled(self) -> set[bytes]:
        return {record for record, times in self.seen.items() if times > 1}


def count(folder: Path) -> Count:
    """Records by what the server has, and by what the processes were promised."""
    files = [path for path in (folder / "files").iterdir() if not path.name.endswith((".lock", ".host"))]
    found = Count(set(), Counter(), [], len(files), "")
    for path in files:
        data = path.read_bytes()
        for line in data.splitlines():
            matched = LINE.fullmatch(line)
            if matched is None:
                found.odd.append(path.name.encode() + b": " + line[:60])
            else:
                found.seen[matched[1]] += 1
    for path in folder.glob("acks.*"):
        if path.suffix == ".told":
            found.told += path.read_text()
        elif path.suffix != ".ready":
            found.acknowledged.update(path.read_bytes().splitlines())
    return found


def check(found: Count, *, stumps: int = 2) -> None:
    """Nothing is lost, doubled or torn; a killed process may leave a stump, which nobody was promised."""
    assert not found.lost, (len(found.lost), found.told)
    assert not found.doubled
    assert len(found.odd) <= stumps, found.odd
    assert len(found.acknowledged) > 50, found.told
    assert found.segments >= 4


def test_nfs(tmp_path: Path) -> None:
    """NFSv4.2: two machines, six processes, rotations, kills. `auto` chooses the lock for each record, and says so."""
    run_scenario(tmp_path, NFS + traffic())
    check(count(tmp_path))


def test_smb(tmp_path: Path) -> None:
    """The same on SMB 3.1.1."""
    run_scenario(tmp_path, SMB + traffic(15))
    check(count(tmp_path))


def test_nfs_without_the_lock(tmp_path: Path) -> None:
    """With `locking="append"` records are lost there: the tests above can fail."""
    run_scenario(tmp_path, NFS + traffic(8, "locking=append"))
    found = count(tmp_path)
    assert found.lost


def test_server_that_is_away_for_ten_seconds(tmp_path: Path) -> None:
    """It takes nothing meanwhile and forgets nothing; records wait, and stand there once."""
    run_scenario(tmp_path, NFS + traffic(25, meanwhile="rpc.nfsd 0; sleep 10; rpc.nfsd 4"))
    check(count(tmp_path))


FORGOTTEN = """
start 1 $PYTHON $WRITER /mnt/a/app.log p1 $FOLDER/acks.p1 40 $FOLDER/go; P[1]=$!
start 2 $PYTHON $WRITER /mnt/b/app.log p2 $FOLDER/acks.p2 40 $FOLDER/go; P[2]=$!
until [ -e $FOLDER/acks.p1.ready ] && [ -e $FOLDER/acks.p2.ready ]; do sleep 0.1; done
sync; cp /mnt/disk/e/app.log /mnt/disk/e/saved
{remove}
touch $FOLDER/go
wait ${P[1]} ${P[2]}
ls -A /mnt/disk/e
"""


@pytest.mark.parametrize(
    "remove",
    [
        "rm /mnt/disk/e/app.log",
        "rm /mnt/disk/e/app.log /mnt/disk/e/app.log.lock",
        "on 1 rm /mnt/a/app.log; ls -A /mnt/disk/e | grep nfs0 && echo silly",
        "on 2 mv /mnt/b/app.log /mnt/b/moved; rm /mnt/disk/e/saved",
    ],
    ids=["on-the-server", "with-the-lock-file", "silly-rename", "moved-by-the-other"],
)
def test_log_that_is_taken_away(tmp_path: Path, remove: str) -> None:
    """While two machines have it open the log is removed on the server (ESTALE), by a process of one of them (its client renames
    it to `.nfs…`), or moved: all go on with a new one, and nothing else is lost."""
    printed = run_scenario(tmp_path, NFS + FORGOTTEN.replace("{remove}", remove))
    if "silly" in remove:
        assert "silly" in printed
    for path in (tmp_path / "files").glob(".nfs*"):
        path.unlink()  # what was saved before
    found = count(tmp_path)
    assert len(found.acknowledged) == 160, found.told
    assert not found.lost, (found.lost, found.told)
    assert not found.doubled
    assert not found.odd


REFUSED = """
cat > $FOLDER/one.py <<X
import os, sys
from mpfhandler import InvalidOption, TimedLogFile
try:
    with TimedLogFile(sys.argv[1], "D") as log:
        log.write("p" + os.uname().nodename + " 1 " + "x" * 20)
        print("written", log.name, log.stats().spilled)
except InvalidOption as error:
    print("refused", error)
X
"""


def told(printed: str) -> list[str]:
    """What the small program above said, each time."""
    return [line.strip() for line in printed.splitlines() if line.startswith(("written", "refused"))]


def check_refusal(printed: str) -> None:
    """The first machine writes, the second is told what to do instead, and may write to a file of its own. Started anew the first
    one goes on, and so does a container on it that nobody knows; the second one is refused still."""
    first, second, own_first, own_second, anew, container, last = told(printed)
    assert first == "written /mnt/a/app.log 0"
    assert second.startswith("refused locking='auto': /mnt/b/app.log is on ")
    assert "'alpha' writes to it" in second
    for remedy in ("{host}", "shipper", "lock_dir"):
        assert remedy in second
    assert (own_first, own_second) == ("written /mnt/a/alpha.log 0", "written /mnt/b/beta.log 0")
    assert anew == container == first
    assert last.startswith("refused")


ONES = """
run 1 first $PYTHON $FOLDER/one.py /mnt/a/app.log; run 2 other $PYTHON $FOLDER/one.py /mnt/b/app.log
run 1 first $PYTHON $FOLDER/one.py /mnt/a/{host}.log; run 2 other $PYTHON $FOLDER/one.py /mnt/b/{host}.log
run 1 anew $PYTHON $FOLDER/one.py /mnt/a/app.log
run 1 anew unshare -u sh -c 'hostname container; exec "$@"' sh $PYTHON $FOLDER/one.py /mnt/a/app.log
run 2 other $PYTHON $FOLDER/one.py /mnt/b/app.log
"""


def test_nfs_whose_locks_stay_on_the_machine(tmp_path: Path) -> None:
    """NFSv3 mounted with `nolock`."""
    printed = run_scenario(tmp_path, f"serve_nfs; mount_nfs vers=3,nolock /mnt/disk/e\n{REFUSED}{ONES}")
    check_refusal(printed)


CHECK = """
on 1 $PYTHON -m mpfhandler check /mnt/a /mnt/b --secs 3 --json; echo "exit $?"
"""


def checked(printed: str) -> tuple[bool, bool, int]:
    """What `mpfhandler check DIR DIR2` said: locks, all in all, its exit code."""
    (told,) = [json.loads(line) for line in printed.splitlines() if line.startswith('{"first"')]
    (code,) = re.findall(r"^exit (\d+)", printed, re.MULTILINE)
    return told["locks"], told["excludes"], int(code)


def test_check_of_two_mounts(tmp_path: Path) -> None:
    """NFSv4.2: they exclude each other."""
    assert checked(run_scenario(tmp_path, NFS + CHECK)) == (True, True, 0)


def test_check_of_two_mounts_whose_locks_are_local(tmp_path: Path) -> None:
    """NFSv3 with `nolock`: they do not."""
    printed = run_scenario(tmp_path, f"serve_nfs; mount_nfs vers=3,nolock /mnt/disk/e\n{CHECK}")
    assert checked(printed) == (False, False, 1)


SFTP = "/usr/lib/openssh/sftp-server"
SSHFS = """
printf '#!/bin/sh\nexec /usr/lib/openssh/sftp-server\n' > /run/ssh; chmod +x /run/ssh; mknod /dev/fuse c 10 229 2>/dev/null
for m in a b; do sshfs -o ssh_command=/run/ssh,allow_other x:/mnt/disk/e /mnt/$m; done
"""


@pytest.mark.skipif(not Path(SFTP).exists(), reason=f"no {SFTP} (Debian: openssh-sftp-server), or no sshfs")
def test_sshfs(tmp_path: Path) -> None:
    """Its locks exclude nobody on another mount."""
    check_refusal(run_scenario(tmp_path, SSHFS + REFUSED + ONES))
