"""The web UI is asked as its API says, and whatever it answers instead of a picture is an error that helps."""

import base64
import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from amogus_search import registry
from amogus_search.converters.webui import webui
from amogus_search.converting.inputs import from_paths
from amogus_search.converting.run import convert_files
from amogus_search.converting.tools import Output, Tools
from amogus_search.core.conversion import Conversion, MaskOptions
from amogus_search.errors import BackendGoneError, ConversionError, UsageError
from amogus_search.finder import Finder
from amogus_search.synth.fitting import fit_crewmate
from amogus_search.testing import FakeDetector

HASTE = {"retries": "1", "retry_wait": "0.01", "timeout": "60"}
# Of the API's model for img2img: the fields that we may send, and their types.
FIELDS = {
    "prompt": str,
    "negative_prompt": str,
    "styles": list,
    "seed": int,
    "sampler_name": str,
    "scheduler": str,
    "steps": int,
    "cfg_scale": float,
    "width": int,
    "height": int,
    "batch_size": int,
    "n_iter": int,
    "denoising_strength": float,
    "initial_noise_multiplier": float,
    "override_settings": dict,
    "alwayson_scripts": dict,
    "init_images": list,
    "resize_mode": int,
    "mask": str,
    "mask_blur": int,
    "inpainting_fill": int,
    "inpaint_full_res": bool,
    "inpainting_mask_invert": int,
    "include_init_images": bool,
    "save_images": bool,
    "send_images": bool,
    "restore_faces": bool,
}


def opened(text):
    content = base64.b64decode(text, validate=True)
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    return Image.open(io.BytesIO(content))


