"""The built wheel is what people install, so it is tested apart from the source tree."""

import os
import re
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "requirements"
PACKAGES = ("service", "connectors", "schemas", "agreements")


def run(*command: str | Path, cwd: Path) -> str:
    """Run without the variables that could let the source tree in; fail with what was said."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def requirements(lock: Path) -> list[Requirement]:
    """Read a lock's pinned distributions, without their hashes."""
    lines = re.findall(r"^[a-z0-9-]+==[^\\\n]+", lock.read_text(), flags=re.MULTILINE)
    return [Requirement(line) for line in lines]


def install(wheel: Path, lock: Path, folder: Path) -> Path:
    """Make an environment of links to our copies of a lock's distributions, and the wheel."""
    venv.create(folder, symlinks=True, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    for wanted in requirements(lock):
        if wanted.marker is None or wanted.marker.evaluate():
            ours = distribution(wanted.name)
            for top in {file.parts[0] for file in ours.files or ()} - {"..", "__pycache__"}:
                if not (site / top).is_symlink():
                    (site / top).symlink_to(str(ours.locate_file(top)))
    pip = (sys.executable, "-m", "pip", "--python", folder, "install", "--quiet", "--no-index", "--no-deps")
    run(*pip, wheel, cwd=folder)
    return folder / "bin"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def agency(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``pip install concordat`` gives."""
    return install(wheel, LOCKS / "base.txt", tmp_path_factory.mktemp("agency"))


@pytest.fixture(scope="module")
def broker(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``pip install 'concordat[service]'`` gives."""
    return install(wheel, LOCKS / "service.txt", tmp_path_factory.mktemp("broker"))


def test_the_wheel_holds_every_file_of_the_four_packages_and_nothing_else(wheel: Path) -> None:
    there = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == there


@pytest.mark.parametrize(
    "pattern",
    [
        r"schemas/datasets/.+\.json",
        r"schemas/codelists/.+\.json",
        r"schemas/hierarchies/.+\.json",
        r"schemas/profiles/.+\.json",
        r"agreements/.+\.yaml",
        r"service/storage/migrations/.+\.py",
        r"concordat-.+\.dist-info/licenses/LICENSE",
    ],
)
def test_the_wheel_carries_what_the_code_reads(wheel: Path, pattern: str) -> None:
    assert any(re.fullmatch(pattern, name) for name in zipfile.ZipFile(wheel).namelist())


def test_the_wheel_bears_the_version_of_this_project(wheel: Path) -> None:
    assert wheel.name == f"concordat-{distribution('concordat').version}-py3-none-any.whl"


def test_the_installed_packages_are_the_wheels_own(agency: Path, tmp_path: Path) -> None:
    names = ", ".join(PACKAGES)
    script = f"import {names}\nfor package in ({names}): print(*package.__path__)"
    places = run(agency / "python", "-c", script, cwd=tmp_path).split()
    assert len(places) == len(PACKAGES)
    assert all(Path(place).is_relative_to(agency.parent) for place in places)


def test_an_agency_gets_its_commands_from_the_few_dependencies_alone(agency: Path, tmp_path: Path) -> None:
    told = run(agency / "concordat", "--help", cwd=tmp_path)
    assert "push" in told
    assert "serve" not in told


def test_the_service_adds_its_commands(broker: Path, tmp_path: Path) -> None:
    told = run(broker / "concordat", "--help", cwd=tmp_path)
    assert "push" in told
    assert "serve" in told


@pytest.mark.parametrize("lock", sorted(LOCKS.glob("*.txt")), ids=lambda lock: lock.stem)
def test_a_lock_is_hashed_throughout_and_names_no_index_and_no_machine(lock: Path) -> None:
    pins = re.split(r"\n(?=[a-z0-9])", lock.read_text())
    assert len(pins) == len(requirements(lock))
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "://" not in lock.read_text()
    assert not re.search(r"(?m)^\s*--(?!hash=)|\s/\w", lock.read_text())
