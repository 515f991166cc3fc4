"""How each of these programs begins and ends."""

from __future__ import annotations

import json
from typing import Any


def begin() -> None:
    """Start Django with the settings of the environment."""
    import django

    django.setup()


def tell(measured: Any) -> None:
    """Hand over what was measured."""
    print(json.dumps(measured))