def encoded(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return base64.b64encode(file.getvalue()).decode()


def checked(asked):
    """The picture and the mask of a request that keeps to the contract."""
    for name, value in asked.items():
        kind = FIELDS[name]
        assert isinstance(value, kind) or (kind is float and isinstance(value, int)), name
        assert kind is bool or not isinstance(value, bool), name
    picture, mask = opened(asked["init_images"][0]), opened(asked["mask"])
    assert len(asked["init_images"]) == 1
    assert picture.mode == "RGB"
    assert mask.mode == "L"
    assert picture.size == mask.size == (asked["width"], asked["height"])
    assert asked["width"] % 8 == asked["height"] % 8 == 0
    assert set(np.unique(mask)) <= {0, 255}
    assert 0 <= asked["denoising_strength"] <= 1
    assert asked["inpainting_mask_invert"] == 0
    assert asked["inpainting_fill"] in range(4)
    return picture, mask


def painted(asked, form="PNG"):
    picture, mask = checked(asked)
    picture.paste((230, 20, 20), mask=mask)
    return {"images": [encoded(picture, form)], "parameters": {}, "info": json.dumps({"seed": asked["seed"]})}


def ui(heard):
    assert (heard.method, heard.path) == ("POST", "/sdapi/v1/img2img")
    assert heard.headers["Content-Type"] == "application/json"
    return 200, painted(heard.json)


@pytest.mark.parametrize("size", [(64, 64), (61, 50)])
def test_a_job_is_asked_for_as_the_api_says_and_painted_where_the_mask_is_white(serve, make_job, size):
    server, job = serve(ui), make_job(*size, steps=9, guidance=4.5)
    (after,) = registry.load_converter(f"webui:{server.url}/", HASTE).convert([job])
    assert after.shape == job.crop.shape
    assert (after[job.mask > 0] == (230, 20, 20)).all()
    np.testing.assert_array_equal(after[job.mask == 0], job.crop[job.mask == 0])
    asked = server.heard[0].json
    said = {key: asked[key] for key in ("prompt", "negative_prompt", "seed", "steps", "cfg_scale")}
    assert said == {
        "prompt": "a red crewmate",
        "negative_prompt": "text",
        "seed": 11,
        "steps": 9,
        "cfg_scale": 4.5,
    }
    assert asked["denoising_strength"] == 0.6


def test_every_job_has_a_request_and_none_is_needed_for_none(serve, make_job):
    server = serve(ui)
    converter = webui(server.url, HASTE)
    assert converter.convert([]) == []
    assert len(converter.convert([make_job(seed=1), make_job(seed=2)])) == 2
    assert [heard.json["seed"] for heard in server.heard] == [1, 2]


def test_strength_zero_leaves_the_crop_and_asks_nobody(make_job):
    job = make_job(strength=0.0)
    np.testing.assert_array_equal(webui("http://127.0.0.1:9", HASTE).convert([job])[0], job.crop)


def test_options_become_fields_and_change_the_fingerprint(serve, make_job, tmp_path):
    server = serve(ui)
    (tmp_path / "more.json").write_text('{"restore_faces": true, "override_settings": {"eta_noise_seed_delta": 31337}}')
    options = {
        "sampler_name": "Euler a",
        "inpainting_fill": "noise",
        "mask_blur": "4",
        "clip_skip": "2",
        "checkpoint": "sdxl.safetensors",
        "styles": "one, two",
        "alwayson_scripts": '{"ControlNet": {"args": []}}',
        "payload": str(tmp_path / "more.json"),
    }
    converter = webui(server.url, {**HASTE, **options})
    converter.convert([make_job()])
    asked = server.heard[0].json
    assert asked["inpainting_fill"] == 2
    assert asked["mask_blur"] == 4
    assert asked["styles"] == ["one", "two"]
    assert asked["restore_faces"] is True
    assert asked["override_settings"] == {
        "eta_noise_seed_delta": 31337,
        "sd_model_checkpoint": "sdxl.safetensors",
        "CLIP_stop_at_last_layers": 2,
    }
    assert converter.fingerprint != webui(server.url, HASTE).fingerprint
    assert webui(server.url, {**HASTE, "timeout": "9"}).fingerprint == webui(server.url, HASTE).fingerprint


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sampler": "x"}, "no option 'sampler'"),
        ({"mask_blur": "soft"}, "mask_blur=soft"),
        ({"inpainting_fill": "7"}, "fill, original, noise, nothing"),
        ({"alwayson_scripts": "[]"}, "a JSON object"),
        ({"timeout": "-1"}, "timeout=-1"),
        ({"timeout": "nan"}, "timeout=nan"),
        ({"retries": "1.5"}, "retries=1.5"),
        ({"inpainting_fill": "-1"}, "fill, original, noise, nothing"),
        ({"payload": "nowhere.json"}, "nowhere.json"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_at_once(options, words):
    with pytest.raises(UsageError, match=words):
        webui("http://127.0.0.1:7860", options)


def test_a_payload_file_cannot_take_what_each_job_decides(tmp_path):
    (tmp_path / "p.json").write_text('{"seed": 3}')
    with pytest.raises(UsageError, match="'seed' is decided by each job"):
        webui("http://127.0.0.1:7860", {"payload": str(tmp_path / "p.json")})
    (tmp_path / "p.json").write_text('{"override_settings": []}')
    with pytest.raises(UsageError, match="override_settings"):
        webui("http://127.0.0.1:7860", {"payload": str(tmp_path / "p.json")})


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_pictures_come_in_any_form_that_the_ui_may_be_set_to(serve, make_job, form):
    server = serve(lambda heard: (200, painted(heard.json, form)))
    assert webui(server.url, HASTE).convert([make_job()])[0].shape == (64, 64, 3)


def small(heard):
    return {"images": [encoded(Image.new("RGB", (32, 32)))]}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"<html>hello</html>", "what is no JSON"),
        (b"", "what is no JSON"),
        ([], "without a picture"),
        ({"images": []}, "without a picture"),
        ({"images": [None]}, "without a picture"),
        ({"images": ["%%%"]}, "no base64"),
        ({"images": [base64.b64encode(b"GIF89a nothing").decode()]}, "no picture"),
        ({"images": [encoded(Image.new("RGB", (64, 64)))[:60]]}, "no picture"),
        (small, "32 x 32 px and was asked for 64 x 64"),
    ],
)
def test_nonsense_fails_that_picture_with_words_that_say_what_came(serve, make_job, answer, words):
    server = serve(lambda heard: (200, answer(heard) if callable(answer) else answer))
    with pytest.raises(ConversionError, match=words) as caught:
        webui(server.url, HASTE).convert([make_job()])
    assert not isinstance(caught.value, BackendGoneError)
    assert caught.value.hint


