"""What bad input gets: one sentence that says what to do, exit status 2, no traceback, nothing half-written."""

import socket

import pytest


def refused(ran, told):
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr + ran.stdout
    assert told in " ".join((ran.stderr + ran.stdout).split())


@pytest.fixture
def empty(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


@pytest.fixture
def taken():
    """A port that another program uses."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield str(listening.getsockname()[1])


def test_an_empty_corpus(kakeai, empty, tmp_path):
    refused(kakeai("ingest", str(empty), "--output", str(tmp_path / "out")), "no music")
    assert not (tmp_path / "out").exists()
    places = ["--store", str(tmp_path / "store"), "--work", str(tmp_path / "work")]
    refused(kakeai("pipeline", "run", "--corpus", str(empty), *places), "no music")
    refused(kakeai("pipeline", "run", "--corpus", str(tmp_path / "none"), *places), "there is no ")
    assert not (tmp_path / "store").exists()


def test_a_corpus_without_a_usable_melody(kakeai, corpus, tmp_path):
    from kakeai.music.midi import Track, write_midi
    from kakeai.music.score import make_notes

    folder = tmp_path / "corpus"
    folder.mkdir()
    notes = make_notes([(60, 90, 0.0, 1.0), (62, 90, 1.0, 2.0)])
    (folder / "short.mid").write_bytes(write_midi([Track("melody", notes)]))
    places = ["--store", str(tmp_path / "store"), "--work", str(tmp_path / "work")]
    refused(kakeai("pipeline", "run", "--corpus", str(folder), *places), "no melody can be used")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["--config", "jazz_rnn"], "unknown config 'jazz_rnn'; choose one of basic_rnn, mono_rnn"),
        (["--hparams", "speed=9"], "unknown hparam 'speed=9'; known are batch_size"),
        (["--hparams", "batch_size=big"], "hparam batch_size must be a whole number, not 'big'"),
    ],
)
def test_a_bad_setting_is_refused_at_once(kakeai, corpus, tmp_path, settings, told):
    places = ["--store", str(tmp_path / "store"), "--work", str(tmp_path / "work")]
    refused(kakeai("pipeline", "run", "--corpus", str(corpus), *places, *settings), told)
    assert not (tmp_path / "work").exists()


# What there is to play is reported before the port, so that no free port is needed to learn of it.


def test_what_is_no_bundle(kakeai, tmp_path, taken):
    (tmp_path / "noise.mag").write_bytes(b"\x00 not a bundle")
    for command in (["generate"], ["serve", "--port", taken]):
        refused(kakeai(*command, "--bundle", str(tmp_path / "noise.mag")), "is not a Magenta bundle")
        refused(kakeai(*command, "--bundle", str(tmp_path / "none")), "there is no bundle")


def test_a_store_without_a_model(kakeai, empty, taken):
    serve = ["serve", "--port", taken]
    refused(kakeai(*serve, "--store", str(empty)), "has no model; fill it with `kakeai pipeline run")
    refused(kakeai(*serve), "give one of --store")


def test_a_port_in_use(kakeai, tmp_path, taken):
    version = tmp_path / "store" / "reel" / "1"
    version.mkdir(parents=True)
    (version / "saved_model.pb").touch()
    store = ["--store", str(tmp_path / "store")]
    refused(kakeai("serve", *store, "--port", taken, "--model", "jig"), "has no model 'jig'; it has reel")
    refused(kakeai("serve", *store, "--port", taken), "choose another with --port")


def test_help_is_quick_to_read_and_shows_examples(kakeai):
    for command in ("ingest", "convert", "train", "evaluate", "bundle", "release", "generate", "serve"):
        ran = kakeai(command, "--help")
        assert ran.returncode == 0
        assert f"kakeai {command}" in ran.stdout.split("Example", 1)[1]
