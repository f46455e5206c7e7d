"""Get, list and watch.

Owns resource versions as clients send them, pages and their continue tokens, selectors, and the
errors of asking for the past or the future. Never writes. Called by ``apiserver.ApiServer``.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from rollouts.kube.api import Obj
from rollouts.kube.errors import ApiError, BadRequest, Gone, Invalid, ServerError
from rollouts.kube.selectors import parse_fields, parse_labels
from rollouts.sandbox.core import Core, check_verb
from rollouts.sandbox.fields import checked_fields
from rollouts.sandbox.objects import meta
from rollouts.sandbox.options import ListOptions, WatchOptions
from rollouts.sandbox.registry import ResourceInfo
from rollouts.sandbox.revisions import Compacted, Key
from rollouts.sandbox.watching import Watch

Match = Callable[[Obj], bool]

_TOO_OLD_TO_CONTINUE = (
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)
_INCONSISTENT = -1


class ContinueExpired(Gone):
    """The 410 of an old page; it carries a token that goes on with what is there now."""

    def __init__(self, token: str) -> None:
        super().__init__(_TOO_OLD_TO_CONTINUE)
        self.token = token

    @property
    def status(self) -> dict[str, Any]:
        return {**super().status, "metadata": {"continue": self.token}}


def selection(info: ResourceInfo, labels: str, fields: str) -> Match | None:
    """One test for both selectors, or None where everything matches.

    Raises BadRequest when one cannot be read or names a field this type does not select by.
    """
    wanted = parse_labels(labels)
    where = parse_fields(fields)
    value_of = checked_fields(info, where)
    if not wanted and not where:
        return None

    def matches(obj: Obj) -> bool:
        return wanted.matches(meta(obj).get("labels")) and where.matches(
            lambda field: value_of(obj, field)
        )

    return matches


def revision_of(text: str) -> int:
    """A client's resourceVersion as a number; 0 where it has none. Raises BadRequest."""
    if not text:
        return 0
    if not text.isascii() or not text.isdigit():
        raise BadRequest(
            f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return int(text)


def expired(past: Compacted) -> Gone:
    return Gone(f"too old resource version: {past.asked} ({past.oldest})")


@dataclass(frozen=True, slots=True)
class Reader:
    """The reading half of the API server."""

    core: Core

    def get(self, info: ResourceInfo, namespace: str | None, name: str) -> Obj:
        check_verb(info, "get")
        return self.core.shown(info, self.core.find(info, namespace, name))

    def page(self, info: ResourceInfo, namespace: str | None, options: ListOptions) -> Obj:
        """One page of objects, in the order of namespace and name."""
        check_verb(info, "list")
        _check_match(options.resource_version, options.resource_version_match, options)
        matches = selection(info, options.labels, options.fields)
        revision, start, found = self._from(info, namespace, options)
        kept: list[Obj] = []
        next_start: Key | None = None
        left = 0
        for key, obj in found:
            if start is not None and key <= start:
                continue
            if options.limit and len(kept) >= options.limit:
                left += 1
                continue
            shown = self.core.shown(info, obj)
            if matches is None or matches(shown):
                kept.append(shown)
                next_start = key
        last = next_start if left else None
        return _page(info, kept, revision, last, left if matches is None else None)

    def _from(
        self, info: ResourceInfo, namespace: str | None, options: ListOptions
    ) -> tuple[int, Key | None, list[tuple[Key, Obj]]]:
        """The revision of a list, where its page starts, and all objects at that revision."""
        store, bucket = self.core.store, info.bucket
        scope = namespace or None if info.resource.namespaced else None
        if options.continue_token:
            revision, start = _decoded(options.continue_token)
            if revision == _INCONSISTENT:
                return store.revision, start, store.items(bucket, scope)
            try:
                return revision, start, store.items_at(bucket, revision, scope)
            except Compacted:
                raise ContinueExpired(_encoded(_INCONSISTENT, start)) from None
        asked = revision_of(options.resource_version)
        self.check_future(asked)
        if options.resource_version_match == "Exact":
            try:
                return asked, None, store.items_at(bucket, asked, scope)
            except Compacted as past:
                raise expired(past) from None
        return store.revision, None, store.items(bucket, scope)

    def check_future(self, asked: int) -> None:
        """Raises 504 for a revision the store has not reached."""
        current = self.core.store.revision
        if asked <= current:
            return
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        raise ServerError(
            f"Timeout: Too large resource version: {asked}, current: {current}",
            code=504,
            reason="Timeout",
            retry_after=1,
            details={"causes": [cause]},
        )

    def watch(self, info: ResourceInfo, namespace: str | None, options: WatchOptions) -> Watch:
        """Changes from a revision on. Everything that can be refused is refused here, at once."""
        check_verb(info, "watch")
        _check_watch(options)
        matches = selection(info, options.labels, options.fields)
        asked = revision_of(options.resource_version)
        self.check_future(asked)
        scope = namespace or None if info.resource.namespaced else None
        if asked and not options.send_initial_events:
            try:
                self.core.store.after(info.bucket, asked)
            except Compacted as past:
                raise expired(past) from None
        first = not asked if not options.send_initial_events else True
        return Watch(self.core, info, scope, matches, options, revision=asked, initial=first)


def _page(
    info: ResourceInfo, items: list[Obj], revision: int, last: Key | None, left: int | None
) -> Obj:
    """``last``: the key this page ended with, if more follow; ``left``: how many, if known."""
    metadata: Obj = {"resourceVersion": str(revision)}
    if last is not None:
        metadata["continue"] = _encoded(revision, last)
        # With a selector nobody knows how many of the rest would match.
        if left is not None:
            metadata["remainingItemCount"] = left
    return {
        "kind": info.kind_of_list,
        "apiVersion": info.resource.api_version,
        "metadata": metadata,
        "items": items,
    }


def _encoded(revision: int, last: Key) -> str:
    token = {"v": "meta.k8s.io/v1", "rv": revision, "start": f"{last.namespace}/{last.name}"}
    return base64.urlsafe_b64encode(orjson.dumps(token)).decode().rstrip("=")


def _decoded(token: str) -> tuple[int, Key]:
    try:
        body = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, slash, name = body["start"].partition("/")
        if not slash or body["v"] != "meta.k8s.io/v1":
            raise ValueError(token)
        return int(body["rv"]), Key(namespace, name)
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError):
        raise BadRequest(
            "continue key is not valid: the token was not made by this server"
        ) from None


