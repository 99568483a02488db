"""Pure rules and values: no I/O, no clock, no environment; time is an argument."""
