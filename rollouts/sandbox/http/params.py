"""Query parameters and DeleteOptions, decoded into the options of the API server's verbs.

Owns names, types and the errors about them; what an option means is decided behind. Pure.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from rollouts.kube.api import Obj
from rollouts.kube.errors import BadRequest, Invalid
from rollouts.sandbox.options import (
    DeleteOptions,
    FieldValidation,
    ListOptions,
    Options,
    WatchOptions,
)

Query = Mapping[str, str]
_TRUE: Final = frozenset({"1", "t", "T", "true", "True", "TRUE", ""})
_FALSE: Final = frozenset({"0", "f", "F", "false", "False", "FALSE"})
_PROPAGATION: Final = ("Foreground", "Background", "Orphan")


def flag(query: Query, name: str) -> bool:
    """A boolean parameter: absent is false, present without a value is true."""
    text = query.get(name, "false")
    if text not in _TRUE | _FALSE:
        raise BadRequest(f'strconv.ParseBool: parsing "{text}": invalid syntax ({name})')
    return text in _TRUE


def number(query: Query, name: str) -> int:
    """A whole parameter; absent or empty is 0."""
    text = query.get(name, "")
    try:
        return int(text) if text else 0
    except ValueError:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax ({name})') from None


def list_options(query: Query) -> ListOptions:
    return ListOptions(
        labels=query.get("labelSelector", ""),
        fields=query.get("fieldSelector", ""),
        limit=number(query, "limit"),
        continue_token=query.get("continue", ""),
        resource_version=query.get("resourceVersion", ""),
        resource_version_match=query.get("resourceVersionMatch", ""),
    )


def watch_options(query: Query, default_timeout: float) -> WatchOptions:
    """``default_timeout`` in seconds, for a client that names none."""
    return WatchOptions(
        labels=query.get("labelSelector", ""),
        fields=query.get("fieldSelector", ""),
        resource_version=query.get("resourceVersion", ""),
        resource_version_match=query.get("resourceVersionMatch", ""),
        timeout_seconds=float(number(query, "timeoutSeconds") or default_timeout),
        allow_bookmarks=flag(query, "allowWatchBookmarks"),
        send_initial_events=flag(query, "sendInitialEvents"),
    )


def write_options(query: Query, user_agent: str) -> Options:
    """Options of a write. Without a field manager it is the program's name, as servers do."""
    validation = query.get("fieldValidation") or "Warn"
    if validation not in {"Ignore", "Warn", "Strict"}:
        raise Invalid(
            f'fieldValidation: Unsupported value: "{validation}": '
            'supported values: "Ignore", "Strict", "Warn"'
        )
    return Options(
        dry_run=_dry_run(query.get("dryRun", "")),
        field_validation=cast("FieldValidation", validation),
        field_manager=query.get("fieldManager") or user_agent.partition("/")[0],
    )


def delete_options(query: Query, body: Obj | None) -> tuple[DeleteOptions, bool]:
    """From the body when there is one, else from the query; and whether it is a dry run."""
    options: Obj = dict(body or {})
    options.setdefault("propagationPolicy", query.get("propagationPolicy", ""))
    if "gracePeriodSeconds" not in options and query.get("gracePeriodSeconds"):
        options["gracePeriodSeconds"] = number(query, "gracePeriodSeconds")
    propagation = options["propagationPolicy"] or ""
    if not propagation and options.get("orphanDependents") is not None:
        propagation = "Orphan" if options["orphanDependents"] else "Background"
    if propagation and propagation not in _PROPAGATION:
        raise Invalid(
            f'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: '
            f'"{propagation}": supported values: '
            + ", ".join(f'"{one}"' for one in (*_PROPAGATION, "nil"))
        )
    preconditions: Mapping[str, Any] = options.get("preconditions") or {}
    dry_run = ",".join(options.get("dryRun") or []) or query.get("dryRun", "")
    decoded = DeleteOptions(
        propagation=propagation,
        uid=preconditions.get("uid") or "",
        resource_version=preconditions.get("resourceVersion") or "",
        grace_period_seconds=options.get("gracePeriodSeconds"),
    )
    return decoded, _dry_run(dry_run)


def _dry_run(text: str) -> bool:
    if text not in {"", "All"}:
        raise Invalid(f'dryRun: Unsupported value: "{text}": supported values: "All"')
    return text == "All"
