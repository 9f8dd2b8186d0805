"""The operating system behind one table of named operations."""

from .current import OPERATIONS
from .table import Fault, FileId, FileStat, Operations

__all__ = ["OPERATIONS", "Fault", "FileId", "FileStat", "Operations"]
