"""Voicebots: one call to one number."""
