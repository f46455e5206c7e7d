"""What is to be analysed: templates, arguments and secrets become the spec of one run.

Owns which objects of the files are meant, how arguments are given, and that a secret never stands
on a command line: it comes from a file, from the environment or from a Secret's manifest. Refuses,
in words that name the remedy, what cannot be run as it is. How templates become a spec is
``analysis.templates``' business. Used by ``analyze``.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from analysis import args
from analysis.decode import decode
from analysis.measure import Given
from analysis.plan import RunPlan, SpecError, plan_run
from analysis.providers.base import ProviderError
from analysis.redact import Redactor
from analysis.spec import (
    Argument,
    RunSpec,
    SecretKeyRef,
    TemplateRef,
    TemplateSpec,
    ValueFrom,
)
from analysis.templates import TemplateError, collect, run_spec
from rollouts.cli.common import FailedError
from rollouts.cli.files import documents, refuse_misspelt
from rollouts.kube.api import Obj
from rollouts.kube.resources import ANALYSIS_RUNS, ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES

_TEMPLATES: Final = {ANALYSIS_TEMPLATES.kind: False, CLUSTER_ANALYSIS_TEMPLATES.kind: True}
_OURS: Final = frozenset({*_TEMPLATES, ANALYSIS_RUNS.kind})

_WORD: Final = 6  # characters
_Spec = TypeVar("_Spec", TemplateSpec, RunSpec)
SecretData = Mapping[str, Mapping[str, str]]
"""Decoded text by Secret and key."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked for. ``plain`` and ``secret``: arguments by name; ``secret`` values are
    never shown. ``templates``, ``metrics``: names; none of them means all there are.
    """

    templates: Sequence[str] = ()
    metrics: Sequence[str] = ()
    plain: Mapping[str, str] = field(default_factory=dict)
    secret: Mapping[str, str] = field(default_factory=dict, repr=False)
    prometheus: str = ""


@dataclass(frozen=True, slots=True)
class FileSecrets:
    """Secrets that stand in the files, for providers that look for their own credentials."""

    data: SecretData = field(repr=False)

    async def of_run(self, name: str) -> Mapping[str, str]:
        return self._get(name)

    async def of_controller(self, name: str, usual: str) -> Mapping[str, str]:  # noqa: ARG002 - the seam
        return self._get(name)

    def _get(self, name: str) -> Mapping[str, str]:
        if name not in self.data:
            raise ProviderError(
                f"Secret '{name}' is not among the files; add its manifest: "
                f"kubectl get secret {name} -o yaml | rollouts analyze -f - ..."
            )
        return self.data[name]


@dataclass(frozen=True, slots=True)
class Material:
    """One run, ready to be driven. ``spec`` holds no secret, ``given`` holds them all."""

    name: str
    namespace: str
    spec: RunSpec
    plan: RunPlan
    given: Given = field(repr=False)
    secrets: FileSecrets = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Files:
    """What the files hold, in their order."""

    templates: Mapping[tuple[str, bool], TemplateSpec]
    runs: Mapping[str, tuple[str, RunSpec]]
    secrets: SecretData = field(repr=False)

    def find(self, ref: TemplateRef) -> TemplateSpec | None:
        return self.templates.get((ref.template_name, ref.cluster_scope))


def load(names: Sequence[str], wanted: Wanted) -> Material:
    """Raises FailedError for what cannot be read, put together or run."""
    files = _read(names)
    refs, runs = _chosen(files, wanted.templates)
    if runs:
        name, (namespace, spec) = runs[0], files.runs[runs[0]]
        declared = list(spec.args)
    else:
        name, namespace = "-".join(ref.template_name for ref in refs), ""
        declared = _declared(files, refs)
    arguments = _arguments(declared, wanted, files.secrets)
    if runs:
        spec = spec.model_copy(update={"args": arguments, "terminate": False})
    else:
        spec = _merged(files, refs, arguments)
    spec = _on_server(spec, wanted.prometheus)
    plan, spec = _planned(spec, wanted.metrics)
    given = _given(spec.args, wanted, files.secrets)
    return Material(name, namespace, spec, plan, given, FileSecrets(files.secrets))


# --- files ----------------------------------------------------------------------------------------


def _read(names: Sequence[str]) -> _Files:
    templates: dict[tuple[str, bool], TemplateSpec] = {}
    runs: dict[str, tuple[str, RunSpec]] = {}
    secrets: dict[str, Mapping[str, str]] = {}
    for document in documents(names):
        obj = document.obj
        kind = obj.get("kind")
        if kind == "Secret" and obj.get("apiVersion") == "v1":
            secrets[_name(obj)] = _secret(obj)
            continue
        if kind not in _OURS or obj.get("apiVersion") != ANALYSIS_RUNS.api_version:
            continue  # files often hold the Rollout and its Services as well
        refuse_misspelt(document)
        if kind in _TEMPLATES:
            key = (_name(obj), _TEMPLATES[kind])
            if key in templates:
                raise FailedError(f"{document.file}: {kind} {key[0]} is there twice")
            templates[key] = _decoded(TemplateSpec, obj)
        else:
            namespace = str(obj["metadata"].get("namespace") or "")
            runs[_name(obj)] = (namespace, _decoded(RunSpec, obj))
    if not templates and not runs:
        raise FailedError(
            "the files hold no AnalysisTemplate, ClusterAnalysisTemplate or AnalysisRun"
        )
    return _Files(templates, runs, secrets)


def _decoded(model: type[_Spec], obj: Obj) -> _Spec:
    spec, problems = decode(model, obj.get("spec"), at="spec")
    if problems:
        raise FailedError(f"{obj['kind']} {_name(obj)}: {problems[0]}")
    return spec


def _name(obj: Obj) -> str:
    meta = obj.get("metadata") or {}
    return str(meta.get("name") or str(meta.get("generateName", "")).rstrip("-"))


def _secret(obj: Obj) -> dict[str, str]:
    """Decoded text by key. Raises FailedError, which never repeats a value."""
    found: dict[str, str] = {}
    for key, text in (obj.get("data") or {}).items():
        try:
            found[key] = base64.b64decode(str(text), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise FailedError(f"Secret {_name(obj)}: data.{key} is not text in base64") from None
    return found | {key: str(text) for key, text in (obj.get("stringData") or {}).items()}


def _chosen(files: _Files, names: Sequence[str]) -> tuple[list[TemplateRef], list[str]]:
    """The templates to run, or the AnalysisRun."""
    if names:
        return _named(files, names)
    included = {
        (ref.template_name, ref.cluster_scope)
        for template in files.templates.values()
        for ref in template.templates
    }
    roots = [key for key in files.templates if key not in included] or list(files.templates)
    if len(roots) + len(files.runs) > 1:
        candidates = ", ".join([*(name for name, _ in roots), *files.runs])
        raise FailedError(f"the files hold several: choose with --template among {candidates}")
    return [_ref(key) for key in roots], list(files.runs)


def _named(files: _Files, names: Sequence[str]) -> tuple[list[TemplateRef], list[str]]:
    refs: list[TemplateRef] = []
    for name in names:
        key = (name, False) if (name, False) in files.templates else (name, True)
        if key in files.templates:
            refs.append(_ref(key))
        elif name in files.runs and len(names) == 1:
            return [], [name]
        else:
            known = ", ".join([*(known for known, _ in files.templates), *files.runs])
            raise FailedError(f"no template '{name}' in the files, which hold: {known}")
    return refs, []


def _ref(key: tuple[str, bool]) -> TemplateRef:
    return TemplateRef(template_name=key[0], cluster_scope=key[1])


# --- arguments ------------------------------------------------------------------------------------


def _declared(files: _Files, refs: Sequence[TemplateRef]) -> list[Argument]:
    try:
        return args.union([template.args for template in collect(refs, files.find)])
    except (args.ArgsError, TemplateError) as error:
        raise FailedError(_with_remedy(error)) from None


def _with_remedy(error: Exception) -> str:
    return (
        f"{error} among the files: add its file with -f"
        if "not found" in str(error)
        else (str(error))
    )


def _arguments(declared: Sequence[Argument], wanted: Wanted, secrets: SecretData) -> list[Argument]:
    """Each declared argument as the run carries it; one that is secret only as a reference."""
    names = {argument.name for argument in declared}
    for name in (*wanted.plain, *wanted.secret):
        if name not in names:
            known = ", ".join(sorted(names)) or "none"
            raise FailedError(f"the templates have no argument '{name}'; they have: {known}")
    made = [_argument(argument, wanted, secrets) for argument in declared]
    missing = [argument.name for argument in made if argument == Argument(name=argument.name)]
    if missing:
        flags = " ".join(f"--arg {name}=VALUE" for name in missing)
        raise FailedError(f"arguments without a value: {', '.join(missing)}; give them: {flags}")
    return made


def _argument(argument: Argument, wanted: Wanted, secrets: SecretData) -> Argument:
    name = argument.name
    ref = argument.value_from.secret_key_ref if argument.value_from else None
    if name in wanted.secret:
        return _reference(name, ref or SecretKeyRef(name="given", key=name))
    if name in wanted.plain:
        if ref is not None and argument.value is None:
            raise FailedError(
                f"argument '{name}' comes from a Secret; {_secret_remedy(name)}, "
                "so that it does not stand on the command line"
            )
        return Argument(name=name, value=wanted.plain[name])
    if argument.value is not None:
        return Argument(name=name, value=argument.value)
    if ref is None:
        return Argument(name=name)
    if ref.key not in secrets.get(ref.name, {}):
        raise FailedError(
            f"argument '{name}' comes from key '{ref.key}' of Secret '{ref.name}'; "
            f"{_secret_remedy(name)}, or add the Secret's manifest with -f"
        )
    return _reference(name, ref)


def _reference(name: str, ref: SecretKeyRef) -> Argument:
    return Argument(name=name, value_from=ValueFrom(secret_key_ref=ref))


def _secret_remedy(name: str) -> str:
    return f"give it with --arg-file {name}=PATH or --arg-env {name}=VARIABLE"


def _given(arguments: Iterable[Argument], wanted: Wanted, secrets: SecretData) -> Given:
    real = dict(wanted.secret)
    for argument in arguments:
        ref = argument.value_from.secret_key_ref if argument.value_from else None
        if ref is not None and argument.name not in real:
            real[argument.name] = secrets[ref.name][ref.key]
    # A Secret also holds words such as a region, which are no secrets and occur in any text.
    others = (text for data in secrets.values() for text in data.values())
    hidden = [*real.values(), *(text for text in others if len(text) >= _WORD)]
    return Given(args.values(list(arguments), real), Redactor.of(hidden))


# --- the run --------------------------------------------------------------------------------------


def _merged(files: _Files, refs: Sequence[TemplateRef], arguments: Sequence[Argument]) -> RunSpec:
    try:
        return run_spec(refs, files.find, arguments=arguments)
    except (args.ArgsError, TemplateError) as error:
        raise FailedError(str(error)) from None


def _on_server(spec: RunSpec, url: str) -> RunSpec:
    """All Prometheus metrics asked of the server at ``url``, where one is given."""
    if not url:
        return spec

    def moved(provider: Any) -> Any:
        config = provider.prometheus
        if config is None:
            return provider
        return provider.model_copy(
            update={"prometheus": config.model_copy(update={"address": url})}
        )

    metrics = [
        metric.model_copy(update={"provider": moved(metric.provider)}) for metric in spec.metrics
    ]
    return spec.model_copy(update={"metrics": metrics})


def _planned(spec: RunSpec, only: Sequence[str]) -> tuple[RunPlan, RunSpec]:
    try:
        plan = plan_run(spec)
    except SpecError as error:
        raise FailedError(str(error)) from None
    names = [metric.name for metric in plan.metrics]
    for name in only:
        if name not in names:
            raise FailedError(f"there is no metric '{name}'; there are: {', '.join(names)}")
    if not only:
        return plan, spec
    kept = tuple(metric for metric in plan.metrics if metric.name in only)
    spec = spec.model_copy(update={"metrics": [metric.source for metric in kept]})
    return replace(plan, metrics=kept), spec
