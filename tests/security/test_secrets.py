"""Threat: the value of a Secret, or a Secret of somebody else, gets out of a measurement."""

import base64
import json
import subprocess
import sys
from urllib.parse import quote, quote_plus

import pytest

from analysis.spec import Argument
from rollouts.controllers.run_secrets import SecretsMissing, read_secrets
from rollouts.kube.errors import NotFound
from rollouts.kube.resources import SECRETS
from tests.security.leak import CONDITIONS, TOKENS, providers

ISSUED = "canary-access-token-0123456789"
CUT = 12  # characters of a token's beginning that give it away


def spellings(token: str) -> set[str]:
    raw = token.encode()
    return {
        token,
        token[:CUT],
        quote(token),
        quote(token, safe=""),
        quote_plus(token),
        json.dumps(token)[1:-1],
        json.dumps(json.dumps(token))[3:-3],
        repr(token)[1:-1],
        raw.hex(),
        *(base64.b64encode(before + raw).decode()[8:-4] for before in (b"", b"u:", b"user:")),
        *(base64.urlsafe_b64encode(before + raw).decode()[8:-4] for before in (b"", b"me:")),
    }


@pytest.fixture(scope="module")
def left():
    """What a whole controller leaves behind after measuring with Secrets in every possible place."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-m", "tests.security.leak"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    return {**found, "logs": done.stderr}


@pytest.mark.timeout(120)
def test_the_story_has_happened(left):
    ways = len(providers("", "")) + 1 + len(CONDITIONS)
    assert left["runs"] == ways * len(TOKENS)
    assert left["heard"] > 30, "the Secret was really sent where the metrics say"
    runs = [o for o in left["objects"] if o["kind"] == "AnalysisRun"]
    masked = [run["metadata"]["name"] for run in runs if "*****" in json.dumps(run["status"])]
    assert len(masked) > len(runs) / 2
    assert any(o["kind"] == "Event" for o in left["objects"])
    assert "analysis_run" in left["metrics"]
    assert "measured" in left["logs"]


@pytest.mark.parametrize("where", ["objects", "metrics", "logs"])
@pytest.mark.parametrize("token", [*TOKENS.values(), ISSUED], ids=[*TOKENS, "issued"])
def test_no_spelling_of_a_token_is_anywhere(left, where, token):
    parts = left[where] if where == "objects" else left[where].splitlines()
    for spelling in spellings(token):
        leaks = [part for part in parts if spelling in json.dumps(part, ensure_ascii=False)]
        leaks += [part for part in parts if spelling in str(part)]
        assert not leaks, f"{spelling[:60]!r} in {str(leaks[0])[:2000]}"


# --- whose Secret ---


class Api:
    """Has Secrets in two namespaces; remembers what it was asked for."""

    def __init__(self):
        self.asked = []

    async def get(self, resource, name, namespace):
        assert resource == SECRETS
        self.asked.append((namespace, name))
        if (namespace, name) != ("team", "creds"):
            raise NotFound(f'secrets "{name}" not found')
        return {"data": {"key": base64.b64encode(b"value").decode()}}


def argument(name, key="key"):
    ref = {"secretKeyRef": {"name": name, "key": key}}
    return Argument.model_validate({"name": "a", "valueFrom": ref})


async def test_a_secret_is_read_beside_its_run():
    assert await read_secrets(Api(), "team", [argument("creds")]) == {"a": "value"}
    with pytest.raises(SecretsMissing, match='secrets "creds" not found in namespace other'):
        await read_secrets(Api(), "other", [argument("creds")])


@pytest.mark.parametrize(
    "name",
    [
        "other/creds",
        "../other/creds",
        "..%2Fother%2Fcreds",
        "/api/v1/namespaces/other/secrets/creds",
        "creds/../../other/secrets/creds",
        "creds?namespace=other",
        "creds#",
        "creds\n",
        "creds\x00",
        ".",
        "..",
        "",
        "CREDS",
        "crеds",
        "a" * 300,
    ],
)
async def test_a_name_cannot_lead_elsewhere(name):
    api = Api()
    with pytest.raises(SecretsMissing, match="is not valid"):
        await read_secrets(api, "team", [argument(name)])
    assert api.asked == []


async def test_a_key_is_only_a_key():
    for key in ("../key", "key/../key", "__class__", "", "KEY"):
        with pytest.raises(SecretsMissing, match="does not exist"):
            await read_secrets(Api(), "team", [argument("creds", key)])
