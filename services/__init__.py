"""The use cases, free of Prefect."""
