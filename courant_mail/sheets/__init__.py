"""
Files that people exchange with spreadsheet programs: CSV in, in whatever encoding and with whatever separator it
comes, and CSV out, in which no cell can become a formula.
"""

from .decode import MAX_FILE_BYTES
from .headings import Column
from .recipients import Line, RecipientSheet
from .writing import as_written, csv_bytes, csv_text

__all__ = ["MAX_FILE_BYTES", "Column", "Line", "RecipientSheet", "as_written", "csv_bytes", "csv_text"]
