"""What the local SMTP server has written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

JOURNAL = "journal.jsonl"


def read_journal(maildir: Path) -> list[dict[str, Any]]:
    """
    The lines of the journal, oldest first: dicts with "event", "at" (Unix time) and "recipient".

    Events are "accepted" (then also "position", from 1, "sender" and "file"), "refused for now" and "refused for
    good". A line that is being written right now is left out.
    """
    try:
        text = (maildir / JOURNAL).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].split("\n") if line]
