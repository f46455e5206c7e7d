"""The Common Expression Language, as Kubernetes uses it in x-kubernetes-validations.

Owns parsing, type checking and bounded evaluation of one expression (``program.compile_program``).
It knows no schema, no CRD and no API error: ``rollouts.sandbox.crd.rules`` brings those. Nothing
here is imported before the first rule of a CRD is loaded.
"""
