"""
The way out: relays, the SMTP conversation, replies and what they mean, pacing arithmetic. No database in here.

Read in the order `outcomes`, `channel`, `smtp`, `django_backend`, `relays`, `courier`, `pacing`.
"""
