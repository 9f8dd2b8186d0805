"""Decisions: schedule, names, state, plan. Nothing here reads a clock, a path of the machine or a descriptor."""
