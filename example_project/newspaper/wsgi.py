"""The WSGI application of the example newspaper."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "newspaper.settings")
application = get_wsgi_application()
