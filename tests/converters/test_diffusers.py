"""Pipelines of every kind are asked as they want it, and whatever goes wrong is an error that helps."""

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from amogus_search import registry
from amogus_search.cli.main import main
from amogus_search.errors import BackendGoneError, ConversionError, UsageError, WeightsError

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.filterwarnings("ignore"),  # torch, transformers and diffusers warn about themselves
]


@pytest.fixture
def load(tiny_pipeline):
    """`load(kind, option=...)`: the back end for a tiny pipeline."""

    def loaded(kind, **options):
        return registry.load_converter(f"diffusers:{tiny_pipeline(kind)}", options)

    return loaded


@pytest.fixture
def quick_job(make_job):
    return lambda *size, **changes: make_job(*size, **({"steps": 2} | changes))


def far(one, other):
    return int(np.abs(one.astype(int) - other.astype(int)).max())


@pytest.mark.parametrize(
    ("kind", "options", "pipeline"),
    [
        ("sd", {}, "StableDiffusionInpaintPipeline"),
        ("sd", {"pipeline": "img2img"}, "StableDiffusionImg2ImgPipeline"),
        ("sd", {"pipeline": "StableDiffusionImg2ImgPipeline"}, "StableDiffusionImg2ImgPipeline"),
        ("sd-inpaint", {"slicing": "yes", "tiling": "yes"}, "StableDiffusionInpaintPipeline"),
        ("sdxl", {"scheduler": "DPMSolverMultistepScheduler"}, "StableDiffusionXLInpaintPipeline"),
        ("flux-fill", {}, "FluxFillPipeline"),
    ],
)
def test_the_same_job_gives_the_same_picture_alone_and_among_others(load, quick_job, kind, options, pipeline):
    converter = load(kind, batch="3", **options)
    assert type(converter._loaded.pipe).__name__ == pipeline
    (alone,) = converter.convert([quick_job()])
    among = converter.convert([quick_job(seed=5), quick_job(), quick_job(50, 61), quick_job(strength=0)])
    assert [picture.shape for picture in among] == [(64, 64, 3), (64, 64, 3), (61, 50, 3), (64, 64, 3)]
    assert far(alone, among[1]) <= 1  # sums of many numbers, in another order
    assert far(alone, among[0]) > 20
    np.testing.assert_array_equal(among[3], quick_job().crop)


@pytest.mark.parametrize("control", ["inpaint", "outline", "tone"])
def test_a_controlnet_is_shown_what_was_asked_for(load, tiny_pipeline, quick_job, control):
    net = str(tiny_pipeline("controlnet"))
    (without,) = load("sd").convert([quick_job()])
    (mild,) = load("sd", controlnet=net, control=control, control_scale="0").convert([quick_job()])
    (strong,) = load("sd", controlnet=net, control=control, control_scale="5").convert([quick_job()])
    assert far(without, mild) <= 1
    assert far(without, strong) > 1


def test_hiding_takes_the_whole_box_and_another_prompt(load, tiny_pipeline, quick_job):
    converter = load("sd", controlnet=str(tiny_pipeline("controlnet")), hide="1.4")
    assert converter.mask == "box"
    assert "crewmate" not in converter.prompt
    assert converter.convert([quick_job()])[0].shape == (64, 64, 3)
    with pytest.raises(UsageError, match="has no ControlNet"):
        load("sd", hide="1.4")


def test_a_lora_changes_what_comes_out_by_as_much_as_its_weight(load, tiny_pipeline, quick_job):
    lora = tiny_pipeline("lora")
    plain, none, some, more = (
        load("sd", **options)
        for options in ({}, {"lora": f"{lora}:0"}, {"lora": str(lora)}, {"lora": f"{lora},{lora}:0.5"})
    )
    pictures = [converter.convert([quick_job(strength=1.0)])[0] for converter in (plain, none, some, more)]
    assert far(pictures[0], pictures[1]) <= 1
    assert far(pictures[0], pictures[2]) > 1
    assert far(pictures[2], pictures[3]) > 1
    assert len({converter.fingerprint for converter in (plain, none, some, more)}) == 4


