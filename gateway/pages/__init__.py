"""The operators' pages: plain HTML made here, without a script and without anything from elsewhere.

GET and HEAD only show. Whatever changes something is a POST with the token of the page it came from.
"""
