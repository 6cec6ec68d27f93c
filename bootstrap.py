"""Set up Mobile Grid beside this file and run it; needs nothing but Python 3.11 or newer.

python3 bootstrap.py demo [...]     a town, a month of swaps, money, a checked proof
python3 bootstrap.py test [...]     the whole test suite; arguments go to pytest
python3 bootstrap.py COMMAND [...]  any other command of the program, such as doctor
Plain old syntax on purpose: an old Python must be able to read this and say that it is too old.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from glob import glob

HERE = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(HERE, ".venv")
PYTHON = os.path.join(VENV, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))

TPM = "swtpm-tools tpm2-abrmd libtpm2-pkcs11-1 libtpm2-pkcs11-tools libtss2-tcti-tabrmd0 dbus"
# Programs that tests use: Debian packages, what must be there (or|either), the tests.
TOOLS = (
    ("postgresql", ("postgres|/usr/lib/postgresql/*/bin/postgres",), "the store on PostgreSQL"),
    ("golang-go golang-golang-x-mod-dev", ("go", "/usr/share/gocode/src/*/x/mod"), "our log in Go"),
    ("hledger ledger", ("hledger", "ledger"), "exported books in accounting programs"),
    ("nodejs npm", ("node", "npm"), "our checkpoints in JavaScript"),
    ("softhsm2 p11-kit p11-kit-modules", ("softhsm2-util", "p11-kit"), "signing with SoftHSM2"),
    (TPM, ("tpm2_ptool", "swtpm_setup", "tpm2-abrmd"), "signing with a software TPM"),
    ("chromium", ("chromium|chromium-browser|google-chrome",), "the app in a real browser"),
    ("libnss3 libnss3-tools gcc libc6-dev", ("certutil", "gcc"), "signing with NSS"),
)


def main(args):
    """Set up what the command needs, then become that command; the exit code is the command's."""
    if sys.version_info < (3, 11):
        need = "Python 3.11 or newer is needed (Debian 12, Ubuntu 24.04, python.org), this is %d.%d"
        stop(need % sys.version_info[:2])
    testing = args[:1] == ["test"]
    prepare("dev" if testing else "run")
    if testing and "--no-system-tools" not in args:
        offer_tools()
    if not args or args[0] in ("-h", "--help"):
        say("Ready: python3 bootstrap.py demo, python3 bootstrap.py test; then read README.md\n")
        return 0
    command = [PYTHON, "-m"] + (test_arguments(args[1:]) if testing else ["mobilegrid"] + args)
    if os.name == "nt":
        return subprocess.call(command)
    return os.execv(PYTHON, command)  # signals and exit code are the program's own


def test_arguments(args):
    """Give the pytest call: in parallel unless the arguments choose, measured where CI asks."""
    os.chdir(HERE)
    args = [arg for arg in args if arg != "--no-system-tools"]
    measured = ["coverage", "run", "-m"] if os.environ.get("CI") == "true" else []
    chosen = any(arg.startswith(("-n", "--numprocesses", "--pdb")) for arg in args)
    return measured + ["pytest"] + ([] if chosen else ["-n", "auto"]) + args


def prepare(wanted):
    """Bring .venv to the locks of the set `wanted`: run, or dev which includes run."""
    stamps = {n: os.path.join(VENV, ".stamp-" + n) for n in ("run", wanted)}
    ready = os.path.exists(PYTHON) and os.path.exists(stamps[wanted])
    if ready and read(stamps[wanted]) == fingerprint(wanted):
        return
    for path in filter(os.path.exists, stamps.values()):
        os.remove(path)  # first out, last in: an interrupted install is repeated
    uv = "uv" if works(["uv", "--version"]) else None  # a version manager's shim may be empty
    make_environment(uv)
    install = [uv, "pip", "install", "--python", PYTHON] if uv else [PYTHON, "-m", "pip", "install"]
    for lock in ("requirements/bootstrap.txt", "requirements/%s.txt" % wanted):
        step("Installing " + lock, install + ["--no-deps", "--require-hashes", "-r", lock])
    step("Installing mobilegrid", install + ["--no-deps", "--no-build-isolation", "-e", "."])
    for name, path in stamps.items():
        with open(path, "wb") as stamp:
            stamp.write(fingerprint(name))