def test_a_picture_larger_than_asked_for_is_not_even_decoded(serve, make_job):
    """Its header alone says 60000 x 60000: there is nothing behind it to decode."""
    header = base64.b64decode(encoded(Image.new("RGB", (64, 64))))
    bomb = header[:16] + (60000).to_bytes(4, "big") * 2 + header[24:]
    server = serve(lambda heard: (200, {"images": [base64.b64encode(bomb).decode()]}))
    with pytest.raises(ConversionError):
        webui(server.url, HASTE).convert([make_job()])


def test_out_of_memory_is_told_with_the_way_out_and_not_tried_again(serve, make_job):
    error = {"error": "OutOfMemoryError", "detail": "", "body": "", "errors": "CUDA out of memory. Tried 2 GiB"}
    server = serve(lambda heard: (500, error))
    with pytest.raises(ConversionError, match=r"CUDA out of memory.*smaller --size"):
        webui(server.url, HASTE).convert([make_job()])
    assert len(server.heard) == 1


def test_a_complaint_before_the_first_picture_ends_the_run_and_after_it_costs_one_picture(serve, make_job):
    """A wrong sampler fails every picture; one picture that the server dislikes must not block the others for ever."""
    answers = [(404, {"detail": "Sampler not found"}), ui, (422, {"detail": [{"loc": ["body"], "msg": "too odd"}]})]

    def answer(heard):
        given = answers.pop(0)
        return given(heard) if callable(given) else given

    converter = webui(serve(answer).url, HASTE)
    with pytest.raises(BackendGoneError, match="Sampler not found"):
        converter.convert([make_job()])
    converter.convert([make_job()])
    with pytest.raises(ConversionError, match="too odd") as caught:
        converter.convert([make_job()])
    assert not isinstance(caught.value, BackendGoneError)


def test_a_ui_without_its_api_is_told_apart(serve, make_job):
    server = serve(lambda heard: (404, {"detail": "Not Found"}))
    with pytest.raises(BackendGoneError, match="--api"):
        webui(server.url, HASTE).convert([make_job()])


def red_photos(folder, count):
    folder.mkdir()
    for number in range(count):
        pixels = np.full((80, 90, 3), 240 - number, np.uint8)
        pixels[20:50, 30:60] = (230, 20, 20)
        Image.fromarray(pixels).save(folder / f"{number}.png")


def run(source, out, url):
    finder = Finder(FakeDetector())
    tools = Tools(webui(url, HASTE), fit_crewmate, finder, finder)
    conversion = Conversion(mask=MaskOptions("box", 0, 0), size_px=64)
    return convert_files(from_paths([source]), tools, conversion, Output(out))


def test_a_server_that_dies_midway_costs_nothing_that_is_finished(serve, tmp_path):
    red_photos(tmp_path / "in", 5)
    left = [3]

    def mortal(heard):
        left[0] -= 1
        return ui(heard) if left[0] >= 0 else (503, {"detail": "shutting down"})

    first = serve(mortal)
    outcomes = []
    with pytest.raises(BackendGoneError, match="run the same command again"):
        outcomes.extend(run(tmp_path / "in", tmp_path / "out", first.url))
    finished = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert finished == {"0.png", "1.png", "2.png"}
    port = first.port
    first.stop()
    again = serve(ui, port)
    statuses = [outcome.status for outcome in run(tmp_path / "in", tmp_path / "out", again.url)]
    assert statuses == ["done"] * 3 + ["converted"] * 2
    assert len(again.heard) == 2


def test_the_command_line_reaches_it_and_never_shows_a_password(serve, tmp_path):
    server = serve(lambda heard: (401, {"detail": "Incorrect username or password"}))
    red_photos(tmp_path / "in", 1)
    (tmp_path / "boxes.json").write_text(
        json.dumps([{"path": str(tmp_path / "in" / "0.png"), "box": [30, 20, 60, 50]}])
    )
    url = server.url.replace("http://", "http://me:s3cret@")
    words = ["convert", "--boxes", str(tmp_path / "boxes.json"), "--out", str(tmp_path / "out"), "--no-look-again"]
    done = subprocess.run(
        [sys.executable, "-m", "amogus_search", *words, "--backend", f"webui:{url}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "user or password" in done.stderr
    assert "s3cret" not in done.stderr + done.stdout
    assert server.heard[0].headers["Authorization"] == "Basic " + base64.b64encode(b"me:s3cret").decode()
    assert not list((tmp_path / "out").rglob("*.png"))
