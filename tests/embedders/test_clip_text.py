"""CLIP's text tower in NumPy, beside the same formulas written out number by number."""

import math

import numpy as np
import pytest

from amogus_search.embedders.clip_text import PlainText, tensor_names
from amogus_search.errors import WeightsError

WIDTH, HEADS, LAYERS, LENGTH, WORDS, OUT = 8, 2, 2, 6, 20, 5
SIDES = {
    "token_embedding.weight": (WORDS, WIDTH),
    "positional_embedding": (LENGTH, WIDTH),
    "text_projection": (WIDTH, OUT),
    "attn.in_proj_weight": (3 * WIDTH, WIDTH),
    "attn.in_proj_bias": (3 * WIDTH,),
    "attn.out_proj.weight": (WIDTH, WIDTH),
    "mlp.c_fc.weight": (4 * WIDTH, WIDTH),
    "mlp.c_fc.bias": (4 * WIDTH,),
    "mlp.c_proj.weight": (WIDTH, 4 * WIDTH),
}
END = WORDS - 1


def sides_of(name):
    return next((sides for end, sides in SIDES.items() if name.endswith(end)), (WIDTH,))


@pytest.fixture
def made():
    """Random tensors, and the plan and the file that hold them."""
    random = np.random.default_rng(5)
    tensors = {name: random.normal(0, 0.8, sides_of(name)).astype("<f4") for name in tensor_names(LAYERS)}
    places, data = {}, b""
    for name, tensor in tensors.items():
        places[name] = [0, len(data), *tensor.shape]
        data += tensor.tobytes()
    plan = {"heads": HEADS, "layers": LAYERS, "activation": "gelu", "tensors": places}
    return tensors, plan, [np.frombuffer(data, np.uint8)]


def tokens(*texts):
    """Numbers of words, an end mark, and zeros."""
    rows = np.zeros((len(texts), LENGTH), np.int64)
    for row, words in zip(rows, texts, strict=True):
        row[: len(words) + 1] = [*words, END]
    return rows


def norm(values, weight, bias):
    mean, variance = np.mean(values), np.var(values)
    return (values - mean) / math.sqrt(variance + 1e-5) * weight + bias


def slowly(tensors, row, activation):
    """One text, place by place, in double precision, with all of its places."""
    t = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    values = [t["token_embedding.weight"][word] + t["positional_embedding"][place] for place, word in enumerate(row)]
    for layer in range(LAYERS):
        block = {name.split(".", 3)[3]: tensor for name, tensor in t.items() if f"resblocks.{layer}." in name}
        normed = [norm(value, block["ln_1.weight"], block["ln_1.bias"]) for value in values]
        parts = [block["attn.in_proj_weight"] @ value + block["attn.in_proj_bias"] for value in normed]
        asked, keys, answers = ([part[n * WIDTH : (n + 1) * WIDTH] for part in parts] for n in range(3))
        for place in range(LENGTH):
            joined = []
            for head in range(HEADS):
                here = slice(head * WIDTH // HEADS, (head + 1) * WIDTH // HEADS)
                scores = [asked[place][here] @ keys[p][here] / math.sqrt(WIDTH / HEADS) for p in range(place + 1)]
                shares = np.exp(scores) / np.exp(scores).sum()
                joined.append(sum(share * answers[p][here] for p, share in enumerate(shares)))
            joined = np.concatenate(joined)
            values[place] = values[place] + block["attn.out_proj.weight"] @ joined + block["attn.out_proj.bias"]
        for place, value in enumerate(values):
            wide = block["mlp.c_fc.weight"] @ norm(value, block["ln_2.weight"], block["ln_2.bias"])
            wide = np.array([activation(number) for number in wide + block["mlp.c_fc.bias"]])
            values[place] = value + block["mlp.c_proj.weight"] @ wide + block["mlp.c_proj.bias"]
    last = values[int(np.argmax(row))]
    return norm(last, t["ln_final.weight"], t["ln_final.bias"]) @ t["text_projection"]


ACTIVATIONS = {
    "gelu": lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2))),
    "quick_gelu": lambda x: x / (1 + math.exp(-1.702 * x)),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_it_answers_what_the_formulas_say(made, activation):
    tensors, plan, files = made
    rows = tokens((3, 4), (), (7, 1, 2, 3, 5), (11,))
    answers = PlainText({**plan, "activation": activation}, files)(rows)
    wanted = [slowly(tensors, row, ACTIVATIONS[activation]) for row in rows]
    assert answers.dtype == np.float32
    assert np.abs(answers - wanted).max() < 2e-5


def test_a_text_means_the_same_in_any_company(made):
    """Up to the order of sums: longer texts beside it, many of them, or none."""
    _, plan, files = made
    tower = PlainText(plan, files)
    alone = tower(tokens((3, 4)))
    company = tower(tokens(*[(7, 1, 2, 3, 5)] * 40, (3, 4)))
    assert np.abs(alone[0] - company[-1]).max() < 1e-5
    assert tower(tokens()).shape == (0, OUT)


@pytest.mark.parametrize(
    "change",
    [
        {"activation": "relu"},
        {"heads": 3},
        {"heads": "two"},
        {"layers": LAYERS + 1},
        {"tensors": {}},
        {"tensors": None},
        {"place": [0, 10**9, WORDS, WIDTH]},
        {"place": [0, -4, WORDS, WIDTH]},
        {"place": [1, 0, WORDS, WIDTH]},
        {"place": [-1, 0, WORDS, WIDTH]},
        {"place": [0, 0, WORDS, 10**6]},
        {"place": [0, 0, WORDS, WIDTH, 2]},
        {"place": [0]},
        {"place": "here"},
    ],
    ids=str,
)
def test_a_plan_that_does_not_fit_is_refused(made, change):
    _, plan, files = made
    if "place" in change:
        change = {"tensors": {**plan["tensors"], "token_embedding.weight": change["place"]}}
    with pytest.raises(WeightsError):
        PlainText({**plan, **change}, files)
