#!/usr/bin/env python3
"""Runs the steps of the Dockerfile where there is no Docker, and tries what they make.

    deploy/dockerfile_steps.py                  both stages; compiles everything, takes minutes
    deploy/dockerfile_steps.py --binary FILE    the last stage only, with FILE as the built binary

The steps are read from the Dockerfile, not repeated here. What can't be had without a registry are
the two base images, so each has a stand-in:

* the build stage runs in this machine's own file system, as the lower layer of an overlay, so that
  nothing outside the folder is changed; it must be the Debian and the Rust that the image names;
* the last stage begins with an empty folder and the few files of the distroless image that a
  program linked to glibc may need: so it also shows that nothing else is needed.

Then the entry point is started in there, as the image's user, on a read-only root and in a network
of its own. Needs Linux and root (overlay, chroot, namespaces). Prints one line a check and ends
with `N passed, N failed`.
"""

import argparse
import fcntl
import glob
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CHROOT = shutil.which("chroot") or "/usr/sbin/chroot"

# Of gcr.io/distroless/cc-debian12: base's glibc and cc's libgcc and libstdc++.
DISTROLESS_LIBRARIES = [
    "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libmvec.so.1",
    "libdl.so.2", "libpthread.so.0", "librt.so.1", "libresolv.so.2", "libnss_dns.so.2",
    "libnss_files.so.2", "libgcc_s.so.1", "libstdc++.so.6", "libgomp.so.1",
]

KNOWN = {"FROM", "RUN", "COPY", "ENV", "WORKDIR", "USER", "EXPOSE", "LABEL", "HEALTHCHECK", "ENTRYPOINT"}


class Checks:
    """One line each, and the count at the end."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, good, name, why=""):
        if good:
            self.passed += 1
            print(f"ok - {name}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED - {name}: {why}", flush=True)
        return good

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed or not self.passed else 0)


# ---- reading the Dockerfile ------------------------------------------------------------------

def instructions(path):
    """(keyword, the rest) for each instruction, with comments gone and continued lines joined."""
    text = ""
    for line in open(path, encoding="utf-8"):
        line = line.rstrip("\n")
        if line.lstrip().startswith("#") or not line.strip():
            continue
        if line.endswith("\\"):
            text += line[:-1]
            continue
        keyword, _, rest = (text + line).strip().partition(" ")
        text = ""
        keyword = keyword.upper()
        if keyword not in KNOWN:
            sys.exit(f"{path}: the instruction {keyword} isn't known to this script: teach it")
        yield keyword, rest.strip()


def stages(path):
    found = []
    for keyword, rest in instructions(path):
        if keyword == "FROM":
            words = rest.split()
            found.append({"base": words[0], "name": words[2] if len(words) == 3 else None, "steps": []})
        else:
            found[-1]["steps"].append((keyword, rest))
    return found


def pairs(rest):
    """The names and values of ENV and LABEL."""
    return dict(word.split("=", 1) for word in shlex.split(rest))


def context_entries():
    """What .dockerignore lets through, of the top folder: our patterns name nothing deeper."""
    keep = set(os.listdir(ROOT))
    for line in open(os.path.join(ROOT, ".dockerignore"), encoding="utf-8"):
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        if "/" in pattern or ("*" in pattern and pattern != "*"):
            sys.exit(f".dockerignore: the pattern {pattern} isn't known to this script: teach it")
        if pattern == "*":
            keep = set()
        elif pattern.startswith("!"):
            keep |= {pattern[1:]} & set(os.listdir(ROOT))
        else:
            keep.discard(pattern)
    return keep


# ---- running the steps -----------------------------------------------------------------------

def inside(root, path):
    return os.path.join(root, path.lstrip("/"))


def copy(rest, root, workdir, roots, context):
    words = rest.split()
    source_root = None
    while words[0].startswith("--"):
        name, _, value = words.pop(0)[2:].partition("=")
        if name != "from":
            sys.exit(f"COPY --{name} isn't known to this script: teach it")
        source_root = roots[value]
    *sources, target = words
    into = inside(root, os.path.join(workdir, target))
    for source in sources:
        if source_root is None:
            if source.split("/")[0] not in context:
                raise FileNotFoundError(f"COPY {source}: .dockerignore keeps it out, or it isn't there")
            origin = os.path.join(ROOT, source)
        else:
            origin = inside(source_root, source)
        if os.path.isdir(origin):
            shutil.copytree(origin, into, dirs_exist_ok=True)
        elif target.endswith("/") or len(sources) > 1:
            os.makedirs(into, exist_ok=True)
            shutil.copy2(origin, into)
        else:
            os.makedirs(os.path.dirname(into), exist_ok=True)
            shutil.copy2(origin, into)


def run_stage(stage, root, roots, checks, base_env):
    """Runs a stage's steps in `root`; gives back what the image would keep of it."""
    image = {"env": dict(base_env), "workdir": "/", "user": "0:0", "expose": [], "labels": {}}
    context = context_entries()
    for keyword, rest in stage["steps"]:
        shown = f"{keyword} {re.sub(r' +', ' ', rest)}"
        shown = shown if len(shown) <= 100 else shown[:97] + "..."
        if keyword == "ENV":
            image["env"].update(pairs(rest))
        elif keyword == "LABEL":
            image["labels"].update(pairs(rest))
        elif keyword == "WORKDIR":
            image["workdir"] = os.path.join(image["workdir"], rest)
            os.makedirs(inside(root, image["workdir"]), exist_ok=True)
        elif keyword == "USER":
            image["user"] = rest
        elif keyword == "EXPOSE":
            image["expose"] += [int(port) for port in rest.split()]
        elif keyword == "HEALTHCHECK":
            image["healthcheck"] = json.loads(rest[rest.index("CMD") + 3:])
        elif keyword == "ENTRYPOINT":
            image["entrypoint"] = json.loads(rest)
        elif keyword == "COPY":
            try:
                copy(rest, root, image["workdir"], roots, context)
                checks(True, shown)
            except OSError as error:
                checks(False, shown, error)
                checks.end()
        elif keyword == "RUN":
            began = time.monotonic()
            # RUN's shell form: /bin/sh -c, as the stage's user, which in the build stage is root.
            code = subprocess.call(
                [CHROOT, root, "/bin/sh", "-c", f"cd {shlex.quote(image['workdir'])} && {rest}"],
                env=image["env"], stdin=subprocess.DEVNULL, stdout=sys.stderr)
            took = f"{time.monotonic() - began:.0f} s"
            if not checks(code == 0, f"{shown} ({took})", f"exit {code}"):
                checks.end()
    return image


