"""Text message providers: one message to one number."""
