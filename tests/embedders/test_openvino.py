from collections.abc import Mapping

import numpy as np
import pytest

from amogus_search.embedders.openvino import CROP_PX, OpenVinoEmbedder, load, square_crop
from amogus_search.embedders.words import Verifier, WordList, to_json
from amogus_search.errors import AmogusError, UsageError, WeightsError

onnx = pytest.importorskip("onnx")
helper, TensorProto = onnx.helper, onnx.TensorProto

WORDS = WordList(("red", "green", "blue"), {}, frozenset({"a"}), 4)
VERIFIER = Verifier(np.eye(1, 3, dtype=np.float32), np.eye(1, 3, 1, dtype=np.float32))


def colour_model() -> bytes:
    """An image tower whose vector is the crop's mean colour."""
    nodes = [
        helper.make_node("Cast", ["images"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real"], ["vectors"], axes=[1, 2], keepdims=0),
    ]
    return model(nodes, ("images", TensorProto.UINT8, ["b", CROP_PX, CROP_PX, 3]))


def word_model() -> bytes:
    """A text tower whose vector counts the colour words."""
    table = onnx.numpy_helper.from_array(np.vstack([np.zeros((2, 3)), np.eye(3)]).astype(np.float32), "table")
    nodes = [
        helper.make_node("Gather", ["table", "words"], ["each"]),
        helper.make_node("ReduceMean", ["each"], ["vectors"], axes=[1], keepdims=0),
    ]
    return model(nodes, ("words", TensorProto.INT64, ["b", 4]), [table])


def model(nodes: list, inputs: tuple, initializers: list = ()) -> bytes:  # type: ignore[assignment,type-arg]
    graph = helper.make_graph(
        nodes,
        "tower",
        [helper.make_tensor_value_info(*inputs)],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["b", 3])],
        list(initializers),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


@pytest.fixture(scope="module")
def files() -> Mapping[str, bytes]:
    return {"image": colour_model(), "text": word_model(), "words": to_json(WORDS, VERIFIER).encode()}


@pytest.fixture(scope="module")
def embedder(files: Mapping[str, bytes]) -> OpenVinoEmbedder:
    return load(files, name="amogus", threads=1)


def crops(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.integers(1, 256, (20 + 7 * i, 33, 3), dtype=np.uint8) for i in range(count)]


def test_crops_of_any_size_become_unit_vectors_in_order(embedder: OpenVinoEmbedder) -> None:
    red, blue = np.zeros((9, 30, 3), np.uint8), np.zeros((200, 180, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    vectors = embedder.embed_images([red, blue])
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert vectors.argmax(axis=1).tolist() == [0, 2]


@pytest.mark.parametrize("row", [0, 4, 7, 10])
def test_a_vector_has_the_same_bits_alone_and_in_company(embedder: OpenVinoEmbedder, row: int) -> None:
    """An index that was built in other batches must hold the same vectors."""
    together = embedder.embed_images(crops(11))
    assert np.array_equal(embedder.embed_images(crops(11)[row : row + 1])[0], together[row])


def test_texts_become_unit_vectors(embedder: OpenVinoEmbedder) -> None:
    vectors = embedder.embed_texts(["a green", "blue blue"])
    assert np.allclose(vectors, [[0, 1, 0], [0, 0, 1]], atol=1e-6)


def test_a_text_query_does_not_compile_the_image_tower(files: Mapping[str, bytes]) -> None:
    """The image tower costs most of the start-up time and a text query has no use for it."""
    only_text = load({**files, "image": b"not a model"}, name="amogus")
    assert only_text.embed_texts(["red"]).shape == (1, 3)
    with pytest.raises(AmogusError):
        only_text.embed_images(crops(1))


def test_nothing_in_gives_nothing_out(embedder: OpenVinoEmbedder) -> None:
    assert embedder.embed_images([]).shape == (0, 3)
    assert embedder.embed_texts([]).shape == (0, 3)
    assert embedder.margin([]).shape == (0,)


def test_a_text_without_any_word_is_refused(embedder: OpenVinoEmbedder) -> None:
    with pytest.raises(UsageError):
        embedder.embed_texts(["..."])


def test_unknown_words_are_told(embedder: OpenVinoEmbedder) -> None:
    assert embedder.unknown_words("a mauve red") == ("mauve",)


def test_a_crop_without_any_signal_is_an_error_and_no_nan(embedder: OpenVinoEmbedder) -> None:
    """This tower maps the grey-free black square to the zero vector, which has no direction."""
    with pytest.raises(AmogusError, match="1 of 1"):
        embedder.embed_images([np.zeros((8, 8, 3), np.uint8)])


def test_the_margin_needs_no_text_tower_and_tells_the_sides_apart(files: Mapping[str, bytes]) -> None:
    verifier = load({**files, "text": b"not a model"}, name="amogus")
    red, green = np.zeros((2, 8, 8, 3), np.uint8)
    red[..., 0], green[..., 1] = 255, 255
    margin = verifier.margin([red, green])
    assert margin[0] > 0.5
    assert margin[1] < -0.5
    assert np.array_equal(margin, verifier.margin_of_vectors(verifier.embed_images([red, green])))


def test_the_fingerprint_follows_content_and_precision(files: Mapping[str, bytes]) -> None:
    same, other = load(files, name="amogus"), load(files, name="amogus", precision="bf16")
    changed = load({**files, "image": files["image"] + b"\n"}, name="amogus")
    assert same.fingerprint == load(files, name="another name").fingerprint
    assert len({same.fingerprint, other.fingerprint, changed.fingerprint}) == 3


def test_a_missing_file_is_named(files: Mapping[str, bytes]) -> None:
    with pytest.raises(WeightsError, match="text"):
        load({"image": files["image"], "words": files["words"]}, name="amogus")


def test_a_crop_is_fitted_into_a_grey_square_without_distortion() -> None:
    square = square_crop(np.full((10, 40, 3), 200, np.uint8))
    assert square.shape == (CROP_PX, CROP_PX, 3)
    assert (square[48:80] == 200).all()
    assert (square[:48] == 114).all()
    assert (square[80:] == 114).all()