def test_a_lora_of_another_model_is_refused(load, tiny_pipeline):
    with pytest.raises((WeightsError, UsageError), match=r"pytorch_lora_weights\.safetensors"):
        load("flux-fill", lora=str(tiny_pipeline("lora")))


def test_the_fingerprint_is_that_of_weights_and_settings(load, tiny_pipeline, tmp_path):
    before = load("sd").fingerprint
    assert load("sd").fingerprint == before
    assert load("sd", scheduler="EulerDiscreteScheduler").fingerprint != before
    assert load("sd", dtype="bfloat16").fingerprint != before
    assert load("sd", batch="7").fingerprint == before
    changed = shutil.copytree(tiny_pipeline("sd"), tmp_path / "changed")
    assert registry.load_converter(f"diffusers:{changed}").fingerprint == before
    config = changed / "scheduler" / "scheduler_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"beta_end": 0.013}))
    assert registry.load_converter(f"diffusers:{changed}").fingerprint != before


def test_few_steps_at_low_strength_are_still_one(load, quick_job):
    job = quick_job(strength=0.05, steps=1)
    (after,) = load("sd").convert([job])
    assert after.shape == job.crop.shape


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "cuda:77"}, "no device cuda:77"),
        ({"offload": "model", "device": "cpu"}, "no device beside the CPU"),
        ({"pipeline": "NoSuchPipeline"}, "no pipeline NoSuchPipeline"),
        ({"pipeline": "StableDiffusionPipeline"}, "takes no picture"),
        ({"pipeline": "UNet2DConditionModel"}, "no pipeline UNet2DConditionModel"),
        ({"scheduler": "UNet2DConditionModel"}, "no scheduler"),
    ],
)
def test_what_does_not_go_together_is_refused(load, options, words):
    with pytest.raises(UsageError, match=words):
        load("sd", **options)


def test_a_controlnet_must_be_one(load, tiny_pipeline):
    with pytest.raises(UsageError, match="no ControlNet"):
        load("sd", controlnet=str(tiny_pipeline("sd") / "unet"))


def test_pickles_and_broken_weights_are_refused(tiny_pipeline, tmp_path):
    """Pickles could run code, and half a file is none."""
    import torch

    folder = shutil.copytree(tiny_pipeline("sd"), tmp_path / "pickled")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(WeightsError, match="cannot be loaded"):
        registry.load_converter(f"diffusers:{folder}")
    weights.unlink()
    torch.save({}, folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        registry.load_converter(f"diffusers:{folder}")


def test_classes_from_elsewhere_are_refused(tiny_pipeline, tmp_path):
    folder = shutil.copytree(tiny_pipeline("sd"), tmp_path / "strange")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"unet": ["subprocess", "Popen"]}))
    with pytest.raises(UsageError, match="wants classes of subprocess"):
        registry.load_converter(f"diffusers:{folder}")


HUB = """
import sys
from amogus_search import registry
from amogus_search.errors import AmogusError
try:
    print(registry.load_converter("diffusers:someone/tiny").name)
except AmogusError as error:
    print(error)
"""


def test_a_name_on_the_hub_is_taken_from_earlier_downloads(tiny_pipeline, tmp_path):
    """Offline, as the user may have said to the hub's own library."""
    answers = []
    for wanted in ("none", "cached"):
        home = tmp_path / wanted
        if wanted == "cached":
            repo = home / "models--someone--tiny"
            shutil.copytree(tiny_pipeline("sd"), repo / "snapshots" / ("a" * 40))
            (repo / "refs").mkdir()
            (repo / "refs" / "main").write_text("a" * 40)
        env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(home)}
        done = subprocess.run([sys.executable, "-c", HUB], env=env, capture_output=True, text=True, check=True)
        answers.append(done.stdout.strip())
    assert answers[0].startswith("someone/tiny cannot be had from the hub")
    assert answers[1] == "diffusers:someone/tiny"


class Pipe:
    """A pipeline that answers as it is told: `answer(prompts, size_wh)` gives pictures, or raises."""

    vae_scale_factor = 8

    def __init__(self, answer):
        self.answer, self.batches = answer, []

    def __call__(self, prompt, image, mask_image, strength, generator, num_inference_steps, output_type):
        self.batches.append(len(prompt))
        return SimpleNamespace(images=self.answer(prompt, image[0].size), nsfw_content_detected=None)


