"""Prefect tasks: thin, named for operators."""
