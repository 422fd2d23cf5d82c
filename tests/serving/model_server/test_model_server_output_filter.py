"""Requests that choose among a model's outputs: what they get, and what the server keeps for them."""

from itertools import chain, combinations, islice

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from serving.model_server.batching_parameters import BatchingParameters
from serving.model_server.metrics import Metrics
from serving.model_server.scheduler import Scheduler
from serving.model_server.servable import Servable

NAMES = [f"times_{number:02}" for number in range(12)]  # 4,095 sets of outputs
INPUTS = {"x": tf.make_tensor_proto(np.array([1, 2, 3], np.int32))}


class ManyOutputs(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="x")])
    def multiply(self, x):
        return {name: x * number for number, name in enumerate(NAMES)}


@pytest.fixture(scope="module", params=[None, BatchingParameters()], ids=["alone", "batching"])
def loaded(request, tmp_path_factory):
    """A servable of many outputs, and the scheduler behind it."""
    folder = tmp_path_factory.mktemp("many")
    model = ManyOutputs()
    tf.saved_model.save(model, str(folder), signatures={"serving_default": model.multiply})
    scheduler = Scheduler(2)
    scheduler.start()
    servable = Servable("many", folder, scheduler, request.param, Metrics())
    yield servable, scheduler
    servable.close()
    scheduler.stop()
    scheduler.join()


@given(asked=st.lists(st.sampled_from(NAMES), unique=True))
def test_chosen_outputs_are_those_of_the_whole_answer(loaded, asked):
    servable, _ = loaded
    whole = servable.predict("", INPUTS)
    chosen = servable.predict("", INPUTS, asked)
    assert chosen == {name: whole[name] for name in asked or NAMES}
    for name, tensor in chosen.items():
        assert tf.make_ndarray(tensor).tolist() == [n * NAMES.index(name) for n in (1, 2, 3)]


def test_thousands_of_sets_of_outputs_make_one_queue(loaded):
    servable, scheduler = loaded
    sets = chain.from_iterable(combinations(NAMES, size) for size in range(1, len(NAMES)))
    for asked in islice(sets, 3000):
        servable.predict("", INPUTS, asked)
    assert len(scheduler._queues) == 1
