"""All findings of a set of files.

Owns the order of checks, which of two findings about one thing is shown, and what makes a file
fail. Reads nothing itself: texts are handed in. Used by the command. Pure.
"""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from analysis.decode import decode
from analysis.spec import RunSpec
from rollouts.cli.lint import meaning, schema
from rollouts.cli.lint.documents import Document, UnreadableError, read
from rollouts.cli.lint.finding import Finding, Place, Severity
from rollouts.kube.api import Obj

_MOST: Final = 100  # findings about one document; after these nobody reads on
_MEASURING: Final = ("AnalysisTemplate", "ClusterAnalysisTemplate", "AnalysisRun")


@dataclass(frozen=True, slots=True)
class Report:
    """``files`` and ``documents`` count what was read."""

    findings: tuple[Finding, ...]
    files: int
    documents: int

    def count(self, severity: Severity) -> int:
        return sum(1 for finding in self.findings if finding.severity is severity)

    @property
    def failed(self) -> bool:
        return self.count(Severity.ERROR) > 0

    @property
    def summary(self) -> str:
        read_ = f"{_several(self.documents, 'object')} in {_several(self.files, 'file')}"
        errors = _several(self.count(Severity.ERROR), "error")
        return f"{read_}: {errors}, {_several(self.count(Severity.WARNING), 'warning')}"

    def to_obj(self) -> Obj:
        return {
            "files": self.files,
            "objects": self.documents,
            "errors": self.count(Severity.ERROR),
            "warnings": self.count(Severity.WARNING),
            "findings": [
                {
                    "file": one.file,
                    "line": one.place.line,
                    "column": one.place.column,
                    "severity": str(one.severity),
                    "object": one.object,
                    "path": one.path,
                    "message": one.message,
                }
                for one in self.findings
            ],
        }


def lint(texts: Iterable[tuple[str, str]], *, strict_references: bool = False) -> Report:
    """Judge files, given as (name, text). Findings come in the order of the files' lines."""
    findings: list[Finding] = []
    documents: list[Document] = []
    files: list[str] = []
    for file, text in texts:
        files.append(file)
        try:
            for document in read(file, text):
                documents.append(document)  # noqa: PERF402 - those before an unreadable one count
        except UnreadableError as error:
            findings.append(Finding(file, error.place, Severity.ERROR, "", str(error)))
    known = meaning.Known()
    twins = [(document, known.add(document.obj)) for document in documents]
    for document, twin in twins:
        found = sorted(set(_judged(document, known, strict_references)), key=lambda f: f.place)
        findings += found[:_MOST]
        if len(found) > _MOST:
            text = f"and {len(found) - _MOST} more findings about this object"
            findings.append(_finding(document, "", text, severity=Severity.WARNING))
        if twin is not None:
            text = f"{_name(document)} is given twice: whichever is applied last counts"
            findings.append(_finding(document, "metadata.name", text, severity=Severity.WARNING))
    order = {file: index for index, file in enumerate(files)}
    findings.sort(key=lambda finding: (order[finding.file], finding.place))
    return Report(tuple(findings), len(files), len(documents))


def _judged(document: Document, known: meaning.Known, strict: bool) -> Iterator[Finding]:
    for flaw in document.flaws:
        yield _finding(document, flaw.path, flaw.message, place=flaw.place)
    obj = document.obj
    head = _head(document)
    if head is not None:
        yield head
    elif schema.is_ours(obj):
        refusals = list(schema.refusals(obj))
        own = list(_measured(document))
        if not any(refusal.mistyped for refusal in refusals):
            own += _meant(document, known, strict)
        yield from own
        errors = {one.path for one in own if one.severity is Severity.ERROR}
        for refusal in refusals:
            # What the controller says of a field, or of a part of it, is more to the point.
            if refusal.unknown or not any(_within(path, refusal.path) for path in errors):
                place = document.place(refusal.path, key=refusal.unknown)
                yield _finding(document, refusal.path, refusal.message, place=place)


def _head(document: Document) -> Finding | None:
    """Whether it is an object at all, and of a kind that may be meant to be ours."""
    if not isinstance(document.value, dict):
        return _finding(document, "", "must be an object with apiVersion and kind")
    obj = document.obj
    for field in ("apiVersion", "kind"):
        if not isinstance(obj.get(field), str) or not obj[field]:
            return _finding(document, field, "Required value")
    group, _, _ = obj["apiVersion"].rpartition("/")
    if group != schema.GROUP or schema.is_ours(obj):
        return None
    kind = obj["kind"]
    if kind in schema.KINDS:
        text = f'Unsupported value: "{obj["apiVersion"]}": {kind} is in {schema.API_VERSION}'
        return _finding(document, "apiVersion", text)
    near = difflib.get_close_matches(kind, schema.KINDS, n=1, cutoff=0.85)
    if near:
        return _finding(document, "kind", f'unknown kind "{kind}", did you mean "{near[0]}"?')
    return None


def _meant(document: Document, known: meaning.Known, strict: bool) -> Iterator[Finding]:
    obj: Any = document.obj
    match obj["kind"]:
        case "Rollout":
            remarks = meaning.rollout_remarks(obj, known)
        case "Experiment":
            remarks = meaning.experiment_remarks(obj, known)
        case "AnalysisRun":
            return
        case _:
            remarks = meaning.reference_remarks(obj, "templates", known)
    for remark in remarks:
        severity = Severity.WARNING if remark.missing and not strict else Severity.ERROR
        yield _finding(document, remark.path, remark.message, severity=severity)


def _measured(document: Document) -> Iterator[Finding]:
    kind, spec = document.obj["kind"], document.obj.get("spec")
    if kind not in _MEASURING:
        return
    from rollouts.cli.lint import metrics  # the condition language: 40 ms a Rollout does not need

    decoded, problems = decode(RunSpec, spec, at="spec")
    for problem in problems:
        yield _finding(document, problem.path, problem.message)
    includes = isinstance(spec, dict) and bool(spec.get("templates"))
    unread = {problem.path for problem in problems}
    for flaw in metrics.check_spec(decoded, complete=not includes, unread=unread):
        place = None if flaw.offset is None else document.within(flaw.path, flaw.offset)
        yield _finding(document, flaw.path, flaw.message, place=place, severity=flaw.severity)


def _finding(
    document: Document,
    path: str,
    message: str,
    *,
    place: Place | None = None,
    severity: Severity = Severity.ERROR,
) -> Finding:
    where = place or document.place(path)
    return Finding(document.file, where, severity, path, message, _name(document))


def _name(document: Document) -> str:
    meta = document.obj.get("metadata")
    name = meta.get("name") if isinstance(meta, dict) else ""
    return f"{document.obj.get('kind') or '?'}/{name or '?'}"


def _within(path: str, other: str) -> bool:
    """Whether ``path`` is ``other`` or a part of it."""
    return path == other or path.startswith((f"{other}.", f"{other}["))


def _several(count: int, thing: str) -> str:
    return f"{count} {thing}" + ("" if count == 1 else "s")
