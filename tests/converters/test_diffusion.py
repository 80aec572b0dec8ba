"""The learned back end keeps its port's promises with any weights; these were never trained."""

import numpy as np
import pytest

from amogus_search import registry
from amogus_search.core.conversion import Job
from amogus_search.core.figure import Pose
from amogus_search.errors import UsageError, WeightsError
from amogus_search.synth.fitting import fit_crewmate

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore")]  # torch and diffusers warn about themselves
ATTRIBUTES = ("colour:blue", "colour:red", "crewmate", "style:3d", "style:pencil")
BOX = np.array([20, 14, 60, 74], np.float32)


def job(**changes):
    crop = np.random.default_rng(1).normal(120, 6, (90, 80, 3)).clip(0, 255).astype(np.uint8)
    figure = fit_crewmate(Pose(BOX, {}))
    given = {"crop": crop, "mask": figure.silhouette((80, 90)), "prompt": "a red crewmate", "steps": 2} | changes
    return Job(figure=figure, box_xyxy=BOX, **given)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch = pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    from amogus_search.converters.diffusion_model import PixelDiffusion, to_safetensors

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("diffusion") / "own.safetensors"
    path.write_bytes(to_safetensors(PixelDiffusion(ATTRIBUTES)))
    return path


@pytest.fixture(scope="module")
def converter(weights):
    return registry.load_converter(f"diffusion:{weights}")


def test_a_job_gives_the_same_picture_again_and_whatever_is_beside_it(converter):
    one, other = job(seed=3), job(seed=4)
    before = one.crop.copy()
    together = converter.convert([one, other])
    assert [picture.shape for picture in together] == [one.crop.shape] * 2
    assert all(picture.dtype == np.uint8 for picture in together)
    np.testing.assert_array_equal(converter.convert([other])[0], together[1])
    np.testing.assert_array_equal(one.crop, before)
    assert (together[0] != together[1]).any()


def test_no_strength_leaves_the_crop_as_it_is_and_more_changes_more(converter):
    crop = job().crop.astype(int)
    changes = [
        np.abs(converter.convert([job(strength=strength)])[0].astype(int) - crop).mean() for strength in (0, 0.2, 1)
    ]
    assert changes[0] == 0 < changes[1] < changes[2]


def test_guidance_goes_towards_what_the_prompt_asks_for(converter):
    red, blue = (converter.convert([job(prompt=f"a {colour} one")])[0] for colour in ("red", "blue"))
    assert (red != blue).any()


def test_without_a_style_the_patch_decides(converter):
    from amogus_search.converters.layers import between_legs
    from amogus_search.converters.patch import look

    def asked(crop, prompt="an amogus"):
        one = job(crop=crop, prompt=prompt)
        inside = one.figure.silhouette((80, 90))
        return converter.asked_of(one, look(crop, inside, between_legs(one.figure, (80, 90), inside)))

    assert asked(job().crop) == {"crewmate", "style:3d"}
    assert asked(np.full((90, 80, 3), 250, np.uint8)) == {"crewmate", "style:pencil"}
    assert asked(job().crop, "a pencil amogus") == {"crewmate", "style:pencil"}


def test_its_fingerprint_is_that_of_weights_and_style(weights, converter):
    again = registry.load_converter(f"diffusion:{weights}")
    pencil = registry.load_converter(f"diffusion:{weights}", {"style": "pencil"})
    assert converter.fingerprint == again.fingerprint != pencil.fingerprint


def test_a_style_or_option_that_it_does_not_know_is_named(weights):
    with pytest.raises(UsageError, match="did you mean 'pencil'"):
        registry.load_converter(f"diffusion:{weights}", {"style": "pencl"})
    with pytest.raises(UsageError, match="no option 'sampler'"):
        registry.load_converter(f"diffusion:{weights}", {"sampler": "x"})


@pytest.mark.parametrize("content", [b"", b"\x10\0\0\0\0\0\0\0{}", b"not safetensors at all"])
def test_a_file_that_holds_something_else_is_refused(tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match="diffusion"):
        registry.load_converter(f"diffusion:{tmp_path / 'x.safetensors'}")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"no\.safetensors cannot be read"):
        registry.load_converter(f"diffusion:{tmp_path / 'no.safetensors'}")