def mount(*args):
    subprocess.run(["mount", *args], check=True)


def stand_in_for_rust(base, folder, checks):
    """This machine as the lower layer; what the steps change stays in the folder."""
    version, _, codename = base.removeprefix("rust:").partition("-")
    have = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout
    release = open("/etc/os-release", encoding="utf-8").read()
    same = have.startswith(f"rustc {version}.") and f"VERSION_CODENAME={codename}\n" in release
    checks(same, f"this machine can stand in for {base}", have.strip())
    for name in ("upper", "work", "root"):
        os.makedirs(os.path.join(folder, name))
    root = os.path.join(folder, "root")
    layers = f"lowerdir=/,upperdir={folder}/upper,workdir={folder}/work"
    mount("-t", "overlay", "overlay", "-o", layers, root)
    mount("-t", "proc", "proc", f"{root}/proc")
    mount("--rbind", "/dev", f"{root}/dev")
    return root


def stand_in_for_distroless(folder):
    root = os.path.join(folder, "image")
    for name in ("etc/ssl/certs", "tmp", "home/nonroot", "proc", "dev"):
        os.makedirs(os.path.join(root, name))
    os.chmod(os.path.join(root, "tmp"), 0o1777)
    with open(os.path.join(root, "etc/passwd"), "w", encoding="utf-8") as passwd:
        passwd.write("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n")
    for name in DISTROLESS_LIBRARIES:
        for found in glob.glob(f"/lib*/{name}") + glob.glob(f"/lib/*-linux-gnu/{name}") + glob.glob(f"/usr/lib/*-linux-gnu/{name}"):
            target = inside(root, found)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy2(found, target)
    certificates = "/etc/ssl/certs/ca-certificates.crt"
    if os.path.exists(certificates):
        shutil.copy2(certificates, inside(root, certificates))
    return root


# ---- trying the image ------------------------------------------------------------------------

