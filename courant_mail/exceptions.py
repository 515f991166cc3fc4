"""What can go wrong, split by what the caller should do next."""

from __future__ import annotations


class CourantMailError(Exception):
    """The root of all errors of this package."""


class InvalidMail(CourantMailError, ValueError):
    """The words, headers or attachments cannot become a mail. Mend the mail; trying again does not help."""


class InvalidAddress(InvalidMail):
    """The text is not an e-mail address. Drop the recipient or mend the address."""


class InvalidFile(CourantMailError, ValueError):
    """The uploaded file is not what it should be. The text is for the person who uploaded it, and names the fix."""


class ImproperlyConfiguredMail(CourantMailError):
    """A setting is wrong. The text names the setting and its fix; `manage.py check` says the same."""


class UnknownSource(CourantMailError, LookupError):
    """No recipient source is registered under this name."""


class WrongState(CourantMailError):
    """The job or message is in a state that does not allow this. Nothing was changed."""


class WordsChanged(WrongState):
    """The words or the audience of a draft are not those that were looked at. Look again, then decide."""


class ClaimLost(CourantMailError):
    """This sender was declared dead and its claims went to others. It must stop without finishing what it holds."""


class AlreadyRunning(CourantMailError):
    """The same command is running on this host; this run leaves it the work."""


class BadToken(CourantMailError):
    """The token of a link was not made by this site. Answer 404 and say no more."""
