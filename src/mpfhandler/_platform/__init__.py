"""The operating system behind one table of named operations."""

from .current import OPERATIONS
from .patience import Patience
from .table import Fault, FileId, FileStat, Joinable, Lock, Operations, Signal, Threads
from .threads import SYSTEM_THREADS, THREADS, forks_unannounced, threads_run_freely

__all__ = [
    "OPERATIONS",
    "SYSTEM_THREADS",
    "THREADS",
    "Fault",
    "FileId",
    "FileStat",
    "Joinable",
    "Lock",
    "Operations",
    "Patience",
    "Signal",
    "Threads",
    "forks_unannounced",
    "threads_run_freely",
]