def make_environment(uv):
    """Make .venv, or mend it when its Python is another one or its installer is gone."""
    version = tuple(sys.version_info[:2])
    usable = works([PYTHON, "-c", "import sys; sys.exit(sys.version_info[:2] != %r)" % (version,)])
    if usable and (uv or works([PYTHON, "-m", "pip", "--version"])):
        return
    deb = "python%d.%d-venv" % version  # Debian ships Python without its ensurepip
    if not (uv or works([sys.executable, "-m", "ensurepip", "--version"]) or apt_install([deb])):
        stop("This Python lacks ensurepip. On Debian or Ubuntu: sudo apt install " + deb)
    make = ["uv", "venv", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
    step("Making .venv", make + ([] if usable else ["--clear"]) + [VENV])


def fingerprint(name):
    """Digest everything that an installed set depends on."""
    digest = hashlib.sha256(repr((HERE, sys.version_info[:3], platform.machine())).encode())
    locks = ["requirements/bootstrap.txt", "requirements/%s.txt" % name]
    for path in ["bootstrap.py", "pyproject.toml"] + locks:
        digest.update(read(os.path.join(HERE, path)))
    return digest.digest()


def read(path):
    """Read a file's bytes."""
    with open(path, "rb") as source:
        return source.read()


def missing():
    """List the rows of TOOLS that are not complete."""
    return [r for r in TOOLS if not all(any(map(is_there, each.split("|"))) for each in r[1])]


def is_there(name):
    """Tell whether a program, or a file by its pattern, is on this machine."""
    return bool(shutil.which(name) or ("*" in name and glob(name)))


def offer_tools():
    """Install missing test tools where we may, and say what stays away."""
    packages = [name for row in missing() for name in row[0].split()]
    if packages and not apt_install(packages):
        for package in packages:  # one unknown name must not keep the others away
            apt_install([package])
    for package, _, tests in missing():
        say("Skipped: tests of %s. To run them: sudo apt install %s\n" % (tests, package))


def apt_install(packages):
    """Install Debian packages if we are root or need no password for sudo; say whether it went."""
    sudo = [] if hasattr(os, "geteuid") and os.geteuid() == 0 else ["sudo", "-n"]
    if not shutil.which("apt-get") or (sudo and not works(sudo + ["true"])):
        return False
    apt = sudo + ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    install = apt + ["install", "--yes", "--no-install-recommends"] + packages
    title = "Installing " + " ".join(packages)
    return not attempt(title, install) or not (
        attempt("Updating package lists", apt + ["update"]) or attempt(title, install)
    )


def step(title, command):
    """Run one step that must succeed; otherwise show what it said."""
    trouble = attempt(title, command)
    if trouble:
        stop(trouble + title + " failed, see above; then try again: python3 bootstrap.py")


def attempt(title, command):
    """Run one step, print one line with its seconds; give its output if it failed."""
    say(title + " ... ")
    begun = time.monotonic()
    code, output = run(command)
    say("failed\n" if code else "%.1f s\n" % (time.monotonic() - begun))
    return (output.decode("utf-8", "replace") or "no output\n") if code else ""


def works(command):
    """Tell whether a program is there and succeeds."""
    return run(command)[0] == 0


def run(command):
    """Run a program from this folder without input: its exit code and both outputs together."""
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    try:
        done = subprocess.run(command, cwd=HERE, stdin=subprocess.DEVNULL, check=False, **both)
    except OSError as problem:
        return 127, str(problem).encode()
    return done.returncode, done.stdout


def say(text):
    """Print beside the program's own output, at once."""
    os.write(2, text.encode("utf-8"))


def stop(text):
    """Give up the set-up with a last word."""
    say(text + "\n")
    sys.exit(2)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
