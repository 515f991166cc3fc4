"""
Mail to many people from a Django site, without making anyone wait.

Where to find what, in the order of reading:

- `api`, `backend`, `admin`, `views`, `management.commands`: the faces that sites, editors and sysadmins see
- `models`: the tables; `choices`: their statuses and which may follow which
- `queue`: the only code that changes the state of jobs and messages, one module per change
- `engine`: the one place that puts the steps in order: rescue, expand, claim, render, deliver, record
- `compose`: words to finished bytes; `deliver`: bytes to relays
- `conf`, `exceptions`, `signals`, `sources`, `addresses`, `tokens`, `locks`: what everybody may use
- `testing`: for a site's own tests
"""

__version__ = "0.1.0"
