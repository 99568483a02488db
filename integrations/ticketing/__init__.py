"""Ticket desks: a customer's case, its notes and its status."""
