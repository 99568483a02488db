"""The outside world: ports, and one file per vendor and capability."""
