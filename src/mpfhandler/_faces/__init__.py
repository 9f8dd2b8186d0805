"""Thin faces on the engine: the logging handler and the command line."""
