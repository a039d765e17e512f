"""Make the project's two environments: `python3 tools/setup.py [--test] [--only rasa|app]`.

Runs with whatever `python3` the machine has (3.8 or newer, standard library only); what it makes is
Python 3.11. `.venv/rasa` holds Rasa and nothing else, `.venv/app` the rest; `--test` adds the tools of the
test suite to the latter. A stamp in each environment says what it was made from, so that a second run finds
nothing to do. Where packages come from is the machine's own setting: uv and pip read it themselves.
"""

import argparse
import contextlib
import errno
import fcntl
import hashlib
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENVS = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements"
PRUNED = REQUIREMENTS / "rasa.prune.txt"
STAMP = "ketalink-stamp.txt"
PYTHON = "3.11"
TAG = f"python{PYTHON}"

NO_PYTHON = f"""Python {PYTHON} was found neither on this machine nor by uv. Install it, then run this again:
  Debian 12               sudo apt install python3 python3-venv
  Ubuntu                  sudo apt install {TAG} {TAG}-venv    (22.04 has it; others: the deadsnakes archive)
  Fedora                  sudo dnf install {TAG}
  macOS                   brew install python@{PYTHON}    (then see README.md: only Linux x86-64 is tested)
  anywhere, with uv       uv python install {PYTHON}"""
NO_VENV = f"""This Python can make no virtual environment, and uv is not installed.
Install one of them, then run this again:
  Debian or Ubuntu        sudo apt install python3-venv {TAG}-venv
  Fedora                  sudo dnf install uv
  macOS                   brew install uv"""
NO_NETWORK = """The packages could not be fetched. Is this machine online, and are its proxy and package index
set (pip: `pip config list`; uv: UV_DEFAULT_INDEX or uv.toml)? Run this again when they are: what was fetched
is kept."""
HASH_MISMATCH = """A fetched package is not the one that requirements/*.txt promises, so it was not installed.
A damaged download: `uv cache clean`, then again. Otherwise the package index serves something else: ask who
runs it."""


class SetupError(Exception):
    """Set-up cannot go on; the text says why and what to do."""


class Environment:
    """One virtual environment: where it is, and what it is made from."""

    def __init__(self, title, name, requirements, stamped, gigabytes, imports):
        self.title = title
        self.path = VENVS / name
        self.requirements = REQUIREMENTS / requirements
        self.stamped = [REQUIREMENTS / other for other in stamped]
        self.gigabytes = gigabytes
        self.imports = imports

    @property
    def python(self):
        return self.path / "bin" / "python"

    @property
    def site_packages(self):
        return self.path / "lib" / TAG / "site-packages"

    def digests(self):
        """One line a file that the environment depends on; its own path too, for its scripts name it."""
        yield f"path {self.path}"
        for path in self.stamped:
            yield f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}"

    def stamp(self):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return (self.path / STAMP).read_text(encoding="utf-8").splitlines()
        return []

    def is_current(self):
        return self.python.exists() and set(self.digests()) <= set(self.stamp())

    def package_count(self):
        lines = self.requirements.read_text(encoding="utf-8").splitlines()
        return sum(1 for line in lines if "==" in line and not line.startswith((" ", "#")))


RASA = Environment(
    title="Rasa environment",
    name="rasa",
    requirements="rasa.txt",
    stamped=["rasa.txt", "rasa.prune.txt"],
    gigabytes=1.3,
    imports=[
        "rasa.__main__",
        "rasa.cli.run",
        "rasa.server",
        "rasa.model_training",
        "onnx",
        "onnxruntime",
        "tokenizers",
    ],
)
APP = Environment(
    title="application environment",
    name="app",
    requirements="app.txt",
    stamped=["app.txt"],
    gigabytes=0.3,
    imports=["fastapi", "rasa_sdk", "sqlalchemy", "twilio"],
)
# A superset of the application's environment, in the same place: `make run` is content with either.
TEST = Environment(
    title="application and test environment",
    name="app",
    requirements="test.txt",
    stamped=["app.txt", "test.txt"],
    gigabytes=0.8,
    imports=[*APP.imports, "pytest", "hypothesis"],
)


