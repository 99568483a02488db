"""Mail providers: one message to one address."""
