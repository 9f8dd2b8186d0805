"""The commands that read a log: which files it has, what they say, whether they are sound.

Programs of their own beside the handler: they look at the files as any user would, change nothing, and do not need the log's
processes to be alive.
"""
