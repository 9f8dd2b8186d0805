"""The operating system behind one table of named operations."""

from .current import OPERATIONS
from .table import Fault, FileId, FileStat, Joinable, Lock, Operations, Threads

__all__ = ["OPERATIONS", "Fault", "FileId", "FileStat", "Joinable", "Lock", "Operations", "Threads"]
