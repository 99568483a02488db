"""Survey tools that send us signed answers."""
