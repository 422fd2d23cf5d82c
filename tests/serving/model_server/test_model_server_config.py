"""ModelServerConfig: from a file, and by HandleReloadConfigRequest."""

import grpc
import numpy as np
import pytest
from google.protobuf import text_format

from kakeai.errors import KakeaiError
from kakeai.protos.tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from kakeai.protos.tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig
from serving.model_server.catalogue import Catalogue
from serving.model_server.client import PredictError, predict
from serving.model_server.config import All, Latest, ServedModel, Specific, read_config_file
from serving.model_server.server import ModelServer

INPUTS = {"x": np.ones((1, 3), np.float32), "k": np.array([2], np.int32)}


def test_a_config_file(tmp_path):
    path = tmp_path / "models.config"
    path.write_text(
        """
        model_config_list {
          config { name: "a" base_path: "/store/a" model_platform: "tensorflow" }
          config {
            name: "b" base_path: "gs://store/b"
            model_version_policy { specific { versions: 3 versions: 5 } }
            version_labels { key: "stable" value: 3 }
            version_labels { key: "canary" value: 5 }
          }
          config { name: "c" base_path: "/store/c" model_version_policy { latest { num_versions: 2 } } }
          config { name: "d" base_path: "/store/d" model_version_policy { all {} } }
        }
        """
    )
    assert read_config_file(path) == [
        ServedModel("a", "/store/a", Latest(1)),
        ServedModel("b", "gs://store/b", Specific((3, 5)), {"stable": 3, "canary": 5}),
        ServedModel("c", "/store/c", Latest(2)),
        ServedModel("d", "/store/d", All()),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model_config_list { config { nam: 'a' } }", 'no field named "nam"'),
        ("", "not supported"),
        ("model_config_list { config { base_path: '/a' } }", "has no name"),
        ("model_config_list { config { name: 'a' base_path: 'a' } }", "absolute path or URI"),
        (
            "model_config_list { config { name: 'a' base_path: '/a' model_platform: 'torch' } }",
            "platform torch",
        ),
        (
            "model_config_list { config { name: 'a' base_path: '/a' } config { name: 'a' base_path: '/b' } }",
            "model a multiple times",
        ),
    ],
)
def test_a_config_file_that_cannot_be_served(tmp_path, text, words):
    path = tmp_path / "models.config"
    path.write_text(text)
    with pytest.raises(KakeaiError, match=words):
        read_config_file(path)


def test_a_config_file_that_is_not_there(tmp_path):
    with pytest.raises(KakeaiError, match="cannot be read"):
        read_config_file(tmp_path / "none")


def test_two_models_of_one_name(tmp_path):
    with pytest.raises(KakeaiError, match="multiple times"):
        ModelServer([ServedModel("a", tmp_path), ServedModel("a", tmp_path)])


def test_what_the_watcher_saw_of_the_old_folder_is_no_longer_wanted(tmp_path):
    old, new = ServedModel("reel", tmp_path / "old"), ServedModel("reel", tmp_path / "new")
    catalogue = Catalogue([old], on_change=lambda _: None)
    catalogue.replace([new])  # while the old folder was being read
    catalogue.want(old, {1: tmp_path / "old" / "1"}, trouble="")
    assert catalogue.next_to_load("reel") is None
    catalogue.want(new, {1: tmp_path / "new" / "1"}, trouble="")
    assert catalogue.next_to_load("reel").folder == tmp_path / "new" / "1"


@pytest.fixture
def store(tmp_path, release):
    for name, numbers in {"reel": (1, 2), "jig": (3,)}.items():
        (tmp_path / name).mkdir()
        for number in numbers:
            release(tmp_path / name, number)
    return tmp_path


def reload(client, text):
    request = ReloadConfigRequest(config=text_format.Parse(text, ModelServerConfig()))
    return client.models.HandleReloadConfigRequest(request, timeout=60)


def refused(client, text):
    with pytest.raises(grpc.RpcError) as caught:
        reload(client, text)
    return caught.value.code(), caught.value.details()


def entry(name, path, more=""):
    return f'config {{ name: "{name}" base_path: "{path}" model_platform: "tensorflow" {more} }}'


def number(client, model, version=None):
    return int(predict(client.address, model, INPUTS, version=version)["number"])


def test_reload_adds_and_drops_models(serve, store):
    client = serve(ServedModel("reel", store / "reel"))
    client.server.wait_until_available("reel", timeout_seconds=60)
    both = entry("reel", store / "reel") + entry("jig", store / "jig")
    assert reload(client, f"model_config_list {{ {both} }}").status.error_code == 0
    assert (number(client, "reel"), number(client, "jig")) == (
        2,
        3,
    )  # at once: the answer came after the load
    reload(client, f"model_config_list {{ {entry('jig', store / 'jig')} }}")
    with pytest.raises(PredictError, match=r"Servable not found for request: Latest\(reel\) \(NOT_FOUND\)"):
        number(client, "reel")
    assert number(client, "jig") == 3


def test_reload_works_without_polling(serve, store):
    client = serve(poll_seconds=0)
    reload(client, f"model_config_list {{ {entry('jig', store / 'jig')} }}")
    assert number(client, "jig") == 3


def test_reload_changes_the_policy_and_the_folder(serve, store, eventually):
    client = serve(ServedModel("tune", store / "reel"))
    client.server.wait_until_available("tune", timeout_seconds=60)
    policy = "model_version_policy { specific { versions: 1 } }"
    reload(client, f"model_config_list {{ {entry('tune', store / 'reel', policy)} }}")
    assert number(client, "tune") == 1
    eventually(lambda: client.states("tune") == {2: "END", 1: "AVAILABLE"})
    reload(client, f"model_config_list {{ {entry('tune', store / 'jig')} }}")
    assert number(client, "tune") == 3
    with pytest.raises(PredictError, match=r"Specific\(tune, 1\)"):
        number(client, "tune", version=1)


def test_reload_moves_a_label_to_an_available_version_only(serve, store):
    client = serve(ServedModel("reel", store / "reel", All(), {"stable": 1}))
    client.server.wait_until_available("reel", timeout_seconds=60)

    def labelled(version):
        more = f'model_version_policy {{ all {{}} }} version_labels {{ key: "stable" value: {version} }}'
        return f"model_config_list {{ {entry('reel', store / 'reel', more)} }}"

    reload(client, labelled(2))
    assert refused(client, labelled(7)) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "Request to assign label to version 7 of model reel, which is not currently available for inference",
    )
    assert number(client, "reel", version=2) == 2


def test_reload_tells_what_did_not_become_available(serve, store):
    client = serve(ServedModel("reel", store / "reel"))
    client.server.wait_until_available("reel", timeout_seconds=60)
    both = entry("reel", store / "reel") + entry("polka", store / "polka")
    code, message = refused(client, f"model_config_list {{ {both} }}")
    assert code == grpc.StatusCode.UNKNOWN
    assert message.startswith("1 model(s) did not become available: {{polka: The model's folder")
    assert number(client, "reel") == 2


@pytest.mark.parametrize(
    "text", ["", "model_config_list { config { name: 'a' base_path: 'here' model_platform: 'tensorflow' } }"]
)
def test_reload_of_what_cannot_be_served_changes_nothing(serve, store, text):
    client = serve(ServedModel("reel", store / "reel"))
    client.server.wait_until_available("reel", timeout_seconds=60)
    code, _ = refused(client, text)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert number(client, "reel") == 2