def main():
    options = argument_parser().parse_args()
    try:
        wanted = {"rasa": RASA, "app": TEST if options.test else APP}
        set_up([wanted[options.only]] if options.only else list(wanted.values()), use_uv=not options.pip)
    except SetupError as error:
        print(f"\nset-up stopped: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\nset-up stopped: {explain_os_error(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up stopped by you. The next run starts the unfinished environment over.", file=sys.stderr)
        return 130
    return 0


def argument_parser():
    parser = argparse.ArgumentParser(
        description="Make the project's environments in .venv/, or say that they are current."
    )
    parser.add_argument("--test", action="store_true", help="also what the test suite needs")
    parser.add_argument("--only", choices=["rasa", "app"], help="make this environment alone")
    parser.add_argument("--pip", action="store_true", help="install with plain pip, even where uv is at hand")
    return parser


def set_up(environments, use_uv):
    if all(environment.is_current() for environment in environments):
        say("Environments are up to date.")
        return
    check_platform()
    VENVS.mkdir(exist_ok=True)
    with only_one_set_up():
        wanted = [environment for environment in environments if not environment.is_current()]
        if not wanted:
            return
        began = time.monotonic()
        installer = find_installer(use_uv)
        for step, environment in enumerate(wanted, start=1):
            build(environment, installer, f"[{step}/{len(wanted)}]")
        say(f"Environments are ready after {time.monotonic() - began:.0f} s.")


def check_platform():
    if sys.platform != "linux" or platform.machine() != "x86_64":
        say(
            f"note: this is {platform.system()} {platform.machine()}; the requirement files are compiled for "
            "Linux x86-64. See README.md for other machines."
        )


