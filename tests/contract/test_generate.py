"""The generator: the committed bundle is what it writes, byte for byte, wherever and by whomever it is run."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

import generate
from exporter import __version__, registry

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]

# Modules and calls that exist on Linux only, or that touch the machine.
LINUX_ONLY = """
import ctypes, importlib.abc, os, socket, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in {"fcntl", "resource", "pwd", "grp", "termios", "pty"} or name.startswith("pyroute2"):
            raise ModuleNotFoundError(f"refused: {name}", name=name)

for name in ("fcntl", "resource", "pwd", "grp", "termios", "pty"):
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Refuse())
for module, names in (
    (os, ("setns", "sched_getaffinity", "eventfd", "pidfd_open", "O_PATH", "CLONE_NEWNET")),
    (socket, ("AF_NETLINK", "AF_PACKET")),
):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)

def refuse(*arguments, **keywords):
    raise OSError("refused: a shared library")

ctypes.CDLL = ctypes.PyDLL = refuse
import generate
sys.exit(generate.main(sys.argv[1:]))
"""


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle in a folder of its own."""
    out = tmp_path_factory.mktemp("bundle") / "out"
    assert generate.main(["--out", str(out)]) == 0
    return out


@pytest.fixture
def bundle(written: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(written, tmp_path / "copy"))


def test_the_committed_bundle_is_up_to_date() -> None:
    done = run("generate.py", "--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("first", "1"), ("second", "2")):
        done = run("generate.py", "--out", tmp_path / name, PYTHONHASHSEED=seed, TZ="Asia/Tokyo", LC_ALL="C")
        assert done.returncode == 0, done.stderr
    assert content(tmp_path / "first") == content(tmp_path / "second")


def test_nothing_in_it_tells_where_it_was_written(written: Path) -> None:
    for path, text in content(written).items():
        assert str(ROOT).encode() not in text, path
        assert str(written).encode() not in text, path


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def spoil_manifest(path: Path) -> None:
    manifest = path.parents[2] / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"alerts/rules/udp.yml": "', b'"alerts/rules/udp.yml": "0'))


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (spoil, "alerts/rules/udp.yml: differs"),
        (Path.unlink, "alerts/rules/udp.yml: missing"),
        (spoil_manifest, "manifest.json: differs"),
    ],
)
def test_check_names_the_file_and_writing_mends_it(
    bundle: Path, written: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None], expected: str
) -> None:
    damage(bundle / "alerts" / "rules" / "udp.yml")
    assert generate.main(["--out", str(bundle), "--check"]) == 1
    assert capsys.readouterr().err == f"{bundle}/{expected}; run generate.py\n"
    assert generate.main(["--out", str(bundle)]) == 0
    assert content(bundle) == content(written)


def test_only_writes_only_that(tmp_path: Path) -> None:
    assert generate.main(["--out", str(tmp_path / "out"), "--only", "scrape,alerts"]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"manifest.json", "alerts", "scrape"}


def test_only_checks_only_that(bundle: Path) -> None:
    spoil(bundle / "alerts" / "rules" / "udp.yml")
    assert generate.main(["--out", str(bundle), "--check", "--only", "scrape"]) == 0


def test_the_manifest_lists_every_file_with_its_hash(written: Path) -> None:
    files = content(written)
    manifest = json.loads(files.pop("manifest.json"))
    listed = {path: digest for subject in manifest["subjects"].values() for path, digest in subject.items()}
    assert listed == {path: hashlib.sha256(text).hexdigest() for path, text in files.items()}
    assert manifest["registry"] == registry.load().fingerprint()
    assert manifest["versions"] == {"net-exporter": __version__, "grafanalib": "0.7.1"}


def test_nothing_else_is_committed_beside_what_the_manifest_lists() -> None:
    manifest = json.loads((ROOT / "bundle" / "manifest.json").read_bytes())
    listed = {path for subject in manifest["subjects"].values() for path in subject}
    assert set(content(ROOT / "bundle")) == {*listed, "manifest.json"}


