"""The HTTP door: webhooks in, health and metrics out."""
