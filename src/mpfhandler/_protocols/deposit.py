"""Putting one segment into an archive so that it is there once, whole, and over nothing (promise P4).

```
D1 lock ──► D2 claim ──► D3 look for a key ──┬─ the same content ────────────────────────────► done
  (owner_id)   host/log      │  ▲            └─ free ──► D4 create ──► D5 look again: the same ─► done
                             └──┘ another one: the next name                 else: an error, tried again later
```

- **D1** One process at a time stores segments of a log (the lock of `owner_id`). So what was free in D3 is free in D4 for anybody
  who follows these rules, also in a store that cannot tell the two apart.
- **D2** The keys of a log lie below `host/log`, which belongs to whom the object `.owner` in it names. Where that is another one
  (a machine of the same name, this machine before it was installed anew), they lie below `host/log-<own number>`. It is looked at
  each time: of two that claim it in the same moment in a store that cannot refuse one, the later one stays, and both see that.
- **D3** An object with this name and other content is left alone; the following numbers are tried. Where it has the same content
  it is not stored again: the process that did may have died before it could say so.
- **D4** An object is there whole or not at all, whenever the process dies. (In a folder that has neither a rename that overwrites
  nothing nor hard links, a kill may leave an empty one; the segment gets the next name then.)
- **D5** Size and sum are the store's own, made of what has arrived: its e-tag where that is an MD5 sum, else what it gives back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass

from .._platform import Operations
from .._pure.options import Access
from .._pure.target import OWNER, Target, candidates, key_part
from .._resources.content import Content, FileContent, Sums
from .._resources.owner_id import OwnerId
from .._resources.store import Facts, Store

__all__ = ["Job", "deposit"]


@dataclass(frozen=True)
class Job:
    """One segment to be stored.

    Attributes:
        url: of the archive.
        host: the machine's name.
        log: the log's file name.
        file: the path of the segment.
        name: of the segment, from the log's folder on; with slashes where a `namer` has put it into a folder of its own, from
            what both folders have in common.
        index: its number in its period.
        compression: "gz", … or "".
        owner_file: the path of the log's number for archives.
    """

    url: str
    host: str
    log: str
    file: str
    name: str
    index: int
    compression: str
    owner_file: str

    def fields(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def deposit(ops: Operations, store: Store, target: Target, job: Job, stop: Callable[[], bool]) -> dict[str, object]:
    """Store a segment, if it is not there already.

    After a failure the object is there whole, or not at all; what is there is never changed. Safe to repeat, in any process.

    Args:
        ops: the system calls.
        store: of the target.
        target: the archive.
        job: the segment.
        stop: is asked while it is read, or waited for; it ends with InterruptedError then.

    Returns:
        `url` of the object, `size` (bytes), `sha256` (hexadecimal).

    Raises:
        OSError: it could not be stored, or arrived otherwise than it is here.
    """
    with FileContent(ops, job.file, stop) as content:
        sums = content.sums()
        access = Access(content.mode | 0o600, content.uid, content.gid)
        with OwnerId(ops, job.owner_file, access, stop) as own:
            folder = _claimed(store, f"{key_part(job.host)}/{key_part(job.log)}", own)
            key = _placed(store, folder, job, content, sums)
    return {"url": f"{target.url}/{key}", "size": sums.size, "sha256": sums.sha256}


def _claimed(store: Store, folder: str, own: str) -> str:
    """The folder of this log in the archive (D2)."""
    line = f"{own}\n".encode()
    for mine in (folder, f"{folder}-{own}"):
        key = f"{mine}/{OWNER}"
        if store.facts(key) is None:
            try:
                store.create(key, Content(len(line), lambda: iter((line,))))
            except FileExistsError:
                pass  # another machine was faster
        if b"".join(store.blocks(key)) == line:
            return mine
    raise FileExistsError(f"{folder}-{own}/{OWNER} names another owner")


def _placed(store: Store, folder: str, job: Job, content: Content, sums: Sums) -> str:
    """The key that has this content now (D3 to D5)."""
    above, slash, name = job.name.rpartition("/")
    place = "/".join([folder, *(key_part(part) for part in above.split("/"))]) if slash else folder
    for candidate in candidates(name, job.index, job.compression):
        key = f"{place}/{key_part(candidate)}"
        found = store.facts(key)
        if found is None:
            found = _created(store, key, content)
            if not _same(store, key, found, sums):
                raise OSError(f"{key}: has arrived otherwise than it was sent ({found.size} bytes instead of {sums.size})")
            return key
        if _same(store, key, found, sums):
            return key
    raise FileExistsError(f"{place}/{key_part(name)}: this name and all that follow are taken by other content")


def _created(store: Store, key: str, content: Content) -> Facts:
    try:
        store.create(key, content)
    except FileExistsError:
        pass  # made in this moment; what it is will be seen
    found = store.facts(key)
    if found is None:
        raise OSError(f"{key}: is not there after it was stored")
    return found


def _same(store: Store, key: str, found: Facts, sums: Sums) -> bool:
    """Whether an object has this content. An e-tag that is not one of ours proves nothing: with some kinds of encryption it is no
    sum, and parts may have had another size."""
    if found.size != sums.size:
        return False
    if found.e_tag in sums.e_tags:
        return True
    back = hashlib.sha256()
    for block in store.blocks(key):
        back.update(block)
    return back.hexdigest() == sums.sha256
