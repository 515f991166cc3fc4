"""
Senders killed, frozen and ended at random moments, through relays that misbehave, on every database; and the audit.

`python -m torture --help`. Read in the order `command`, `campaign`, `battle`, `children`, `relay`, `audit`, `report`.
"""
