"""The page of a simulation: one file that needs nothing else, for a browser or a printer."""
