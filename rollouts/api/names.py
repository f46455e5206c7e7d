"""Kubernetes' rules for names, label keys and label values, with Kubernetes' own messages.

Pure; each function gives the complaint, or None where there is none. Used by validation.
"""

import re
from typing import Final

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_PORT_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")

_LABEL_RULE: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_QUALIFIED_RULE: Final = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_SUBDOMAIN_RULE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_VALUE_RULE: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value', "
    " or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def dns_label(text: str) -> str | None:
    """Names of containers, volumes and Services."""
    if len(text) > 63:
        return "must be no more than 63 characters"
    return None if _LABEL.fullmatch(text) else _LABEL_RULE


def dns_subdomain(text: str) -> str | None:
    """Names of most objects."""
    if len(text) > 253:
        return "must be no more than 253 characters"
    return None if _SUBDOMAIN.fullmatch(text) else _SUBDOMAIN_RULE


def label_key(text: str) -> str | None:
    """Keys of labels and annotations: an optional domain, a slash, a name."""
    prefix, slash, name = text.rpartition("/")
    if slash and (not prefix or len(prefix) > 253 or not _SUBDOMAIN.fullmatch(prefix)):
        return "prefix part must be a lowercase RFC 1123 subdomain"
    if len(name) > 63:
        return "name part must be no more than 63 characters"
    if not name:
        return "name part must be non-empty"
    return None if _QUALIFIED.fullmatch(name) else f"name part {_QUALIFIED_RULE}"


def label_value(text: str) -> str | None:
    """Values of labels."""
    if len(text) > 63:
        return "must be no more than 63 characters"
    return None if not text or _QUALIFIED.fullmatch(text) else _VALUE_RULE


def port_name(text: str) -> str | None:
    """Names of container ports."""
    if len(text) > 15:
        return "must be no more than 15 characters"
    if not _PORT_NAME.fullmatch(text):
        return (
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-), and must "
            "start and end with an alphanumeric character"
        )
    if "--" in text:
        return "must not contain consecutive hyphens"
    return None if re.search("[a-z]", text) else "must contain at least one letter (a-z)"
