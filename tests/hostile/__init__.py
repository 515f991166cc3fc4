"""
Hostile and odd input, through every door and all the way to an SMTP server.

What a single part refuses is tested beside that part (`tests/compose`, `tests/deliver`, `tests/test_addresses.py` …);
here is what must hold for the whole.
"""