def loopback_up():
    """A new network namespace has a loopback, but down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0x1 | 0x40)  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(any_socket, 0x8914, request)  # SIOCSIFFLAGS


def until(condition, process, seconds=20):
    """Waits for a state; false when the process ended or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    return False


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def try_image(root, image, checks):
    loopback_up()
    mount("--bind", root, root)
    mount("-t", "proc", "proc", f"{root}/proc")
    mount("-o", "remount,bind,ro", root)
    user, _, group = image["user"].partition(":")
    checks(user.isdigit() and user != "0", "the user is a number and not root", image["user"])
    as_user = [CHROOT, f"--userspec={user}:{group}", root]

    shell = subprocess.run([*as_user, "/bin/sh", "-c", "true"], capture_output=True)
    checks(shell.returncode == 127, "there is no shell in the image", f"exit {shell.returncode}")

    log = open(os.path.join(os.path.dirname(root), "log"), "w+", encoding="utf-8")
    process = subprocess.Popen([*as_user, *image["entrypoint"]], env=image["env"],
                               stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        def healthy():
            return subprocess.run([*as_user, *image["healthcheck"]], env=image["env"],
                                  stdout=log, stderr=log).returncode == 0

        good = until(healthy, process)
        log.seek(0)
        if not checks(good, "the health check becomes good on a read-only root", log.read()[-2000:]):
            return
        status = open(f"/proc/{process.pid}/status", encoding="utf-8").read()
        checks(re.search(rf"^Uid:\s+{user}\s+{user}\s", status, re.M), "it runs as the image's user", status)
        for port in image["expose"]:
            checks(accepts(port), f"port {port} accepts")

        edge = http.client.HTTPConnection("127.0.0.1", 8080, timeout=10)
        edge.request("GET", "/topics/image", headers={"Accept": "text/event-stream"})
        stream = edge.getresponse()
        ingress = http.client.HTTPConnection("127.0.0.1", 8081, timeout=10)
        ingress.request("POST", "/webhooks/image", body=b"hello")
        answer = ingress.getresponse()
        checks(answer.status == 202, "a webhook is accepted", f"{answer.status} {answer.read()}")
        got = b""
        while b"data: hello\n" not in got:
            line = stream.readline()
            if not line:
                break
            got += line
        checks(b"data: hello\n" in got, "its subscriber sees it", got)

        process.send_signal(signal.SIGTERM)
        stream.read()
        until(lambda: False, process, 30)
        checks(process.poll() == 0, "SIGTERM drains and ends with 0", process.poll())
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def needed_libraries(binary):
    out = subprocess.run(["readelf", "-d", binary], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"\(NEEDED\).*\[(.+)\]", out))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", help="skip the build stage and take this binary for its result")
    parser.add_argument("--try", dest="image", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    checks = Checks()

    if arguments.image:  # in a network namespace of its own; see below
        image = json.loads(arguments.image)
        try_image(image.pop("root"), image, checks)
        print(json.dumps([checks.passed, checks.failed]), file=sys.stderr)
        return

    if sys.platform != "linux" or os.geteuid() != 0:
        sys.exit("needs Linux and root: it uses an overlay, chroot and namespaces")
    if "SIDESTREAM_STEPS_UNSHARED" not in os.environ:
        # All mounts are made in a namespace of this process, so that none is left behind.
        os.environ["SIDESTREAM_STEPS_UNSHARED"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])

    build, last = stages(os.path.join(ROOT, "Dockerfile"))
    folder = tempfile.mkdtemp(prefix="sidestream-image-")
    overlay = None
    try:
        if arguments.binary:
            built = os.path.join(folder, "built")
            for keyword, rest in last["steps"]:
                if keyword == "COPY" and f"--from={build['name']}" in rest:
                    source = inside(built, rest.split()[1])
                    os.makedirs(os.path.dirname(source))
                    shutil.copy2(arguments.binary, source)
        else:
            overlay = built = stand_in_for_rust(build["base"], folder, checks)
            run_stage(build, built, {}, checks, os.environ)

        root = stand_in_for_distroless(folder)
        image = run_stage(last, root, {build["name"]: built}, checks, {"PATH": "/"})
        binary = inside(root, image["entrypoint"][0])
        missing = needed_libraries(binary) - set(DISTROLESS_LIBRARIES)
        checks(not missing, f"needs no library that {last['base']} lacks", missing)
        print(f"# the binary in the image: {os.path.getsize(binary) / 2**20:.1f} MiB")

        # The image's ports are fixed, so it is tried in a network of its own.
        os.chmod(folder, 0o755)
        image["root"] = root
        ran = subprocess.run(["unshare", "--mount", "--propagation", "private", "--net", sys.executable, __file__,
                              "--try", json.dumps(image)], stderr=subprocess.PIPE, text=True)
        *noise, counts = ran.stderr.strip().splitlines() or [""]
        print("\n".join(noise), file=sys.stderr, end="")
        try:
            passed, failed = json.loads(counts)
            checks.passed += passed
            checks.failed += failed
        except ValueError:
            checks(False, "the image could be tried", ran.stderr[-2000:])
    finally:
        if overlay:
            subprocess.run(["umount", "--recursive", "--lazy", overlay], check=False)
        shutil.rmtree(folder, ignore_errors=True)
    checks.end()


main()