@pytest.fixture
def told():
    """A back end around such a pipeline."""
    import inspect

    import torch

    from amogus_search.converters.diffusers import DiffusersConverter
    from amogus_search.converters.diffusers_loading import Loaded

    def make(answer, batch=8):
        pipe = Pipe(answer)
        parameters = frozenset(inspect.signature(pipe.__call__).parameters)
        converter = DiffusersConverter("diffusers:told", Loaded(pipe, parameters, "cpu", torch.float32, "print"), torch)
        converter.batch = batch
        return converter, pipe

    return make


def black(prompts, size):
    return np.zeros((len(prompts), size[1], size[0], 3), np.float32)


def test_without_memory_for_all_it_takes_half_of_them_and_remembers(told, quick_job):
    import torch

    def small(prompts, size):
        if len(prompts) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
        return black(prompts, size)

    converter, pipe = told(small)
    assert len(converter.convert([quick_job(seed=seed) for seed in range(7)])) == 7
    assert pipe.batches == [7, 3, *[1] * 7]
    assert converter.batch == 1
    converter.convert([quick_job()] * 2)
    assert pipe.batches[-2:] == [1, 1]


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")]
)
def test_without_memory_for_one_it_says_what_to_do(told, quick_job, error):
    """Before the first picture that ends the run, later it costs the one."""
    broken = [True]

    def answer(prompts, size):
        if broken[0]:
            raise error
        return black(prompts, size)

    converter, _ = told(answer)
    with pytest.raises(BackendGoneError, match=r"ran out of memory at 64 x 64 px.*--size"):
        converter.convert([quick_job()])
    broken[0] = False
    converter.convert([quick_job()])
    broken[0] = True
    with pytest.raises(ConversionError, match="ran out of memory") as late:
        converter.convert([quick_job()])
    assert not isinstance(late.value, BackendGoneError)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda prompts, size: black(prompts, size) * np.nan, "overflows.*dtype"),
        (lambda prompts, size: black(prompts, (32, 32)), "picture of 32 x 32 px and was asked for 64 x 64"),
        (lambda prompts, size: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_what_is_no_picture_is_told(told, quick_job, answer, words):
    converter, _ = told(answer)
    with pytest.raises(BackendGoneError, match=words):
        converter.convert([quick_job()])


def test_pictures_that_the_safety_checker_blackened_are_not_laid_in(told, quick_job):
    converter, pipe = told(black)
    pipe.__class__ = type("Guarded", (Pipe,), {})
    answer = SimpleNamespace(images=black(["one"], (64, 64)), nsfw_content_detected=[True])
    type(pipe).__call__ = lambda self, **given: answer
    with pytest.raises(ConversionError, match="safety checker"):
        converter.convert([quick_job()])


def test_the_command_line_hides_one_in_a_picture_and_knows_it_again(tiny_pipeline, tmp_path, capsys):
    pixels = np.random.default_rng(3).integers(90, 160, (120, 160, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (tmp_path / "boxes.json").write_text(json.dumps([{"path": "a.png", "box": [50, 30, 90, 80]}]))
    words = ["convert", "--boxes", str(tmp_path / "boxes.json"), "--out", str(tmp_path / "out"), "--no-look-again"]
    words += ["--backend", f"diffusers:{tiny_pipeline('sd')}", "--steps", "2", "--format", "json"]
    words += ["--backend-option", f"controlnet={tiny_pipeline('controlnet')}", "--backend-option", "hide=1.2"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)[0]["status"] == "converted"
    sidecar = json.loads((tmp_path / "out" / "a.json").read_text())
    assert sidecar["options"]["mask"]["kind"] == "box"
    assert sidecar["changes"][0]["prompt"].startswith("a photo of a natural place")
    with Image.open(tmp_path / "out" / "a.png") as after:
        differ = (np.asarray(after) != pixels).any(axis=2)
    assert differ[35:75, 55:85].mean() > 0.5
    assert not differ[:20].any()
    assert not differ[:, 110:].any()
    assert main([*words, "--prompt", "ferns"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["status"] == "kept"
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)[0]["status"] == "done"