def _check_match(version: str, match: str, options: ListOptions) -> None:
    if not match:
        return
    if match not in ("Exact", "NotOlderThan"):
        raise _options_invalid("resourceVersionMatch", f'Unsupported value: "{match}"')
    if options.continue_token:
        raise _options_invalid(
            "resourceVersionMatch", "Forbidden: resourceVersionMatch is forbidden with continue"
        )
    if not version:
        raise _options_invalid(
            "resourceVersionMatch",
            "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        )
    if match == "Exact" and version == "0":
        raise _options_invalid(
            "resourceVersionMatch",
            'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        )


def _check_watch(options: WatchOptions) -> None:
    match = options.resource_version_match
    if options.send_initial_events:
        if match != "NotOlderThan":
            raise _options_invalid(
                "resourceVersionMatch",
                "Forbidden: sendInitialEvents requires setting resourceVersionMatch to "
                "NotOlderThan",
            )
    elif match:
        raise _options_invalid(
            "resourceVersionMatch",
            "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is "
            "provided",
        )


def _options_invalid(field: str, message: str) -> ApiError:
    return Invalid(
        f'ListOptions.meta.k8s.io "" is invalid: {field}: {message}',
        details={
            "group": "meta.k8s.io",
            "kind": "ListOptions",
            "causes": [{"reason": "FieldValueForbidden", "message": message, "field": field}],
        },
    )
