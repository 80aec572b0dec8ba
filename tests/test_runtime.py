"""OpenVINO's door: what is computed does not depend on how many compute."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from amogus_search import runtime

onnx = pytest.importorskip("onnx")


def network(*nodes):
    """A network of (operation, inputs, output), from `x` of (1, 3, 8, 8) to `y`."""
    from onnx import TensorProto, helper

    shape = [1, 3, 8, 8]
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [output]) for kind, inputs, output in nodes],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()


def kinds(model):
    return [node.get_type_name() for node in model.get_ordered_ops()]


@pytest.mark.parametrize("inputs", [["x", "gate"], ["gate", "x"]])
def test_a_number_times_its_own_gate_becomes_one_operation(inputs):
    swish = runtime.with_swish(runtime.read_network(network(("Sigmoid", ["x"], "gate"), ("Mul", inputs, "y"))))
    assert "Swish" in kinds(swish)
    assert "Multiply" not in kinds(swish)
    x = np.linspace(-6, 6, 192, dtype=np.float32).reshape(1, 3, 8, 8)
    model, constants = runtime.network_files(swish)
    (y,) = runtime.compile_onnx(model, constants=constants).run({"x": x}).values()
    np.testing.assert_allclose(y, x / (1 + np.exp(-x)), atol=1e-5)


def test_the_gate_of_another_number_stays_as_it_is():
    model = network(("Exp", ["x"], "other"), ("Sigmoid", ["other"], "gate"), ("Mul", ["x", "gate"], "y"))
    assert "Swish" not in kinds(runtime.with_swish(runtime.read_network(model)))


def test_threads_that_ask_at_once_get_each_its_own_answer():
    """Four ask two streams, again and again, so that some wait."""
    compiled = runtime.compile_onnx(network(("Relu", ["x"], "half"), ("Add", ["x", "half"], "y")), streams=2)

    def ask(number):
        x = np.full((1, 3, 8, 8), number, np.float32)
        (y,) = compiled.run({"x": x}).values()
        return float(y.min()), float(y.max())

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, range(200))) == [(2.0 * number, 2.0 * number) for number in range(200)]


def test_an_input_that_is_not_contiguous_is_read_as_it_looks():
    compiled = runtime.compile_onnx(network(("Identity", ["x"], "y")))
    x = np.random.default_rng(1).random((1, 8, 8, 3), np.float32).transpose(0, 3, 1, 2)
    (y,) = compiled.run({"x": x}).values()
    np.testing.assert_array_equal(y, x)


def test_an_answer_stays_as_it_is_when_the_next_is_asked_for():
    compiled = runtime.compile_onnx(network(("Identity", ["x"], "y")))
    zeros, ones = np.zeros((1, 3, 8, 8), np.float32), np.ones((1, 3, 8, 8), np.float32)
    (first,) = compiled.run({"x": zeros}).values()
    compiled.run({"x": ones})
    np.testing.assert_array_equal(first, zeros)
