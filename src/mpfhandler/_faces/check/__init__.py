"""The self-test: real processes log into a folder, some are killed, then every acknowledged record is looked for.

`command` (arguments, table, verdict) → `conductor` (starts, kills, restarts) → `worker` (its own process), and after
them `verify`, which shares no code with the handler. `line` and `ledger` are what the processes have in common.
"""
