"""What tests of several folders need."""

import pytest


@pytest.fixture
def tiny_yolo(tmp_path):
    """Writes an ONNX file that gives the same findings for every picture, whatever its size, and says what it holds."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    def write(name, findings, about=None):
        """Each finding: cx, cy, w, h, then class scores and whatever the kind of network appends."""
        table = np.asarray(findings, np.float32).T[None]
        nodes = [
            helper.make_node("GlobalAveragePool", ["images"], ["pooled"]),
            helper.make_node("ReduceMean", ["pooled"], ["mean"], axes=[1, 2], keepdims=1),
            helper.make_node("Squeeze", ["mean", "last"], ["flat"]),
            helper.make_node("Mul", ["flat", "zero"], ["nothing"]),
            helper.make_node("Add", ["nothing", "table"], ["findings"]),
        ]
        graph = helper.make_graph(
            nodes,
            "tiny",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, "height", "width"])],
            [helper.make_tensor_value_info("findings", TensorProto.FLOAT, ["batch", table.shape[1], table.shape[2]])],
            [
                numpy_helper.from_array(np.asarray([3], np.int64), "last"),
                numpy_helper.from_array(np.zeros(1, np.float32), "zero"),
                numpy_helper.from_array(table, "table"),
            ],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        helper.set_model_props(model, about or {})
        path = tmp_path / name
        path.write_bytes(model.SerializeToString())
        return path

    return write
