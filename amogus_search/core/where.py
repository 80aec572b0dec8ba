"""`--where` expressions: comparisons joined by `and`, `or`, `not` and parentheses, made into SQL with parameters.

Nothing the user typed becomes SQL: column names are looked up in a table that the caller gives, operators in
one that stands here, and every value is a parameter.

    width >= 1000 and (format = JPEG or path like %holiday%)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from amogus_search.core.comparisons import Column as Column
from amogus_search.core.comparisons import Value as Value
from amogus_search.core.comparisons import compare
from amogus_search.errors import UsageError


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int


_TOKEN = re.compile(
    r"""\s*(?:
        (?P<operator><=|>=|!=|<>|==|=|<|>)
      | (?P<bracket>[()])
      | (?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*")
      | (?P<word>[^\s()<>=!'"]+)
    )""",
    re.VERBOSE,
)
_OPERATORS = {"=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_LOGIC = ("and", "or", "not")
_MAX_DEPTH = 50
"""Brackets within brackets; more is a mistake, and would exhaust Python's stack."""


def compile_where(text: str, columns: Mapping[str, Column]) -> tuple[str, tuple[Value, ...]]:
    r"""An SQL condition with `?` placeholders, and the values for them.

    `like` ignores the case of ASCII letters; % stands for any text, _ for one character, and \ before
    one of them means the character itself. Text that is not a single word is written in quotes.

    Raises:
        UsageError: the expression cannot be read, or names an unknown column; the message points at the place.
    """
    return _Parser(text, columns).parse()


class _Parser:
    """Recursive descent: or < and < not < comparison."""

    def __init__(self, text: str, columns: Mapping[str, Column]) -> None:
        self._text = text
        self._columns = columns
        self._tokens = self._split()
        self._position = 0
        self._depth = 0
        self._values: list[Value] = []

    def parse(self) -> tuple[str, tuple[Value, ...]]:
        sql = self._any()
        if self._peek().kind != "end":
            raise self._error("expected 'and', 'or' or the end", self._peek())
        return sql, tuple(self._values)

    def _split(self) -> list[_Token]:
        tokens, position = [], 0
        end = len(self._text.rstrip())
        while position < end:
            match = _TOKEN.match(self._text, position)
            if match is None or match.lastgroup is None:
                start = position + len(self._text[position:]) - len(self._text[position:].lstrip())
                raise self._error("cannot read this", _Token("end", "", start))
            kind = match.lastgroup
            tokens.append(_Token(kind, match[kind], match.start(kind)))
            position = match.end()
        return [*tokens, _Token("end", "", end)]

    def _any(self) -> str:
        parts = [self._all()]
        while self._take_word("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"

    def _all(self) -> str:
        parts = [self._one()]
        while self._take_word("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else f"({' AND '.join(parts)})"

    def _one(self) -> str:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(f"more than {_MAX_DEPTH} brackets within each other", self._peek())
        try:
            if self._take_word("not"):
                return f"NOT {self._one()}"
            if self._peek().text == "(" and self._peek().kind == "bracket":
                return self._bracket()
            return self._comparison()
        finally:
            self._depth -= 1

    def _bracket(self) -> str:
        opened = self._next()
        inner = self._any()
        if self._peek().text != ")" or self._peek().kind != "bracket":
            raise self._error("this bracket is never closed", opened)
        self._next()
        return f"({inner})"

    def _comparison(self) -> str:
        column = self._column()
        token = self._next()
        operator = _OPERATORS.get(token.text) if token.kind == "operator" else token.text.lower()
        if operator is None or (token.kind != "operator" and (token.kind, operator) != ("word", "like")):
            raise self._error("expected one of = != < <= > >= like", token)
        if operator == "like" and not column.is_text:  # said of the operator, whatever follows
            self._compared(column, operator, "", token)
        value = self._next()
        if value.kind not in ("word", "quoted"):
            raise self._error("expected a value", value)
        return self._compared(column, operator, _unquoted(value), value)

    def _compared(self, column: Column, operator: str, text: str, at: _Token) -> str:
        try:
            sql, values = compare(column, operator, text)
        except ValueError as error:
            raise self._error(str(error), at) from None
        self._values += values
        return sql

    def _column(self) -> Column:
        token = self._next()
        if token.kind != "word" or token.text.lower() in _LOGIC:
            raise self._error(f"expected a column: {', '.join(self._columns)}", token)
        name = token.text.lower()
        if name not in self._columns:
            near = get_close_matches(name, self._columns, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise self._error(f"unknown column {token.text!r}{meant} (there are {', '.join(self._columns)})", token)
        return self._columns[name]

    def _peek(self) -> _Token:
        return self._tokens[self._position]

    def _next(self) -> _Token:
        token = self._tokens[self._position]
        self._position = min(self._position + 1, len(self._tokens) - 1)
        return token

    def _take_word(self, word: str) -> bool:
        token = self._peek()
        if token.kind == "word" and token.text.lower() == word:
            self._next()
            return True
        return False

    def _error(self, problem: str, token: _Token) -> UsageError:
        before, after = self._text[: token.start], self._text[token.start :]
        return UsageError(
            f"--where: {problem}, at character {token.start + 1}: {before}>>>{after}",
            "write comparisons like: width >= 1000 and (format = JPEG or path like %holiday%)",
        )


def _unquoted(token: _Token) -> str:
    text = token.text
    return text[1:-1].replace(text[0] * 2, text[0]) if token.kind == "quoted" else text
