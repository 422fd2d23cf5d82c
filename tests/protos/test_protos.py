"""The generated messages are up to date, and those of TensorFlow and TF Serving are the official ones."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2] / "kakeai" / "protos"


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """What `make protos` writes, made in a process of its own: it loads the official messages."""
    folder = tmp_path_factory.mktemp("protos")
    program = f"from pathlib import Path; from kakeai.protos.generate import generate; generate(Path({str(folder)!r}))"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    return folder


def _modules(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*/*.py*") if "pb2" in path.name
    }


def test_the_modules_are_those_that_are_generated(generated):
    assert _modules(HERE) == _modules(generated), "renew them with: make protos"


def test_every_descriptor_is_the_official_one_byte_by_byte():
    # In a process of its own, or both would be one object in protobuf's pool.
    program = (
        "from kakeai.protos.generate import official_files\n"
        "for file in official_files(): print(file.name, file.serialized_pb.hex())"
    )
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    official = dict(line.split() for line in ran.stdout.splitlines())
    ours = {}
    for path in HERE.glob("*/**/*_pb2.py"):
        if path.parent.name != "kakeai":
            module = path.relative_to(HERE).with_suffix("").as_posix().replace("/", ".")
            file = import_module(f"kakeai.protos.{module}").DESCRIPTOR
            ours[file.name] = file.serialized_pb.hex()
    assert len(ours) > 50
    assert ours == {name: content for name, content in official.items() if not name.startswith("google/")}


def test_they_are_loaded_without_tensorflow():
    program = (
        "import sys\n"
        "from kakeai.protos.tensorflow_serving.apis import prediction_service_pb2_grpc, prediction_log_pb2\n"
        "print(sorted({'tensorflow', 'tensorflow_serving'} & sys.modules.keys()))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


@pytest.mark.parametrize("first", ["kakeai.protos.tensorflow_serving", "tensorflow_serving"])
def test_ours_and_the_official_ones_share_a_process_in_either_order(first):
    second = {"tensorflow_serving": "kakeai.protos.tensorflow_serving"}.get(first, "tensorflow_serving")
    program = (
        f"from {first}.apis.predict_pb2 import PredictRequest as one\n"
        f"from {second}.apis.predict_pb2 import PredictRequest as other\n"
        "assert other.FromString(one(output_filter=['a']).SerializeToString()).output_filter == ['a']"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_our_own_messages_have_the_numbers_of_the_originals():
    from note_seq.protobuf import generator_pb2, music_pb2
    from tensorflow.core.example import example_pb2, feature_pb2

    from kakeai.protos.kakeai import formats_pb2

    originals = {
        "Example": example_pb2.Example,
        "Features": feature_pb2.Features,
        "FeatureEntry": feature_pb2.Features.FeatureEntry,
        "Feature": feature_pb2.Feature,
        "BytesList": feature_pb2.BytesList,
        "NoteSequence": music_pb2.NoteSequence,
        "TimeSignature": music_pb2.NoteSequence.TimeSignature,
        "KeySignature": music_pb2.NoteSequence.KeySignature,
        "Tempo": music_pb2.NoteSequence.Tempo,
        "GeneratorBundle": generator_pb2.GeneratorBundle,
        "GeneratorDetails": generator_pb2.GeneratorDetails,
    }
    assert originals.keys() == set(formats_pb2.DESCRIPTOR.message_types_by_name)
    for name, original in originals.items():
        theirs = {field.name: field.number for field in original.DESCRIPTOR.fields}
        for field in getattr(formats_pb2, name).DESCRIPTOR.fields:
            assert theirs[field.name] == field.number, (name, field.name)
