"""The engine: a log file that is rotated by the clock, without a word of `logging`."""
