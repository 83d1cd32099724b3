"""The files of deploy/: what Ray, KubeRay and bash themselves say of them."""

from __future__ import annotations

import copy
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ray.autoscaler._private.util import prepare_config, validate_config
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def content_of(name: str) -> dict[str, Any]:
    content: dict[str, Any] = YAML(typ="safe").load((DEPLOY / name).read_text())
    return content


@pytest.mark.parametrize("name", ["aws.yaml", "hosts.yaml"])
def test_rays_launcher_takes_the_file(name: str) -> None:
    validate_config(prepare_config(content_of(name)))
    with pytest.raises(jsonschema.ValidationError):
        validate_config(prepare_config({**content_of(name), "max_wrokers": 3}))


def test_no_trial_runs_on_the_head_and_all_else_is_spot() -> None:
    types = content_of("aws.yaml")["available_node_types"]
    assert types["head"]["resources"] == {"CPU": 0}
    assert "InstanceMarketOptions" not in types["head"]["node_config"]
    assert types["spot"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert types["spot"]["min_workers"] >= 1, "a search begins only where a machine can run a trial"


def test_kuberay_takes_the_manifest() -> None:
    schema = json.loads((ROOT / "tests" / "helpers" / "kuberay_raycluster.json").read_text())
    manifest = content_of("kuberay.yaml")
    jsonschema.validate(manifest, schema)
    (group,) = manifest["spec"]["workerGroupSpecs"]
    for broken in ({"groupNmae": "x"}, {"maxReplicas": "eight"}):
        wrong = copy.deepcopy(manifest)
        wrong["spec"]["workerGroupSpecs"][0] |= broken
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
    pod = group["template"]["spec"]
    *_, seconds = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert int(seconds) < pod["terminationGracePeriodSeconds"], "it would be cut off"


@pytest.mark.parametrize("name", ["kuberay.yaml", "Dockerfile"])
def test_the_files_name_the_ray_that_is_pinned(name: str) -> None:
    pinned = next(
        line.removeprefix("ray==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line.startswith("ray==")
    )
    assert pinned in (DEPLOY / name).read_text()


@pytest.mark.parametrize("path", sorted(DEPLOY.glob("*.sh")), ids=lambda path: path.name)
def test_bash_can_read_the_script_and_it_says_how_to_use_it(path: Path) -> None:
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0
    done = subprocess.run(["bash", path], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


FAKES = {
    "ray": 'echo "$@" >> "$CALLS"',
    # AWS says nothing at first, then that the machine is taken away.
    "curl": """
case "$*" in
  *api/token) echo token ;;
  *instance-action) [ -e "$CALLS.asked" ] || { touch "$CALLS.asked"; exit 22; } ;;
  *preempted) echo TRUE ;;
esac
""",
    "sleep": 'echo "sleep $1" >> "$CALLS"',
}


@pytest.mark.parametrize(
    ("arguments", "called"),
    [
        (["aws"], ["sleep 5", "drain-node", "--deadline-remaining-seconds 110"]),
        (["gcp"], ["drain-node", "--deadline-remaining-seconds 25"]),
        (["now", "30"], ["drain-node", "--deadline-remaining-seconds 30", "sleep 30"]),
    ],
)
def test_a_machine_that_goes_says_so_in_the_cluster(
    arguments: list[str], called: list[str], tmp_path: Path
) -> None:
    for name, script in FAKES.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    calls = tmp_path / "calls"
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(calls)}
    script = DEPLOY / "spot-notice.sh"
    done = subprocess.run(["bash", script, *arguments], env=environment, timeout=20, check=False)
    assert done.returncode == 0
    said = calls.read_text()
    places = [said.find(words) for words in called]
    assert -1 not in places, said
    assert places == sorted(places)
    assert "--reason DRAIN_NODE_REASON_PREEMPTION" in said
