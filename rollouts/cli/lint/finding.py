"""What lint has to say: one finding per problem, and where it is.

Owns the line that is printed. Knows neither YAML nor kinds. Used by all of this package.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Severity(StrEnum):
    """An error fails the run of lint; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class Place(NamedTuple):
    """A line and a column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem. ``object`` is kind and name, ``path`` the field within it."""

    file: str
    place: Place
    severity: Severity
    path: str
    message: str
    object: str = ""

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        line, column = self.place
        # One line each, whatever was quoted from the file.
        message = self.message.replace("\n", "\\n")
        return f"{self.file}:{line}:{column}: {self.severity}: {where}{message}"
