"""The sandbox: an embedded stand-in for outside systems (CRM, ticketing, mail, SMS, voice, alerts).

A program of its own, `python -m handrail.sandbox`. It stands for somebody else's system, so of Handrail it knows
nothing but the domain's words.
"""
