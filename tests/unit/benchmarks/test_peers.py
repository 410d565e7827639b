import re

import pytest

from benchmarks import environments
from benchmarks.environments import CEDAR, OPENDP, PEERS, SMARTNOISE, Peer, Skipped


@pytest.mark.parametrize("peer", [SMARTNOISE, OPENDP, CEDAR], ids=lambda peer: peer.script)
def test_every_requirement_of_a_peer_has_a_hash_and_no_address(peer):
    assert (PEERS / peer.script).exists()
    for lock in peer.locks:
        text = (PEERS / lock).read_text()
        assert "://" not in text
        assert "--index" not in text
        for requirement in re.split(r"\n(?=\S)", text.strip()):
            assert re.match(r"[a-z0-9-]+==\S+", requirement)
            assert "--hash=sha256:" in requirement


def test_a_peer_that_cannot_install_is_skipped_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "PEERS", tmp_path)
    (tmp_path / "broken.txt").write_text("this is no requirement\n")
    peer = Peer("a peer", "script.py", ("broken.txt",))
    with pytest.raises(Skipped, match="a peer cannot be installed here: "):
        peer.run(tmp_path / "cache")


def test_a_peer_that_fails_is_skipped_with_the_last_line_it_said(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "PEERS", tmp_path)
    (tmp_path / "script.py").write_text("raise SystemExit('no such luck')")
    peer = Peer("a peer", "script.py", ())
    with pytest.raises(Skipped, match="a peer failed: no such luck"):
        peer.run(tmp_path / "cache")


def test_a_peer_tells_json_and_its_environment_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "PEERS", tmp_path)
    (tmp_path / "script.py").write_text("import json, sys; print(json.dumps({'arguments': sys.argv[1:]}))")
    peer = Peer("a peer", "script.py", ())
    assert peer.run(tmp_path / "cache", "1", "2") == {"arguments": ["1", "2"]}
    (made,) = (tmp_path / "cache" / "peers").iterdir()
    stamp = (made / "installed").stat().st_mtime_ns
    peer.run(tmp_path / "cache")
    assert (made / "installed").stat().st_mtime_ns == stamp