def test_every_dashboard_and_rule_group_tells_of_which_registry_it_is(written: Path) -> None:
    registry_hash = registry.load().fingerprint()
    boards = [json.loads(path.read_bytes()) for path in (written / "dashboards").rglob("*.json")]
    tags = [board.get("spec", board)["tags"] for board in boards]
    assert {(each[0], each[-1]) for each in tags} == {("net-exporter", f"registry:{registry_hash}")}
    for path in (written / "alerts" / "rules").iterdir():
        text = path.read_text("utf-8")
        assert f" Registry {registry_hash}.\n" in text, path
        for rule in (rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]):
            assert "record" in rule or rule["annotations"]["registry"] == registry_hash
    whole = yaml.safe_load((written / "alerts" / "prometheusrule.yml").read_bytes())
    assert whole["metadata"]["annotations"] == {"net-exporter/registry": registry_hash}


def test_the_other_dialect_asks_for_no_metric_of_this_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert generate.main(["--out", str(out), "--naming", "inspector", "--only", "dashboards,alerts,scrape"]) == 0
    files = content(out)
    assert b"record: kubeskoop_" in files.pop("alerts/migration.yml"), "which is there to give the names of this one"
    # Descriptions may compare with a metric by its usual name; queries, rules and labels may not.
    text = b"\n".join(re.sub(rb'"description": "(?:[^"\\]|\\.)*"', b"", each) for each in files.values())
    assert b"inspector_pod_udpnoports" in text
    assert b"kubeskoop_" not in text
    assert b"k8s_pod" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--chekc"], "unknown option '--chekc'; did you mean '--check'?"),
        (["--only", "alert"], "unknown subject 'alert'; did you mean 'alerts'?"),
        (["--naming", "inspektor"], "unknown naming 'inspektor'; did you mean 'inspector'?"),
        (["--out"], "argument --out: expected one argument"),
    ],
)
def test_a_mistake_is_one_line_with_the_nearest_word(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert generate.main(arguments) == 2
    assert capsys.readouterr() == ("", f"generate.py: {message}\n")


def test_a_folder_that_is_no_bundle_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "alerts").mkdir()
    (tmp_path / "alerts" / "mine.yml").write_text("keep me", "utf-8")
    assert generate.main(["--out", str(tmp_path), "--only", "alerts"]) == 2
    assert "is neither empty nor a bundle" in capsys.readouterr().err
    assert content(tmp_path) == {"alerts/mine.yml": b"keep me"}


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    assert generate.main(["--out", str(tmp_path / "file" / "out"), "--only", "scrape"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("generate.py: cannot write ")
    assert error.count("\n") == 1


def test_it_needs_no_root(tmp_path: Path) -> None:
    """Without a single capability, and with none to gain; the user stays, so that it may read its own sources."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() == 0 and setpriv is None:
        pytest.skip("setpriv (util-linux) is not installed")
    drop = [setpriv, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"] if os.geteuid() == 0 else []
    held = "import re, pathlib; print(*re.findall(r'CapEff:.*', pathlib.Path('/proc/self/status').read_text()))"
    code = f"{held}; import generate, sys; sys.exit(generate.main(sys.argv[1:]))"
    command = [*drop, sys.executable, "-c", code, "--out", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("CapEff:\t0000000000000000\n")
    assert (tmp_path / "out" / "index.json").is_file()


def test_it_needs_no_linux(tmp_path: Path, written: Path) -> None:
    done = run("-B", "-c", LINUX_ONLY, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert content(tmp_path / "out") == content(written)


def test_links_lead_where_they_are_told(tmp_path: Path) -> None:
    out = tmp_path / "out"
    links = ["--grafana-url", "https://grafana.example.com/", "--runbooks", "https://docs.example.com/runbooks"]
    assert generate.main(["--out", str(out), "--only", "alerts", *links]) == 0
    text = (out / "alerts" / "rules" / "udp.yml").read_text("utf-8")
    assert "https://grafana.example.com/d/net-exporter-udp?" in text
    assert "runbook_url: https://docs.example.com/runbooks/NetUdpSendBufferErrors.md\n" in text


def test_help_says_what_it_writes() -> None:
    done = run("generate.py", "--help")
    assert done.returncode == 0
    told = re.sub(r"\s+", "", done.stdout)  # long words are broken where a line ends
    for word in ("bundle/", "--check", "--only", "--naming", "--out", "dashboards,scrape,arms,alerts,docs"):
        assert word in told
