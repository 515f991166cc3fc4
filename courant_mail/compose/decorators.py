"""The hook for apps that rewrite a mail before it is compiled: tracking, a footer, a campaign's parameters."""

from __future__ import annotations

from .words import Decorator, Words

_registry: list[Decorator] = []


def register(decorator: Decorator) -> Decorator:
    """Have the function rewrite the words of every mail from now on; a second time changes nothing. A decorator too."""
    if decorator not in _registry:
        _registry.append(decorator)
    return decorator


def unregister(decorator: Decorator) -> None:
    """Leave the words alone again. Raises ValueError when the decorator is not registered."""
    _registry.remove(decorator)


def registered() -> tuple[Decorator, ...]:
    """The registered decorators, in the order in which they are applied."""
    return tuple(_registry)


def decorate(words: Words, decorators: tuple[Decorator, ...]) -> Words:
    """The words after all decorators, each of which sees what the one before it has made."""
    for decorator in decorators:
        words = decorator(words)
    return words
