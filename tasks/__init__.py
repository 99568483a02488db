"""Prefect tasks: thin, named for operators, retry policy in one place."""
