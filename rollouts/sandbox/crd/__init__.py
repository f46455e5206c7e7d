"""Custom resources of the embedded API server.

``load`` turns a CustomResourceDefinition into a ``CustomType`` or refuses it; a ``VersionSchema``
prunes, defaults, validates and publishes objects of one version. Nothing here stores objects or
speaks HTTP: the API server of this room does.
"""

from rollouts.sandbox.crd.causes import Cause, Reason, refusal
from rollouts.sandbox.crd.definition import CustomType, load
from rollouts.sandbox.crd.version import PrinterColumn, ScalePaths, VersionSchema

__all__ = [
    "Cause",
    "CustomType",
    "PrinterColumn",
    "Reason",
    "ScalePaths",
    "VersionSchema",
    "load",
    "refusal",
]
