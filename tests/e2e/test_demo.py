"""The whole story, told once by the command that newcomers run."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest

from service.demo import run
from service.demo.folder import MARK, fresh

COMMAND = [sys.executable, "-c", "from connectors.cli import main; main()", "demo"]
CHARTS = ("council-by-month.svg", "part-of-day.svg")
SVG = "{http://www.w3.org/2000/svg}"


def answers(address: str) -> bool:
    where = urlsplit(address)
    try:
        socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=1).close()
    except OSError:
        return False
    return True


def test_the_demo_tells_the_whole_story(tmp_path: Path) -> None:
    out = tmp_path / "demo-output"
    command = [*COMMAND, "--once", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=300)
    said = done.stdout
    assert (done.returncode, done.stderr) == (0, ""), said[-2000:]
    assert max(map(len, said.splitlines())) <= 100

    error = re.search(r"median 95% half-width ([\d.]+)% of the value", said)
    assert error is not None
    assert float(error[1]) < 15
    for line in (
        "avon-somerset-serious-violence is in force, signed by all 12 parties",
        "Refused with 422 extract_refused",
        "✓ no value stands in the error",
        "✓ the same receipt again",
        "✓ nothing was charged",
        "✓ Bristol saw Bristol alone",
        "Refused with 403 not_granted",
        "grants/5/link: ",
        "Refused with 403 over_request_cap",
        "✓ it extends the remembered checkpoint",
        "root_mismatch",
    ):
        assert line in said, line
    assert re.search(r"✓ verified: \d+ entries", said)

    for chart in CHARTS:
        root = ET.parse(out / "charts" / chart).getroot()  # noqa: S314 - our own drawing
        assert root.tag == f"{SVG}svg"
        assert not list(root.iter(f"{SVG}script"))
    assert len(list((out / "receipts").iterdir())) == 5
    names = {path.stem for path in (out / "questions").iterdir()}
    assert {path.stem for path in (out / "releases").iterdir()} == names
    release = json.loads((out / "releases" / "council-by-month.json").read_bytes())
    assert len(release["rows"]) == 30
    assert (out / "releases" / "council-by-month.csv").read_text().count("\n") == 31
    assert all((out / name).stat().st_size for name in ("log.ndjson", "checkpoint.txt", "log-key.txt"))
    assert not answers(json.loads((out / "state" / "clients.json").read_text())["base_url"])


def test_a_demo_that_is_told_to_end_takes_its_broker_along(tmp_path: Path) -> None:
    clients = tmp_path / "out" / "state" / "clients.json"
    command = [*COMMAND, "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as demo:
        deadline = time.monotonic() + 60
        while not clients.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        address = json.loads(clients.read_text())["base_url"]
        assert answers(address)
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(60) == 143
    assert not answers(address)


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert run(tmp_path, once=True) == 1
    assert "was not made by a demo and is left alone" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_two_demos_do_not_share_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fresh(tmp_path / "out") as out:
        (out / "left").write_text("")
        assert run(out, once=True) == 1
        assert "another demo is at work" in capsys.readouterr().err
        assert (out / "left").exists()
    with fresh(out):
        assert [path.name for path in out.iterdir()] == [MARK]
