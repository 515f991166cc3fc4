"""The tests of courant_mail; `runtests.py` runs them."""
