"""
The editor's desk in a real browser: the system's Chromium visits the example newspaper, which runs as a real site.

Site, commands and SMTP server are processes of their own with a database of their own (`site.py`), so nothing here
touches the database of the tests, and one database is enough: these tests run with those on SQLite.
"""
