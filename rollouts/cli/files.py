"""Objects from files, read as strictly as ``lint`` reads them.

Owns the refusal of what an API server would silently drop: a misspelt field is an error at its line
and column. Which kinds are wanted is the verb's business. Used by ``create`` and ``analyze``.
"""

from collections.abc import Iterable, Iterator

from rollouts.cli.common import FailedError
from rollouts.cli.lint.command import texts
from rollouts.cli.lint.documents import Document, UnreadableError, read
from rollouts.cli.lint.schema import unknown_fields


def documents(names: Iterable[str]) -> Iterator[Document]:
    """The documents of files, folders and (``-``) standard input. Raises FailedError."""
    for file, text in texts(names):
        try:
            yield from read(file, text)
        except UnreadableError as error:
            line, column = error.place
            raise FailedError(f"{file}:{line}:{column}: {error}") from None


def refuse_misspelt(document: Document) -> None:
    """Raises FailedError for a value others read differently, no name, or an unknown field.

    For objects of our own kinds.
    """
    obj = document.obj
    for flaw in document.flaws:
        line, column = flaw.place
        raise FailedError(f"{document.file}:{line}:{column}: {flaw.path}: {flaw.message}")
    meta = obj.get("metadata")
    if not isinstance(meta, dict) or not (meta.get("name") or meta.get("generateName")):
        line, column = document.place("metadata")
        raise FailedError(f"{document.file}:{line}:{column}: metadata.name: Required value")
    for refusal in unknown_fields(obj):
        line, column = document.place(refusal.path, key=refusal.unknown)
        raise FailedError(f"{document.file}:{line}:{column}: {refusal.path}: {refusal.message}")
