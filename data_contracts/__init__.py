"""What may cross our border: one pydantic model per payload and row."""
