"""Build the website widget where Node is: `python3 tools/widget.py [--test]`.

Runs with whatever `python3` the machine has (3.8 or newer, standard library only). The built files are in the
repository, so a machine without Node serves those; `--test` insists on Node, because the suite compares them with what
the source builds. A stamp says what was installed and built last, so that a second run finds nothing to do.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

WIDGET = Path(__file__).resolve().parent.parent / "frontdesk" / "widget"
PACKAGES = WIDGET / "node_modules"
STAMP = PACKAGES / ".ketalink-stamp"
BUILT = ("widget.js", "chat.js")
OLDEST_NODE = 18

NO_NODE = f"""The website widget is tested with Node {OLDEST_NODE} or newer and npm. Install them, then run this again:
  Debian or Ubuntu        sudo apt install nodejs npm
  Fedora                  sudo dnf install nodejs npm
  macOS                   brew install node"""


def main():
    parser = argparse.ArgumentParser(description="Build the website widget, or say that it is current.")
    parser.add_argument("--test", action="store_true", help="stop when Node is missing, instead of going on without")
    needed = parser.parse_args().test
    problem = build() if has_node() else NO_NODE
    if problem and needed:
        print(f"\nset-up stopped: {problem}", file=sys.stderr)
        return 1
    if problem and has_node():
        print(f"The widget could not be built; the copy that is in the repository serves.\n{problem}", flush=True)
    return 0


def has_node():
    if not (shutil.which("node") and shutil.which("npm")):
        return False
    said = subprocess.run(["node", "--version"], stdout=subprocess.PIPE).stdout.decode()
    version = re.match(r"v(\d+)", said)
    return bool(version) and int(version.group(1)) >= OLDEST_NODE


def build():
    """Install and build what changed; return what went wrong, or None."""
    packages = digest([WIDGET / "package.json", WIDGET / "package-lock.json"])
    sources = digest([WIDGET / "build.mjs", *sorted((WIDGET / "src").iterdir()), *sorted((WIDGET / "texts").iterdir())])
    built = [WIDGET / "static" / name for name in BUILT]
    stamp = STAMP.read_text(encoding="utf-8").split() if STAMP.exists() else []
    if stamp == [packages, sources, digest(built)]:
        return None
    if stamp[:1] != [packages]:
        print("Website widget: installing what it is built from", flush=True)
        problem = run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        if problem:
            return problem
    print("Website widget: building", flush=True)
    problem = run(["node", "build.mjs"])
    if problem:
        return problem
    STAMP.write_text("\n".join([packages, sources, digest(built)]) + "\n", encoding="utf-8")
    return None


def digest(paths):
    joined = hashlib.sha256()
    for path in paths:
        joined.update(path.name.encode() + b"\0" + (path.read_bytes() if path.exists() else b"") + b"\0")
    return joined.hexdigest()


def run(command):
    """Run a program; return its last words when it fails."""
    done = subprocess.run(command, cwd=str(WIDGET), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode == 0:
        return None
    last_words = done.stdout.decode("utf-8", "replace").strip().splitlines()[-12:]
    return f"`{' '.join(command)}` ended with status {done.returncode}:\n" + "\n".join(
        "    " + line for line in last_words
    )


if __name__ == "__main__":
    sys.exit(main())
