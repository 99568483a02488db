"""What became of messages, as those who deliver them tell it."""
