"""Checks deploy/kubernetes/sidecar.yaml without a cluster.

    python kubernetes_manifest.py [SIDESTREAM_BINARY]

The schemas come with the package kubernetes-validate; they know nothing of what one object says of
another, so that is checked here: selectors, port names, volumes, the arithmetic of the grace period,
and, with a binary, the configuration inside the ConfigMap.
"""

import os
import re
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MANIFEST = os.path.join(ROOT, "deploy/kubernetes/sidecar.yaml")
# From the first version with native sidecars by default to the newest whose schemas there are.
VERSIONS = ["1.29", "1.31", "1.34", kubernetes_validate.utils.latest_version()]
# What kubelet may need beside the containers' own times.
MARGIN_SECONDS = 5


def check(name, good, why=""):
    print(f"ok - kubernetes: {name}" if good else f"FAILED - kubernetes: {name}: {why}", flush=True)


def seconds(duration):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", duration).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


documents = [d for d in yaml.safe_load_all(open(MANIFEST, encoding="utf-8")) if d]
of_kind = lambda kind: [d for d in documents if d["kind"] == kind]
(config_map,), (deployment,), (policy,) = of_kind("ConfigMap"), of_kind("Deployment"), of_kind("NetworkPolicy")
services = of_kind("Service")
template = deployment["spec"]["template"]
pod = template["spec"]
(sidecar,), (app,) = pod["initContainers"], pod["containers"]
config = yaml.safe_load(config_map["data"]["sidestream.yaml"])

for version in VERSIONS:
    errors = []
    for document in documents:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            errors.append(f"{document['kind']}: {'.'.join(map(str, error.path))}: {error.message}")
    check(f"{len(documents)} objects fit the schemas of {version}", not errors, errors)

labels = template["metadata"]["labels"]
selects = lambda selector: selector.items() <= labels.items()
check("the Deployment, the Services and the NetworkPolicy select the pod",
      all(map(selects, [deployment["spec"]["selector"]["matchLabels"], policy["spec"]["podSelector"]["matchLabels"],
                        *(s["spec"]["selector"] for s in services)])))

ports = {p["name"]: p["containerPort"] for c in (sidecar, app) for p in c["ports"]}
named = [p["targetPort"] for s in services for p in s["spec"]["ports"]]
named += [p["port"] for rule in policy["spec"]["ingress"] for p in rule["ports"]]
named += [c[probe]["httpGet"]["port"] for c in (sidecar, app) for probe in c if probe.endswith("Probe")]
check("every port that is named exists", set(named) <= set(ports), set(named) - set(ports))

listening = {name: int(config[name]["listen"].rpartition(":")[2]) for name in ("edge", "ingress", "admin")}
check("the containers' ports are those that the configuration listens on",
      all(ports[name] == port for name, port in listening.items()), (ports, listening))
check("every listener can be reached from outside its pod",
      all(config[name]["listen"].startswith(("0.0.0.0:", "[::]:")) for name in listening))
check("the edge's upstream is the app's port", config["edge"]["upstream"] == f"http://127.0.0.1:{ports['app']}")

public = [s["metadata"]["name"] for s in services if s["spec"]["type"] != "ClusterIP"]
of_port = {p["targetPort"]: s for s in services for p in s["spec"]["ports"]}
check("only the edge's Service is public", public == [of_port["edge"]["metadata"]["name"]], public)
rules = {p["port"]: rule for rule in policy["spec"]["ingress"] for p in rule["ports"]}
check("the NetworkPolicy lets everyone reach the edge, and none but the named the rest",
      "from" not in rules["edge"] and rules["ingress"]["from"] and rules["admin"]["from"] and "app" not in rules)

check("sidestream is a native sidecar", sidecar["restartPolicy"] == "Always")
check("one replica, and the old pod goes first, while the log is in memory",
      config["log"] != "memory" or
      (deployment["spec"]["replicas"] == 1 and deployment["spec"]["strategy"]["type"] == "Recreate"))

(mount,) = sidecar["volumeMounts"]
(volume,) = [v for v in pod["volumes"] if v["name"] == mount["name"]]
check("the ConfigMap is mounted as a directory, where the image looks for its configuration",
      "subPath" not in mount and volume["configMap"]["name"] == config_map["metadata"]["name"]
      and f"SIDESTREAM_CONFIG={mount['mountPath']}/sidestream.yaml" in open(os.path.join(ROOT, "Dockerfile")).read())

environment = {e["name"]: e["value"] for e in app["env"]}
parts = [app["lifecycle"]["preStop"]["sleep"]["seconds"], int(environment["SHUTDOWN_SECONDS"]),
         seconds(config["drain"]["delay"]), seconds(config["drain"]["timeout"]), MARGIN_SECONDS]
grace = pod["terminationGracePeriodSeconds"]
check(f"the grace period, {grace} s, holds the app's end and the drain after it", sum(parts) <= grace, parts)

hardened = all(
    c["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                             "capabilities": {"drop": ["ALL"]}} for c in (sidecar, app))
check("no root, no privilege, no capability, a read-only root",
      hardened and pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] != 0
      and pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault")
check("requests and a memory limit are set", all({"requests", "limits"} <= c["resources"].keys() for c in (sidecar, app)))

if len(sys.argv) > 1:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in [("the ConfigMap's sidestream.yaml", config_map["data"]["sidestream.yaml"]),
                           ("the image's container.yaml", open(os.path.join(ROOT, "config/container.yaml")).read())]:
            path = os.path.join(folder, "sidestream.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            ran = subprocess.run([sys.argv[1], "check", "-c", path], capture_output=True, text=True, timeout=30)
            check(f"`sidestream check` takes {name}", ran.returncode == 0, ran.stdout + ran.stderr)
