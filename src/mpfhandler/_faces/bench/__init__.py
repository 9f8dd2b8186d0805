"""The benchmark: handlers side by side, in short rounds that alternate.

`command` (arguments, verdict) → `session` (what is measured, in which order) → one module for each measurement: `rounds`
(throughput, latency), `syscalls`, `stall`, `cost`, `stages`, `imports`. `contender`, `handlers` and `peers` are who is compared,
`crew` the processes that log. What was found is `results`; `ratios` and `tables` are made of it, and nothing else.
"""
