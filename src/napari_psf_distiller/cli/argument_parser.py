"""An argument parser whose errors are the program's own, and which knows what was nearly meant."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from napari_psf_distiller.cli.examples import EXAMPLES
from napari_psf_distiller.errors import InputError

__all__ = ["Parser"]

EXAMPLES_HEAD = "examples:"

# From 0 to 1: how like a word must be what was typed, to be asked for.
LIKE_ENOUGH = 0.6


class _Formatter(argparse.HelpFormatter):
    """Leaves the lines of the examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith(EXAMPLES_HEAD):
            return "\n".join(indent + line for line in text.splitlines())
        return super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """A parser of arguments: its errors are raised, and ask what was meant by a word it has not.

    Parameters
    ----------
    **keywords
        As argparse has them.
    """

    def __init__(self, **keywords: Any) -> None:
        super().__init__(formatter_class=_Formatter, **keywords)

    def show_examples(self, command: str) -> None:
        """End the help with the examples of a command; "" is the program itself."""
        lines = [f"  {example}" for example in EXAMPLES[command]]
        self.epilog = "\n".join([EXAMPLES_HEAD, *lines])

    def error(self, message: str) -> NoReturn:
        """Leave wrong arguments to the program, as every other error."""
        raise InputError(f"{message} (see {self.prog} --help)")

    def parse_args(  # type: ignore[override]  # it makes its own namespace
        self, args: Sequence[str] | None = None
    ) -> argparse.Namespace:
        """Parse arguments, and say of an option that there is not what was nearly meant."""
        given = list(sys.argv[1:] if args is None else args)
        found, unknown = self.parse_known_args(given)
        if not unknown:
            return found
        part = self._asked_part(given)
        option = next((word for word in unknown if word.startswith("-")), None)
        if option is None:
            part.error(f"unrecognized arguments: {' '.join(unknown)}")
        name = option.partition("=")[0]
        part.error(f"there is no option {name}{_meant(name, part.option_names)}")

    @property
    def option_names(self) -> list[str]:
        """The long names of its options."""
        return [name for name in self._option_string_actions if name.startswith("--")]

    def _asked_part(self, given: Sequence[str]) -> Parser:
        """Return the parser of the command that was given."""
        part = self
        for word in given:
            commands = part._commands()
            if word in commands:
                part = commands[word]
        return part

    def _commands(self) -> dict[str, Parser]:
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return dict(action.choices)
        return {}

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a value that is not among the choices, and say which was nearly meant."""
        if action.choices is None or value in action.choices:
            return
        choices = list(dict.fromkeys(map(str, action.choices)))
        # Of commands argparse would name all that there are as the argument's name.
        named = None if isinstance(action, argparse._SubParsersAction) else action
        raise argparse.ArgumentError(
            named,
            f"invalid choice: {str(value)!r}{_meant(str(value), choices)}; choose from "
            f"{', '.join(choices)}",
        )


def _meant(word: str, known: Iterable[str]) -> str:
    """Return the question whether a known word was meant, if one is like it; else ""."""
    like = difflib.get_close_matches(word, list(known), n=1, cutoff=LIKE_ENOUGH)
    return f": did you mean {like[0]}?" if like else ""