@contextlib.contextmanager
def only_one_set_up():
    """Let a second set-up wait for the first: both would write into the same folders."""
    with open(VENVS / ".lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another set-up is running here; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# --- the steps of one environment ---


def build(environment, installer, step):
    began = time.monotonic()
    say(
        f"{step} {environment.title}: {environment.package_count()} packages, "
        f"about {environment.gigabytes} GB, with {installer.name} into .venv/{environment.path.name}"
    )
    warn_when_disk_is_short(environment)
    if not environment.stamp() or not environment.python.exists() or not installer.can_update:
        remove(environment.path)  # absent, left half-made by an interrupted run, or not to be updated in place
    with contextlib.suppress(FileNotFoundError):
        (environment.path / STAMP).unlink()
    if not environment.path.exists():
        installer.create(environment)
    installer.install(environment)
    if environment is RASA:
        freed = prune(environment.site_packages) + drop_symbol_tables(environment.site_packages)
        say(f"      removed {freed / 1e9:.1f} GB that no run needs")
    say("      first import, which also compiles what is imported …")
    first_import = "import " + ", ".join(environment.imports)
    # An empty PYTHONDONTWRITEBYTECODE is an unset one: what is imported now starts faster ever after.
    quietly_compiled = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONDONTWRITEBYTECODE": ""}
    run([str(environment.python), "-W", "ignore", "-c", first_import], variables=quietly_compiled)
    (environment.path / STAMP).write_text("\n".join(environment.digests()) + "\n", encoding="utf-8")
    say(f"      done in {time.monotonic() - began:.0f} s")


def warn_when_disk_is_short(environment):
    free = shutil.disk_usage(str(VENVS)).free / 1e9
    if free < 2 * environment.gigabytes:
        say(f"      note: only {free:.1f} GB are free on this disk; with the downloads this may not fit")


def prune(site_packages):
    """Delete what requirements/rasa.prune.txt lists; return the bytes freed."""
    freed = 0
    for pattern in patterns(PRUNED):
        for path in sorted(site_packages.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                freed += sum(file.lstat().st_size for file in path.rglob("*") if file.is_file())
                remove(path)
            elif path.exists():
                freed += path.lstat().st_size
                path.unlink()
    return freed


def patterns(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        pattern = line.partition("#")[0].strip()
        if pattern:
            yield pattern


def drop_symbol_tables(site_packages, at_least=1_000_000):
    """Cut the tables that only a debugger reads off the shared libraries; return the bytes freed."""
    freed = 0
    for path in site_packages.rglob("*.so*"):
        if path.is_file() and not path.is_symlink():
            end = end_of_loaded_part(path)
            size = path.stat().st_size
            if end and size - end >= at_least:
                replace_with_beginning(path, end)
                freed += size - end
    return freed


def end_of_loaded_part(path):
    """Return how much of a 64-bit ELF library is ever loaded, in bytes, or None if it is something else.

    Source: ELF-64 Object File Format 1.5, file header and program header.
    """
    with open(path, "rb") as library:
        header = library.read(64)
        if len(header) < 64 or header[:6] != b"\x7fELF\x02\x01":
            return None
        (table_at,) = struct.unpack_from("<Q", header, 32)
        entry_size, entries = struct.unpack_from("<HH", header, 54)
        end = table_at + entry_size * entries
        library.seek(table_at)
        table = library.read(entry_size * entries)
    for entry in range(entries):
        (offset,) = struct.unpack_from("<Q", table, entry * entry_size + 8)
        (length,) = struct.unpack_from("<Q", table, entry * entry_size + 32)
        end = max(end, offset + length)
    return end


def replace_with_beginning(path, end):
    """Keep `end` bytes of a library, without its section table.

    In a copy that takes its place: the file itself may be one with that in uv's cache.
    """
    with tempfile.NamedTemporaryFile(dir=str(path.parent), delete=False) as copy:
        try:
            with open(path, "rb") as library:
                header = bytearray(library.read(64))
                struct.pack_into("<Q", header, 40, 0)  # where the section table is
                struct.pack_into("<HH", header, 60, 0, 0)  # how many sections, and which names them
                copy.write(header)
                left = end - len(header)
                while left > 0:
                    chunk = library.read(min(left, 1 << 20))
                    copy.write(chunk)
                    left -= len(chunk)
            shutil.copymode(str(path), copy.name)
            os.replace(copy.name, str(path))
        except BaseException:
            os.unlink(copy.name)
            raise


# --- the installers ---


class Uv:
    """uv: fast, fetches a Python where there is none, and updates an environment in place."""

    can_update = True

    def __init__(self, program):
        self.program = program
        self.name = "uv"

    def create(self, environment):
        python = find_python()
        if python is None:
            say(f"      no Python {PYTHON} on this machine: asking uv for one …")
        try:
            run([self.program, "venv", "--quiet", "--python", python or PYTHON, str(environment.path)])
        except SetupError as error:
            raise SetupError(f"{error}\n\n{NO_PYTHON}" if python is None else str(error)) from error

    def install(self, environment):
        command = [self.program, "pip", "sync", "--require-hashes", "--python", str(environment.python)]
        run([*command, str(environment.requirements)], progress_of=environment)


class Pip:
    """Plain pip, as it comes with Python: slower, and for a new environment each time."""

    can_update = False

    def __init__(self, python):
        self.python = python
        self.name = "pip"

    def create(self, environment):
        run([self.python, "-m", "venv", str(environment.path)])

    def install(self, environment):
        # --no-deps: the file is complete. --ignore-requires-python: Rasa's metadata says < 3.11, and it runs.
        # --no-compile: the first import compiles what is used, and that is the smaller part.
        rules = ["--no-deps", "--ignore-requires-python", "--require-hashes", "--no-compile"]
        command = [str(environment.python), "-m", "pip", "install", "--disable-pip-version-check", *rules]
        run([*command, "-r", str(environment.requirements)], progress_of=environment)


def find_installer(use_uv):
    if use_uv:
        found = shutil.which("uv")
        if found and works([found, "--version"]):
            return Uv(found)
        fetched = fetch_uv()
        if fetched:
            return Uv(fetched)
    python = find_python()
    if python is None:
        raise SetupError(NO_PYTHON)
    if not works([python, "-c", "import ensurepip, venv"]):
        raise SetupError(NO_VENV)
    return Pip(python)


def fetch_uv():
    """Get uv with pip into .venv/tools; return its path, or None where that cannot be."""
    tools = VENVS / "tools"
    program = tools / "bin" / "uv"
    if program.exists() and works([str(program), "--version"]):
        return str(program)
    remove(tools)
    pip_options = ["--require-hashes", "--disable-pip-version-check", "-r", str(REQUIREMENTS / "tools.txt")]
    if works([sys.executable, "-c", "import ensurepip, venv"]):
        say("uv is not installed: fetching it with pip into .venv/tools …")
        commands = [
            [sys.executable, "-m", "venv", str(tools)],
            [str(tools / "bin" / "python"), "-m", "pip", "install", "--quiet", *pip_options],
        ]
    elif works([sys.executable, "-m", "pip", "--version"]):
        say("uv is not installed: fetching it with pip into .venv/tools …")
        commands = [[sys.executable, "-m", "pip", "install", "--quiet", "--target", str(tools), *pip_options]]
    else:
        return None
    try:
        for command in commands:
            run(command)
    except SetupError as error:
        say(f"uv could not be fetched; going on with plain pip. ({str(error).splitlines()[0]})")
        remove(tools)
        return None
    return str(program)


def find_python():
    """Return the path of a Python 3.11 on this machine, or None."""
    if sys.version_info[:2] == (3, 11):
        return sys.executable
    for name in (TAG, "python3", "python"):
        found = shutil.which(name)
        if found and works([found, "-c", "import sys; sys.exit(sys.version_info[:2] != (3, 11))"]):
            return found
    return None


# --- running programs, and saying what happens ---


def works(command):
    try:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def run(command, progress_of=None, variables=None):
    """Run a program; raise SetupError with its last words and what they mean if it fails.

    On a terminal an installer draws its own progress. Elsewhere a line now and then says how far it is.
    """
    variables = {**os.environ, **(variables or {})}
    on_terminal = progress_of is not None and sys.stderr.isatty()
    if on_terminal:
        status, said = subprocess.run(command, env=variables).returncode, ""
    else:
        status, said = run_quietly(command, variables, progress_of)
    if status:
        raise SetupError(explain_failure(command, status, said))


def run_quietly(command, variables, progress_of):
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        process = subprocess.Popen(command, env=variables, stdout=output, stderr=subprocess.STDOUT)
        try:
            while True:
                try:
                    status = process.wait(timeout=15)
                    break
                except subprocess.TimeoutExpired:
                    if progress_of:
                        say(f"      {time.monotonic() - began:.0f} s: {how_far(progress_of)}")
        except BaseException:
            process.terminate()
            process.wait()
            raise
        output.seek(0)
        return status, output.read().decode("utf-8", "replace")


def how_far(environment):
    installed = len(list(environment.site_packages.glob("*.dist-info")))
    packages = environment.package_count()
    of_its_own = 3  # pip and what came with it
    return f"{min(installed, packages)} of {packages} installed" if installed > of_its_own else "fetching"


def explain_failure(command, status, said):
    last_words = "\n".join("    " + line for line in said.strip().splitlines()[-12:])
    program = Path(command[0]).name
    report = f"{program} ended with status {status}" + (f":\n{last_words}" if last_words else "; its words are above.")
    lower = said.lower()
    if "no space left" in lower or "disk quota" in lower or shutil.disk_usage(str(VENVS)).free < 50_000_000:
        return f"{report}\n\n{disk_full()}"
    if "hash mismatch" in lower or "do not match the hashes" in lower:
        return f"{report}\n\n{HASH_MISMATCH}"
    signs = (
        "failed to fetch",
        "connection",
        "network",
        "timed out",
        "dns",
        "name resolution",
        "no matching distribution",
    )
    if not said or any(sign in lower for sign in signs):
        return f"{report}\n\n{NO_NETWORK}"
    return report


def explain_os_error(error):
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full()
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{error.filename} cannot be written. Whose is it, and is the disk read-only?"
    return str(error)


def disk_full():
    free = shutil.disk_usage(str(ROOT)).free / 1e9
    return (
        f"The disk is full ({free:.1f} GB free at {ROOT}). The environments take 2 GB, and the same again "
        "in the installer's cache.\nMake room, then run this again."
    )


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(str(path))
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
