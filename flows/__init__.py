"""Prefect flows: one file, one flow."""
