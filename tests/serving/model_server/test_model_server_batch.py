"""Several requests merged into one run, and its outputs split again."""

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from serving.model_server.batch import merge, rows_of, run_batch, share
from serving.model_server.batching_parameters import BatchingParameters
from serving.model_server.refusal import Refusal
from serving.model_server.task import Task

PADDING = BatchingParameters(pad_variable_length_inputs=True)

ragged = st.integers(0, 3).flatmap(
    lambda rank: st.lists(
        hnp.arrays(np.int32, hnp.array_shapes(min_dims=rank + 1, max_dims=rank + 1, max_side=4)),
        min_size=1,
        max_size=6,
    )
)


@given(ragged, st.sampled_from([(), (8, 32), (32,)]))
def test_padding_repeats_the_first_value_and_splitting_undoes_merging(tensors, allowed):
    parameters = BatchingParameters(
        max_batch_size=32, allowed_batch_sizes=allowed, pad_variable_length_inputs=True
    )
    rows = [len(tensor) for tensor in tensors]
    merged = merge([[tensor] for tensor in tensors], parameters)[0]
    assert len(merged) == parameters.allowed(sum(rows))
    assert merged.shape[1:] == tuple(np.max([tensor.shape[1:] for tensor in tensors], axis=0))
    for tensor, end in zip(tensors, np.cumsum(rows), strict=True):
        (part,) = share([merged], slice(end - len(tensor), end), len(merged))
        inside = tuple(slice(size) for size in tensor.shape)
        np.testing.assert_array_equal(part[inside], tensor)
        padding = np.ones(part.shape, bool)
        padding[inside] = False
        assert (part[padding] == tensor.flat[0]).all()
    filled = merged[sum(rows) :]
    np.testing.assert_array_equal(filled, np.repeat(merged[sum(rows) - rows[-1]][None], len(filled), axis=0))


def test_strings_are_padded_too():
    words = [np.array([[b"a", b"b"]], object), np.array([[b"c"]], object)]
    assert merge([[each] for each in words], PADDING)[0].tolist() == [[b"a", b"b"], [b"c", b"c"]]


@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        ([], "Batching Run() must have at least one input tensor"),
        ([np.array(1)], "Batching Run() input tensors must have at least one dimension"),
        ([np.ones(2), np.ones(3)], "Batching Run() input tensors must have equal 0th-dimension size"),
    ],
)
def test_what_cannot_be_batched_is_refused_in_tf_servings_words(feeds, words):
    with pytest.raises(Refusal) as caught:
        rows_of(feeds)
    assert (caught.value.code, caught.value.message) == (grpc.StatusCode.INVALID_ARGUMENT, words)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (np.array(1), "Batched output tensor has 0 dimensions"),
        (
            np.ones(3),
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
            "tensors",
        ),
    ],
)
def test_outputs_without_rows_are_refused_in_tf_servings_words(output, words):
    with pytest.raises(Refusal) as caught:
        share([output], slice(1), 2)
    assert (caught.value.code, caught.value.message) == (grpc.StatusCode.FAILED_PRECONDITION, words)


def test_without_padding_only_equal_shapes_share_a_run():
    tasks = [Task([np.full((1, width), width)]) for width in (2, 3, 2)]
    widths = []

    def run(feeds, _deadline):
        widths.append(feeds[0].shape)
        return feeds

    run_batch(tasks, run, BatchingParameters())
    assert sorted(widths) == [(1, 3), (2, 2)]
    assert [task.result()[0].tolist() for task in tasks] == [[[2, 2]], [[3, 3, 3]], [[2, 2]]]


def test_each_task_gets_the_outputs_it_asks_for_and_is_refused_for_those_alone():
    """Here output 1 cannot be split."""
    tasks = [Task([np.full(1, n)], positions=p) for n, p in enumerate([[0], [2, 0], None, [1], []])]
    run_batch(tasks, lambda feeds, _: [feeds[0], np.array(7), -feeds[0]], PADDING)
    assert [task.result() for task in tasks[:2]] == [[np.array([0])], [np.array([-1]), np.array([1])]]
    for task in tasks[2:4]:
        with pytest.raises(Refusal, match="Batched output tensor has 0 dimensions"):
            task.result()
    assert tasks[4].result() == []


def test_a_run_ends_at_its_latest_deadline():
    tasks = [Task([np.ones(1)], deadline=deadline) for deadline in (3.0, 7.0, 5.0)]
    deadlines = []
    run_batch(tasks, lambda feeds, deadline: (deadlines.append(deadline), feeds)[1], PADDING)
    assert deadlines == [7.0]
