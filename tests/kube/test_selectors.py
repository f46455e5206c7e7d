"""Selectors: every spelling says what Kubernetes says it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.kube import selectors
from rollouts.kube.errors import BadRequest
from rollouts.kube.selectors import FieldSelector, LabelSelector, Operator, Requirement

LABELS = {"app": "shop", "tier": "web", "n": "7", "a.io/b": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app=shop", True),
        ("app == shop , tier!=db", True),
        ("app=shop,tier=db", False),
        ("absent!=x", True),
        ("absent=x", False),
        ("app in (shop, other)", True),
        ("app notin (shop)", False),
        ("absent notin (shop)", True),
        ("app", True),
        ("!app", False),
        ("!absent", True),
        ("n>6,n<8", True),
        ("n>7", False),
        ("app>1", False),
        ("a.io/b=", True),
        ("a.io/b in (,x)", True),
    ],
)
def test_string_selectors(text: str, matches: bool) -> None:
    assert selectors.parse_labels(text).matches(LABELS) is matches


@pytest.mark.parametrize(
    "text",
    [
        "=x",
        "a b",
        "a in x",
        "a in (x",
        "a in (x y)",
        "a=b=c",
        "a=b,",
        "a>x",
        "-a",
        "a=-b",
        "!",
        "a/b/c=d",
        "é=x",
    ],
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        selectors.parse_labels(text)


def test_the_object_form() -> None:
    selector = selectors.from_object(
        {
            "matchLabels": {"app": "shop"},
            "matchExpressions": [
                {"key": "tier", "operator": "NotIn", "values": ["db"]},
                {"key": "n", "operator": "Exists"},
                {"key": "x", "operator": "DoesNotExist"},
            ],
        }
    )
    assert selector.matches(LABELS)
    assert not selector.matches({**LABELS, "x": ""})
    assert str(selector) == "app=shop,tier!=db,n,!x"


def test_absent_matches_nothing_and_empty_matches_everything() -> None:
    assert not selectors.from_object(None).matches(LABELS)
    assert selectors.from_object({}).matches(LABELS)
    assert selectors.from_object({}).matches(None)
    assert not selectors.from_map({}).matches(LABELS)
    assert selectors.from_map({"app": "shop"}).matches(LABELS)


@pytest.mark.parametrize(
    "expression",
    [
        {"key": "a", "operator": "Like", "values": ["b"]},
        {"key": "a", "operator": "In"},
        {"key": "a", "operator": "Exists", "values": ["b"]},
    ],
)
def test_a_wrong_expression_is_refused(expression: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        selectors.from_object({"matchExpressions": [expression]})


names = st.from_regex(r"[a-z]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True).filter(
    lambda name: name not in ("in", "notin")
)
values = st.from_regex(r"[A-Za-z0-9]{0,4}", fullmatch=True)
some_values = st.lists(values, min_size=1, max_size=3).map(lambda v: tuple(sorted(set(v))))
requirements = st.one_of(
    st.builds(Requirement, names, st.sampled_from([Operator.IN, Operator.NOT_IN]), some_values),
    st.builds(Requirement, names, st.sampled_from([Operator.EXISTS, Operator.NOT_EXISTS])),
    st.builds(
        Requirement,
        names,
        st.sampled_from([Operator.GREATER, Operator.LESS]),
        st.integers(-9, 99).map(lambda n: (str(n),)),
    ),
)


@given(st.lists(requirements, max_size=4).map(tuple))
def test_what_is_formatted_parses_to_the_same(found: tuple[Requirement, ...]) -> None:
    selector = LabelSelector(found)
    assert selectors.parse_labels(str(selector)) == selector


def test_field_selectors() -> None:
    pod = {"metadata": {"name": "a"}, "spec": {"nodeName": "n1", "hostNetwork": True}}
    for text, matches in {
        "": True,
        "metadata.name=a": True,
        "metadata.name==a,spec.nodeName!=n2": True,
        "spec.nodeName=": False,
        "status.phase=": True,
        "spec.hostNetwork=true": True,
        "metadata.name!=a": False,
    }.items():
        assert selectors.parse_fields(text).matches_object(pod) is matches, text


@given(st.lists(st.tuples(names, st.text(max_size=6), st.booleans()), max_size=3))
def test_field_values_survive_escaping(terms: list[tuple[str, str, bool]]) -> None:
    selector = FieldSelector(tuple(selectors.FieldRequirement(*term) for term in terms))
    assert selectors.parse_fields(str(selector)) == selector


@pytest.mark.parametrize("text", ["a", "=b", "a=b\\", "a=b,c"])
def test_field_nonsense_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        selectors.parse_fields(text)
