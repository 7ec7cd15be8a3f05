"""JSON piece by piece: values of a long list one after another, and the way back in after a broken one."""

from __future__ import annotations

import json
import re
from typing import IO, Any

from mosaic_assets.csquares.readers.records import MAX_RECORD_CHARACTERS, Lost, excerpt

RECORD_SEPARATOR = "\x1e"
"""Begins each text of a sequence (RFC 8142)."""

_PIECE = 1 << 20
_DECODER = json.JSONDecoder()
_BLANK = re.compile(rf"[ \t\n\r{RECORD_SEPARATOR}]*")
_MARK = re.compile(r'["{}\[\]]')
_IN_STRING = re.compile(r'"|\\.', re.DOTALL)
_PLAIN = re.compile(r"(?=[,\]}])")


def decode(text: str, start: int) -> tuple[Any, int]:
    """Return the JSON value that begins at a position, and where it ends.

    Raises
    ------
    Lost
        It is not JSON, or nested too deeply.

    Examples
    --------
    >>> decode('[1] {"a": NaN}', 4)
    ({'a': nan}, 14)
    """
    try:
        return _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        near = text[max(error.pos - 20, 0) : error.pos + 20]
        raise Lost(f"it is not JSON: {error.msg} near {excerpt(near)}; mend it there") from error
    except RecursionError:
        raise Lost("it is nested too deeply to be a footprint; expected a GeoJSON Feature") from None
    except ValueError as error:  # a number of thousands of digits
        raise Lost(f"it is not JSON that can be read: {error}") from error


class JsonText:
    """A text of JSON values that is read as it is needed and forgotten as it is used.

    Examples
    --------
    >>> import io
    >>> text = JsonText(io.StringIO('[{"a": 1}, {"b": }, 3]'))
    >>> text.take("["), text.value(), text.take(",")
    (True, {'a': 1}, True)
    >>> text.skip()
    >>> text.take(","), text.value(), text.take("]"), text.peek()
    (True, 3, True, '')
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._text, self._at = stream, "", 0

    def peek(self) -> str:
        """Return the next character that is not blank; empty at the end."""
        while True:
            match = _BLANK.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self, wanted: str) -> bool:
        """Go past the next character if it is the wanted one."""
        found = self.peek() == wanted
        self._at += found
        return found

    def value(self) -> Any:
        """Return the next value and go past it. Raises `Lost`, and stays where it was."""
        self.peek()
        while True:
            try:
                found, end = decode(self._text, self._at)
            except Lost as lost:
                if self._is_broken(lost) or not self._more():
                    raise
            else:
                # What ends where the piece does may be the beginning of a longer number.
                if self._text[end : end + 1] not in ("", ".", "e", "E") or not self._more():
                    self._at = end
                    return found

    def skip(self) -> None:
        """Go past an element that is not JSON: to the bracket that closes it, else to the next comma. Raises `Lost`."""
        if self.peek() not in ("{", "["):
            self._go_past(_PLAIN)
            return
        depth = 0
        while True:
            mark = self._go_past(_MARK)
            if mark == '"':
                while self._go_past(_IN_STRING) != '"':
                    pass
            else:
                depth += 1 if mark in "{[" else -1
            if depth == 0:
                return

    def _go_past(self, pattern: re.Pattern[str]) -> str:
        """Go past the next match, forgetting what is before it; raise `Lost` at the end of the text."""
        while not (match := pattern.search(self._text, self._at)):
            # Half of an escaped character stays, unless it is the second half of one.
            self._at = max(self._at, len(self._text) - self._text.endswith("\\"))
            if not self._more():
                raise Lost("the file ends within it, or it lacks a bracket or quote; mend the file there")
        self._at = match.end()
        return match[0]

    def _more(self) -> bool:
        """Read on, forgetting what was used; False at the end. What is held at least doubles, so few tries are needed."""
        held = self._text[self._at :]
        if len(held) > MAX_RECORD_CHARACTERS:
            raise Lost(f"it has more than {MAX_RECORD_CHARACTERS:,} characters; expected fewer: simplify the outline")
        piece = self._stream.read(max(_PIECE, len(held)))
        self._text, self._at = held + piece, 0
        return bool(piece)

    def _is_broken(self, lost: Lost) -> bool:
        """Whether a text is no JSON, whatever follows; it may only have been read half."""
        cause = lost.__cause__
        if not isinstance(cause, json.JSONDecodeError):
            return True
        # A text in half of a string, number or word is at fault near its end.
        return not cause.msg.startswith("Unterminated string") and cause.pos + 16 < len(self._text)
