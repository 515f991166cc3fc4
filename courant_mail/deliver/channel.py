"""What every way out can do: the protocol between the couriers and SMTP or a Django e-mail backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from .outcomes import Result


@dataclass(frozen=True, slots=True)
class Envelope:
    """
    One message to one recipient.

    `mail_from` (may be empty, RFC 5321 section 4.5.5) and `rcpt_to` are addresses in Unicode as their owners spell
    them; the channel makes the wire form. `data` is the finished RFC 5322 message with CRLF line ends only, not
    dot-stuffed.
    """

    mail_from: str
    rcpt_to: str
    data: bytes


class Channel(ABC):
    """
    One open way out, used by one thread at a time.

    The order is `open`, then for each message `prepare` and, when that returned None, `finish` or `abandon`; at the
    end `close`. None of them raises for what a server or a network can do: that is a `Result`. To write another
    channel, implement the five methods and keep `is_open` and `used` true; nothing else is looked at.
    """

    #: whether the next message may go through this channel without opening it again
    is_open: bool = False
    #: messages accepted since the channel was opened
    used: int = 0

    @abstractmethod
    def open(self) -> Result | None:
        """
        Make the channel ready for messages and set `used` to 0. None: it is open.

        A Result (RELAY_TROUBLE, MISCONFIGURED or THROTTLED) says why it could not be opened; it is closed then.
        """

    @abstractmethod
    def prepare(self, envelope: Envelope) -> Result | None:
        """
        Everything up to, and not including, the final dot. None: the message is ready, nothing is in doubt yet.

        A Result says that the message ended here; `is_open` says whether the channel lives on.
        """

    @abstractmethod
    def finish(self, following: Envelope | None = None) -> Result:
        """
        Send the final dot of the prepared message and read the reply.

        With `following`, the next message that will be given to `prepare`, a channel may begin that one in the same
        breath. Whatever the result: if the channel is still open, nothing but `prepare(following)`, `abandon` or
        `close` may come next.

        IN_DOUBT when the dot may have gone out and no clear reply came. A loss that was noticed before the dot left
        is RELAY_TROUBLE.
        """

    @abstractmethod
    def abandon(self) -> None:
        """Give up the prepared message without the dot: the relay cannot have accepted it. Closes the channel hard."""

    @abstractmethod
    def close(self) -> None:
        """Say goodbye (QUIT) and close, quickly. Does nothing on a closed channel."""
