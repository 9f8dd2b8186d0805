"""One module for each resource: the rotation lock, an open segment, the fork registry, the spill buffer, the debug file."""
