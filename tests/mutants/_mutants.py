"""The mechanisms of the package, each taken out once: what a test has to notice.

A mutant is a text of the package that is replaced by another one. The old text stands in its file exactly once, so that this
list cannot rot (`tests/unit/test_mutants.py`). The `killers` are the tests that are expected to fail first, cheap ones first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["MUTANTS", "Mutant", "mutated"]


@dataclass(frozen=True)
class Mutant:
    """One mechanism taken out.

    Attributes:
        name: for the command line.
        what: is taken out; one sentence.
        file: below src/mpfhandler.
        old: text that stands in the file once.
        new: what stands there instead.
        killers: tests below `tests`, as pytest takes them.
    """

    name: str
    what: str
    file: str
    old: str
    new: str
    killers: tuple[str, ...]


def mutated(mutant: Mutant, package: Path) -> str:
    """The mutated text of the mutant's file in a package.

    Raises:
        ValueError: the old text does not stand there exactly once: the list has to follow the package.
    """
    text = (package / mutant.file).read_text(encoding="utf-8")
    count = text.count(mutant.old)
    if count != 1:
        raise ValueError(f"{mutant.name}: its old text stands {count} times in {mutant.file}, not once:\n{mutant.old}")
    return text.replace(mutant.old, mutant.new)


ROTATION, PLAN, LOCK, APPEND = "_protocols/rotation.py", "_pure/plan.py", "_resources/lock.py", "_resources/append.py"
ACTIVE, LATE, WRITER, BACKLOG = "_engine/active.py", "_engine/late.py", "_engine/writer.py", "_engine/backlog.py"
RETENTION, HANDOVER, SEGMENTS = "_protocols/retention.py", "_protocols/handover.py", "_protocols/segments.py"
FORK, SPILL, NAMING, STATE = "_resources/fork.py", "_resources/spill.py", "_pure/naming.py", "_pure/state.py"
POSIX = "_platform/posix.py"

INTERLEAVINGS = "faults/test_interleavings.py"

MUTANTS = (
    # R0: follow
    Mutant(
        "follow-no-last-look",
        "R0, I6: whoever follows does not look again, after its lease, whether the log's name still leads to the file",
        ROTATION,
        "if segment.file == found.id and there is not None and there.id == segment.file:",
        "if segment.file == found.id:",
        (INTERLEAVINGS,),
    ),
    Mutant(
        "follow-no-first-look",
        "R0: whoever follows takes the file that it opened for the one that the record is of",
        ROTATION,
        "if segment.file == found.id and there is not None and there.id == segment.file:",
        "if there is not None and there.id == segment.file:",
        (INTERLEAVINGS,),
    ),
    Mutant(
        "follow-any-period",
        "R0: a state record is followed into a period that is over, or has not begun",
        ROTATION,
        "            and start <= self._ops.now() < end\n",
        "",
        (INTERLEAVINGS,),
    ),
    Mutant(
        "follow-any-file",
        "R0: a state record of another file is followed",
        ROTATION,
        "            state.file == file.id\n            and file.mtime_ns",
        "            file.mtime_ns",
        (INTERLEAVINGS,),
    ),
    Mutant(
        "follow-restored-file",
        "R0: a file that is older than its record is followed into",
        ROTATION,
        "            and file.mtime_ns >= state.mtime_ns\n",
        "",
        (INTERLEAVINGS, "faults/test_external.py"),
    ),
    Mutant(
        "follow-other-schedule",
        "R0: a record by another schedule is followed without a warning",
        ROTATION,
        "            and state.fingerprint == self._options.schedule.fingerprint\n",
        "",
        ("faults/test_schedules.py",),
    ),
    # R1 to R7
    Mutant(
        "look-before-lock",
        "I1: what is decided from was read before the lock",
        ROTATION,
        "            held = self._lock.acquire(deadline - self._ops.monotonic())\n",
        "            seen = Evidence(self._ops.now(), self._find(), self._lock.peek(), mine and (mine.file, mine.period))\n"
        "            self._look = lambda held, mine: seen\n"
        "            held = self._lock.acquire(deadline - self._ops.monotonic())\n",
        (INTERLEAVINGS, "simulation"),
    ),
    Mutant(
        "plain-rename",
        "I2: a segment that is there already is overwritten",
        POSIX,
        "    if _kernel_rename(source, target):\n        return\n",
        "    os.rename(source, target)\n    return\n",
        ("unit/test_platform.py",),
    ),
    Mutant(
        "look-then-rename",
        "I2: look, then rename, where the kernel could do it in one step",
        POSIX,
        "    if _kernel_rename(source, target):\n        return\n",
        "",
        ("faults/test_rotation_fails.py",),
    ),
    Mutant(
        "rename-without-look",
        "I3: nobody looks, just before the rename, what the log's name leads to and whether the lock is still the lock",
        ROTATION,
        "if not held.current() or found is None or found.id != file.id:",
        "if False:",
        (INTERLEAVINGS,),
    ),
    Mutant(
        "rename-without-lock",
        "I3: a rename under a lock file that was deleted meanwhile",
        ROTATION,
        "if not held.current() or found is None or found.id != file.id:",
        "if found is None or found.id != file.id:",
        (INTERLEAVINGS,),
    ),
    Mutant(
        "no-look-after-rename",
        "I3: nobody looks whether the right file was renamed",
        ROTATION,
        "if self._ops.stat_path(target).id != file.id:",
        "if False:",
        (INTERLEAVINGS,),
    ),
    Mutant(
        "create-not-exclusive",
        "R5: a log that somebody else has just created is taken for one's own",
        ROTATION,
        "segment = self._open(plan.period, terminator, Opening.NEW)",
        "segment = self._open(plan.period, terminator, Opening.ANY)",
        (INTERLEAVINGS, "simulation"),
    ),
    Mutant(
        "create-in-an-old-period",
        "R5: a process that was stopped before it created the log does not look at the clock again",
        ROTATION,
        "if self._ops.now() >= plan.period.end:",
        "if False:",
        ("simulation",),
    ),
    Mutant(
        "adopt-any-file",
        "R5: the file that was opened is not compared with the one that was decided about",
        ROTATION,
        "if segment.file != seen.file.id:",
        "if False:",
        (INTERLEAVINGS,),
    ),
    Mutant(
        "no-record",
        "R6: the state record is never written",
        ROTATION,
        "        held.write_state(State(segment.file, mtime_ns, segment.period, fingerprint))",
        "        State(segment.file, mtime_ns, segment.period, fingerprint)",
        ("faults/test_schedules.py",),
    ),
    Mutant(
        "record-kept",
        "R6: the record of a removed log is not cleared before its inode is given to a new one",
        ROTATION,
        "            held.clear_state()",
        "            pass",
        ("simulation",),
    ),
    Mutant(
        "failed-rename-forgotten",
        "I7: a rename that failed does not count as a failure",
        ROTATION,
        "plan, failed = replace(plan, action=Action.ADOPT, period=plan.closing), True",
        "plan, failed = replace(plan, action=Action.ADOPT, period=plan.closing), False",
        ("faults/test_rotation_fails.py",),
    ),
    Mutant(
        "no-lease",
        "I6: no writer takes a lease on the log",
        ROTATION,
        "lease=self._options.late_grace > 0,",
        "lease=False,",
        ("faults/test_fork.py",),
    ),
    Mutant(
        "reopen-without-look",
        "I6: a late record's segment is not looked at again after the lease: a sealer may just have unlinked it",
        ROTATION,
        "if self._ops.stat_path(path).id == segment.file and segment.lease():",
        "if segment.lease():",
        (INTERLEAVINGS,),
    ),
    Mutant(
        "reopen-without-lease",
        "I6: a late record is written into a segment that is being sealed",
        ROTATION,
        "if self._ops.stat_path(path).id == segment.file and segment.lease():",
        "if self._ops.stat_path(path).id == segment.file:",
        (INTERLEAVINGS,),
    ),
    Mutant(
        "open-unlocked-without-look",
        "I3: who opens the log without the lock does not look whether it was rotated meanwhile",
        ROTATION,
        "if segment.named() and found is not None and segment.file == found.id:",
        "if found is not None:",
        ("simulation",),
    ),
    # the plan
    Mutant(
        "believe-any-record",
        "a state record of another inode tells the period",
        PLAN,
        "named = state is not None and state.file == file.id",
        "named = state is not None",
        ("unit/test_plan.py",),
    ),
    Mutant(
        "believe-record-of-restored-file",
        "a file that is older than its record is judged by the record",
        PLAN,
        "if named and state is not None and not restored(file, state, seen.now):",
        "if named and state is not None:",
        ("unit/test_plan.py",),
    ),
    Mutant(
        "no-memory",
        "a process does not remember the period of the file that it writes to",
        PLAN,
        "if seen.remembered is not None and seen.remembered[0] == file.id:",
        "if False:",
        ("unit/test_plan.py",),
    ),
    Mutant(
        "memory-of-a-name",
        "a process takes the file under the log's name for the one that it remembers",
        PLAN,
        "if seen.remembered is not None and seen.remembered[0] == file.id:",
        "if seen.remembered is not None:",
        ("unit/test_plan.py",),
    ),
    Mutant(
        "empty-file-by-mtime",
        "an old empty file is a period of its own",
        PLAN,
        "if file.size == 0 and not 0 <= seen.now - file.mtime_ns / 1e9 < _FRESH:",
        "if False:",
        ("unit/test_plan.py",),
    ),
    Mutant(
        "empty-file-always-now",
        "an empty file that was made just before the boundary belongs to the period after it",
        PLAN,
        "if file.size == 0 and not 0 <= seen.now - file.mtime_ns / 1e9 < _FRESH:",
        "if file.size == 0:",
        ("unit/test_plan.py", "simulation"),
    ),
    Mutant(
        "no-riding-out",
        "a small step back of the clock rotates",
        PLAN,
        "period.start > seen.now + grace",
        "period.start > seen.now",
        ("unit/test_plan.py",),
    ),
    Mutant(
        "split-twice",
        "a split is done though another process has done it",
        PLAN,
        "(demand is Demand.SPLIT and seen.file.size >= limit)",
        "demand is Demand.SPLIT",
        ("unit/test_plan.py",),
    ),
    # the lock
    Mutant(
        "lock-without-recheck",
        "the lock file may have been deleted before it was locked",
        LOCK,
        "return found if self.current() else None",
        "return found",
        ("unit/test_lock.py",),
    ),
    Mutant(
        "close-without-unlock",
        "a child between fork and exec keeps the lock",
        LOCK,
        "            self._ops.unlock(fd)\n",
        "            pass\n",
        ("unit/test_lock.py",),
    ),
    Mutant(
        "child-unlocks",
        "a forked child gives up what its parent holds",
        LOCK,
        "            held.abandon()",
        "            held.release()",
        ("faults/test_fork.py",),
    ),
    Mutant(
        "lock-waits",
        "the lock is waited for longer than was asked for",
        LOCK,
        "        deadline = self._ops.monotonic() + wait\n",
        "        deadline = self._ops.monotonic() + wait + 5\n",
        ("unit/test_lock.py",),
    ),
    Mutant(
        "lock-file-unlinked",
        "who releases the lock removes its file",
        LOCK,
        "        finally:\n            held.release()\n",
        "        finally:\n            self._ops.unlink(self.path)\n            held.release()\n",
        ("unit/test_lock.py",),
    ),
    Mutant(
        "lock-not-settled",
        "a lock whose release an exception came before is held for ever",
        LOCK,
        "        if self._held is not None:\n            self._held.release()\n",
        "        return\n",
        ("faults/test_interrupts.py",),
    ),
    Mutant(
        "deleted-lock-unnoticed",
        "nobody looks whether the lock file, with the state record, is still there",
        ACTIVE,
        "(segment.named() and self._lock.unchanged())",
        "segment.named()",
        (INTERLEAVINGS,),
    ),
    Mutant(
        "state-over-anything",
        "P4: the state record is written over somebody's file",
        LOCK,
        "        if not self._ours():\n            raise",
        "        if False:\n            raise",
        ("unit/test_lock.py",),
    ),
    Mutant(
        "every-call-stalls",
        "P3: a lock that is never had is waited for again and again",
        ACTIVE,
        "        self._lock.stalled = True\n",
        "",
        (INTERLEAVINGS, "faults/test_rotation_lock.py"),
    ),
    Mutant(
        "no-checksum",
        "a torn state record is believed",
        STATE,
        "return state if pack(state) == data else None",
        "return state",
        ("unit/test_state.py",),
    ),
    # append
    Mutant(
        "no-guard",
        "a record is glued to the stump of a killed writer",
        APPEND,
        "            self._guard(data, start)\n",
        "            pass\n",
        ("unit/test_append.py",),
    ),
    Mutant(
        "guard-without-proof",
        "the guard does not make sure that its own record stands where it thinks",
        APPEND,
        "if self._ops.read_at(side, len(data), start) == data:",
        "if True:",
        ("unit/test_append.py",),
    ),
    Mutant(
        "short-write-left-open",
        "the part of a record that was written is not ended",
        APPEND,
        "            self._end_fragment(data[:written], end)\n",
        "",
        ("unit/test_append.py",),
    ),
    Mutant(
        "short-write-ended-anywhere",
        "the end of a fragment is written without a look whether the fragment is there",
        APPEND,
        "if self._ops.read_at(side, len(fragment), end - len(fragment)) == fragment:",
        "if True:",
        ("unit/test_append.py",),
    ),
    Mutant(
        "no-append-flag",
        "an existing log is not opened with O_APPEND",
        POSIX,
        "return _lift(_open(path, os.O_WRONLY | os.O_APPEND))",
        "return _lift(_open(path, os.O_WRONLY))",
        ("unit/test_platform.py", "unit/test_append.py"),
    ),
    Mutant(
        "side-of-another-file",
        "the second descriptor may be one of another file",
        APPEND,
        "    if _is(ops, side, file):\n        return side\n",
        "    return side\n",
        ("unit/test_append.py",),
    ),
    Mutant(
        "close-somebody-else's",
        "a number that leads to somebody else's file by now is closed",
        APPEND,
        "if number is not None and number >= 0 and _is(self._ops, number, self.file):",
        "if number is not None and number >= 0:",
        ("unit/test_append.py",),
    ),
    Mutant(
        "child-unlocks-lease",
        "I6: a forked child gives up its parent's lease",
        APPEND,
        "            self._ops.close(side)\n        self.shared = True",
        "            self._ops.unlock(side)\n            self._ops.close(side)\n        self.shared = True",
        ("unit/test_append.py",),
    ),
    # late_grace=0
    Mutant(
        "gate-without-look",
        "late_grace=0: nobody looks whether the log was renamed",
        APPEND,
        "            if not self.named():\n",
        "            if False:\n",
        ("unit/test_append.py",),
    ),
    Mutant(
        "gate-left-open",
        "late_grace=0: a writer does not ask whether the file is just being named",
        APPEND,
        "        if not self._ops.try_lock(gate, False):\n",
        "        if False:\n",
        ("unit/test_append.py",),
    ),
    Mutant(
        "named-while-written",
        "late_grace=0: the segment has its name while somebody writes to it",
        ROTATION,
        "hide=not options.late_grace)",
        "hide=False)",
        ("faults/test_late_grace_zero.py",),
    ),
    # the engine
    Mutant(
        "late-descriptor-closed",
        "the descriptor of the period before is not kept",
        ACTIVE,
        "            self._late.keep(before)\n            return\n",
        "            before.close()\n            return\n",
        ("faults/test_late.py",),
    ),
    Mutant(
        "late-without-end",
        "a kept descriptor takes records after the grace",
        LATE,
        "return segment if now < segment.period.end + self._grace else None",
        "return segment",
        (INTERLEAVINGS,),
    ),
    Mutant(
        "reopened-without-end",
        "a segment is opened for a record that is later than the grace",
        LATE,
        "if monotonic < self._not_before or self._rotation.period(created).end + self._grace <= now:",
        "if monotonic < self._not_before:",
        ("faults/test_late.py",),
    ),
    Mutant(
        "late-never-let-go",
        "what is kept for late records is not closed after the grace",
        ACTIVE,
        "        self._late.expire(now)\n",
        "",
        (INTERLEAVINGS,),
    ),
    Mutant(
        "late-kept-for-rotator",
        "a process with a rotator keeps a descriptor that the rotator waits for",
        ACTIVE,
        "return self._options.late_grace > 0 and self._hooks.rotator() is None",
        "return self._options.late_grace > 0",
        ("faults/test_hooks.py",),
    ),
    Mutant(
        "late-into-compressed",
        "a late record goes to the end of a compressed segment",
        SEGMENTS,
        "return None if found.compression else path",
        "return path",
        ("faults/test_late.py",),
    ),
    Mutant(
        "nameless-in-use",
        "records go on into a file that has no name any more",
        ACTIVE,
        "if mine is None or not mine.intact() or mine.nameless():",
        "if mine is None or not mine.intact():",
        ("faults/test_external.py", "faults/test_rotation_fails.py"),
    ),
    Mutant(
        "look-never",
        "the log's name is looked at once an hour",
        ACTIVE,
        "_LOOK_EVERY = 1.0  #",
        "_LOOK_EVERY = 3600.0  #",
        ("faults/test_external.py",),
    ),
    Mutant(
        "look-put-off",
        "a clock that was set back puts off the next look",
        ACTIVE,
        "if not must and 0 <= now - self._looked < _LOOK_EVERY:",
        "if not must and now - self._looked < _LOOK_EVERY:",
        (INTERLEAVINGS,),
    ),
    Mutant(
        "not-intact",
        "nobody looks whether the descriptor is still the log's",
        ACTIVE,
        "if segment is None or not segment.intact() or segment.shared:",
        "if segment is None or segment.shared:",
        ("faults/test_fork.py",),
    ),
    Mutant(
        "window-without-end",
        "the fast path writes on after the end of the period",
        ACTIVE,
        "return max(float(start), self._looked - _LOOK_EVERY), float(end), look",
        "return max(float(start), self._looked - _LOOK_EVERY), float('inf'), look",
        ("unit/test_timedlogfile.py",),
    ),
    Mutant(
        "window-without-start",
        "the fast path takes late records",
        ACTIVE,
        "return max(float(start), self._looked - _LOOK_EVERY), float(end), look",
        "return float('-inf'), float(end), look",
        ("faults/test_late.py",),
    ),
    Mutant(
        "window-from-start",
        "the fast path takes records that are older than the last look",
        ACTIVE,
        "return max(float(start), self._looked - _LOOK_EVERY), float(end), look",
        "return float(start), float(end), look",
        ("faults", "unit"),
    ),
    Mutant(
        "window-without-look",
        "the fast path does without a look until the end of the period",
        ACTIVE,
        "return max(float(start), self._looked - _LOOK_EVERY), float(end), look",
        "return max(float(start), self._looked - _LOOK_EVERY), float(end), float(end)",
        ("faults/test_external.py",),
    ),
    Mutant(
        "newer-first",
        "a record overtakes those that wait for the disk",
        WRITER,
        "if record is not None and (self._backlog or not self._deliver(*record)):",
        "if record is not None and not self._deliver(*record):",
        ("unit/test_timedlogfile.py", "faults/test_disk_full.py"),
    ),
    Mutant(
        "fast-path-overtakes",
        "the fast path is open while records wait",
        WRITER,
        "(_NEVER, _NEVER, _NEVER) if self._backlog else self._active.window()",
        "self._active.window()",
        ("unit/test_timedlogfile.py", "faults/test_disk_full.py"),
    ),
    Mutant(
        "not-put-back",
        "a waiting record that fails again is gone",
        BACKLOG,
        "                    self.spill.put_back(waiting)",
        "                    pass",
        ("unit/test_backlog.py",),
    ),
    Mutant(
        "loss-not-counted",
        "records are dropped and not counted",
        SPILL,
        "        self.lost += 1\n",
        "",
        ("unit/test_spill.py",),
    ),
    Mutant(
        "not-busy",
        "a record that is made inside the slow path rotates a second time",
        WRITER,
        "            elif self._busy:\n                self._write_meanwhile(data, created)\n",
        "",
        ("faults/test_reentrancy.py", INTERLEAVINGS),
    ),
    Mutant(
        "queued-and-left",
        "a record that was queued at the end of the slow path waits for the next one",
        WRITER,
        "        self._queued = True\n\n    # delivery",
        "\n    # delivery",
        (INTERLEAVINGS,),
    ),
    Mutant(
        "closed-descriptor-is-a-full-disk",
        "a descriptor that somebody closed is not opened anew",
        WRITER,
        "elif not isinstance(error, Incomplete) and self._ops.fault(error) is Fault.CLOSED:",
        "elif False:",
        ("unit/test_timedlogfile.py", "faults/test_fork.py"),
    ),
    # forks
    Mutant(
        "no-fork-hook",
        "nobody is told of a fork",
        FORK,
        "os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)",
        "pass",
        ("unit/test_fork_registry.py",),
    ),
    Mutant(
        "engine-not-registered",
        "the engine is not told of forks",
        WRITER,
        "        fork.register(self)\n",
        "        assert fork\n",
        ("faults/test_fork.py",),
    ),
    Mutant(
        "fork-without-hook-unnoticed",
        "a fork by a C library is not noticed",
        WRITER,
        "if self.process != self._ops.pid():",
        "if False:",
        ("faults/test_fork.py",),
    ),
    Mutant(
        "parent-shares-position",
        "the parent goes on through a position that its child moves",
        ACTIVE,
        "            self.segment.shared = True\n            self._fresh = True\n",
        "            pass\n",
        ("faults/test_fork.py",),
    ),
    Mutant(
        "child-writes-backlog",
        "a child writes the records that wait in its parent",
        WRITER,
        "        self._backlog = Backlog(self.options)\n",
        "",
        ("faults/test_fork.py",),
    ),
    Mutant(
        "lock-not-renewed",
        "a child waits for a thread that it does not have",
        WRITER,
        "        self.lock = self._ops.threads.lock()  # a new one: frames that are under way in this thread release the old one\n",
        "",
        ("faults/test_fork.py",),
    ),
    Mutant(
        "shared-kept-for-late",
        "a descriptor that is shared since a fork is kept for late records",
        ACTIVE,
        "return self._keeps_late() and not before.shared and before.period",
        "return self._keeps_late() and before.period",
        (INTERLEAVINGS,),
    ),
    Mutant(
        "child-keeps-late",
        "I6: a child keeps its parent's late descriptors and their leases",
        ACTIVE,
        "        self._late.close()\n        self._late = LateSegments(self.rotation, self._options.late_grace)\n",
        "",
        ("faults/test_fork.py",),
    ),
    # closed segments
    Mutant(
        "delete-with-lease",
        "a segment is deleted while somebody may write to it",
        RETENTION,
        "        if _free(ops, fd):\n",
        "        if True:\n",
        ("faults/test_retention.py", "simulation"),
    ),
    Mutant(
        "count-by-name",
        "backups are counted in the order of their names as text",
        RETENTION,
        "return [path for _, path, _ in found]",
        "return sorted(path for _, path, _ in found)",
        ("faults/test_retention.py",),
    ),
    Mutant(
        "links-are-segments",
        "P4: a folder or a link with a segment's name is counted and deleted",
        RETENTION,
        " is not None and seen.regular]",
        " is not None]",
        ("faults/test_retention.py",),
    ),
    Mutant(
        "names-in-part",
        "P4: a name that begins like a segment's is one",
        NAMING,
        "match = self._whole.fullmatch(tail)",
        "match = self._whole.match(tail)",
        ("unit/test_naming.py",),
    ),
    Mutant(
        "numbers-from-the-first",
        "numbers that retention has freed are used again, out of order",
        SEGMENTS,
        "return max(taken) + 1",
        "return 0",
        ("faults/test_rotation_fails.py",),
    ),
    Mutant(
        "hand-over-without-lock",
        "a file is handed over while somebody may write to it",
        HANDOVER,
        "        if not ops.try_lock(side, True):\n",
        "        if False:\n",
        ("faults/test_hooks.py", "faults/test_late_grace_zero.py"),
    ),
    Mutant(
        "hand-over-twice",
        "a file that somebody else has handed over while we waited for it is handed over again",
        HANDOVER,
        "        if ops.stat_path(source).id != file:\n",
        "        if False:\n",
        ("faults/test_hooks.py",),
    ),
    Mutant(
        "taken-name-to-rotator",
        "P4: a rotator is given a name that is taken",
        HANDOVER,
        "            if not _exists(ops, target):\n",
        "            if True:\n",
        ("faults/test_hooks.py",),
    ),
    Mutant(
        "source-deleted",
        "a file that the rotator left behind is deleted, whatever is in it",
        HANDOVER,
        "    if ops.stat_path(source).size == 0:\n",
        "    if True:\n",
        ("faults/test_hooks.py",),
    ),
    Mutant(
        "begun-target-forgotten",
        "a rotator that failed half way gets another target",
        HANDOVER,
        "            targets.remember(source, file, target)\n",
        "",
        ("faults/test_hooks.py",),
    ),
)
