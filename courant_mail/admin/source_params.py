"""The parameters of recipient sources, as an editor gives them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from .. import sources
from ..exceptions import InvalidMail


def check_params(name: str, params: Mapping[str, Any]) -> None:
    """Raises InvalidMail, which says what the source takes, when it cannot be called with these parameters."""
    function = sources.get(name).recipients
    try:
        inspect.signature(function).bind(**params)
    except TypeError as error:
        raise InvalidMail(
            _("The source cannot be called with these parameters (%(why)s). It takes: %(takes)s")
            % {"why": error, "takes": describe(name)}
        ) from None
    except ValueError:  # a function written in C, which does not tell
        return


def describe(name: str) -> str:
    """What the source takes, in one line."""
    return ", ".join(_described(name)) or _("nothing")


def _described(name: str) -> Iterator[str]:
    try:
        signature = inspect.signature(sources.get(name).recipients)
    except ValueError:
        return
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        kind = _kind(parameter.annotation)
        shown = f'"{parameter.name}"' + (f" ({kind})" if kind else "")
        yield shown if parameter.default is parameter.empty else _("perhaps %(parameter)s") % {"parameter": shown}


def _kind(annotation: Any) -> str:
    """What an editor may write for a parameter of this type; nothing where that cannot be told."""
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return {"int": _("a number"), "float": _("a number"), "str": _("a text"), "bool": "true / false"}.get(name, "")
