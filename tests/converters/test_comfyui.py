"""ComfyUI is asked as its API says: upload, prompt, history, view; with news by websocket and without."""

import base64
import contextlib
import email
import hashlib
import io
import json
import threading
import time
import uuid

import numpy as np
import pytest
from PIL import Image

from amogus_search import registry
from amogus_search.converters import comfyui as module
from amogus_search.converters.comfyui import comfyui
from amogus_search.errors import BackendGoneError, ConversionError, UsageError

HASTE = {"retries": "1", "retry_wait": "0.01", "timeout": "60", "checkpoint": "sd15.safetensors"}
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# Nodes as /object_info describes them: inputs with their types (a node's name: a link) and number of outputs.
NODES = {
    "CheckpointLoaderSimple": ({"ckpt_name": ["sd15.safetensors", "sdxl.safetensors"]}, 3),
    "LoadImage": ({"image": "FILE"}, 2),
    "LoadImageMask": ({"image": "FILE", "channel": ["alpha", "red", "green", "blue"]}, 1),
    "CLIPTextEncode": ({"text": str, "clip": "LINK"}, 1),
    "VAEEncode": ({"pixels": "LINK", "vae": "LINK"}, 1),
    "SetLatentNoiseMask": ({"samples": "LINK", "mask": "LINK"}, 1),
    "KSampler": (
        {
            **dict.fromkeys(("model", "positive", "negative", "latent_image"), "LINK"),
            **{"seed": int, "steps": int, "cfg": float, "denoise": float},
            "sampler_name": ["euler", "dpmpp_2m"],
            "scheduler": ["normal", "karras"],
        },
        1,
    ),
    "VAEDecode": ({"samples": "LINK", "vae": "LINK"}, 1),
    "PreviewImage": ({"images": "LINK"}, 0),
    "SaveImage": ({"images": "LINK", "filename_prefix": str}, 0),
}


class Comfy:
    """A server that keeps ComfyUI's contract and paints red where the mask is white; parts of it can be broken."""

    def __init__(self, *, websocket=True, looks=1, forgets=0, fails=None, size=None, work_s=0.0):
        self.files, self.prompts, self.places = {}, {}, {}
        self.websocket, self.looks, self.forgets, self.fails = websocket, looks, forgets, fails
        self.size, self.work_s = size, work_s
        self.deleted, self.asked = [], []
        self.done = threading.Event()

    def __call__(self, heard):
        name = heard.path.strip("/").split("/")[0]
        return getattr(self, f"{heard.method.lower()}_{name}")(heard)

    def post_upload(self, heard):
        assert heard.path == "/upload/image"
        head = f"Content-Type: {heard.headers['Content-Type']}\r\n\r\n".encode()
        parts = {
            part.get_param("name", header="content-disposition"): part
            for part in email.message_from_bytes(head + heard.body).get_payload()
        }
        content, name = parts["image"].get_payload(decode=True), parts["image"].get_filename()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        kind = parts["type"].get_payload()
        assert kind in ("input", "temp")
        assert parts["overwrite"].get_payload() in ("true", "1")
        assert "/" not in name
        self.files[f"{name} [{kind}]"] = content
        return 200, {"name": name, "subfolder": "", "type": kind}

    def post_prompt(self, heard):
        asked = heard.json
        assert set(asked) <= {"prompt", "client_id", "extra_data", "front", "number"}
        if errors := self._errors(asked["prompt"]):
            error = {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation"}
            return 400, {"error": error, "node_errors": errors}
        number = str(uuid.uuid4())
        self.asked.append(asked["prompt"])
        if self.forgets:
            self.forgets -= 1
        else:
            self.prompts[number] = {"prompt": asked["prompt"], "looks": self.looks, "ready": time.time() + self.work_s}
        self.done.set()
        return 200, {"prompt_id": number, "number": 1, "node_errors": {}}

    def _errors(self, prompt):
        errors = {}
        for number, node in prompt.items():
            wanted, _ = NODES[node["class_type"]]
            assert set(node["inputs"]) == set(wanted), number
            for name, kind in wanted.items():
                value = node["inputs"][name]
                if kind == "LINK":
                    assert prompt[value[0]] is not node
                    assert value[1] < NODES[prompt[value[0]]["class_type"]][1]
                elif kind == "FILE":
                    assert value in self.files, value
                elif isinstance(kind, list):
                    if value not in kind:
                        errors[number] = {"errors": [{"message": "Value not in list", "details": f"{name}: {value!r}"}]}
                else:
                    assert isinstance(value, kind) or (kind is float and isinstance(value, int)), name
        return errors

    def get_history(self, heard):
        number = heard.path.rpartition("/")[2]
        entry = self.prompts.get(number)
        if entry is None:
            return 200, {}
        entry["looks"] -= 1
        if entry["looks"] >= 0 or time.time() < entry["ready"]:
            return 200, {}
        if self.fails:
            messages = [
                ["execution_start", {}],
                ["execution_error", {"exception_message": self.fails, "traceback": []}],
            ]
            return 200, {number: {"outputs": {}, "status": {"status_str": "error", "messages": messages}}}
        outputs = self._outputs(entry["prompt"])
        return 200, {
            number: {"outputs": outputs, "status": {"status_str": "success", "completed": True, "messages": []}}
        }

    def _outputs(self, prompt):
        by_class = {node["class_type"]: node["inputs"] for node in prompt.values()}
        picture = Image.open(io.BytesIO(self.files[by_class["LoadImage"]["image"]])).convert("RGB")
        assert by_class["LoadImageMask"]["channel"] == "red"
        mask = Image.open(io.BytesIO(self.files[by_class["LoadImageMask"]["image"]]))
        assert mask.size == picture.size
        assert picture.width % 8 == picture.height % 8 == 0
        picture.paste((230, 20, 20), mask=mask.convert("RGB").getchannel(0))
        if self.size:
            picture = picture.resize(self.size)
        outputs = {}
        for number, node in prompt.items():
            if node["class_type"] in ("PreviewImage", "SaveImage"):
                place = {"filename": f"out {number}&.png", "subfolder": "a/b", "type": "temp"}
                place["type"] = "temp" if node["class_type"] == "PreviewImage" else "output"
                file = io.BytesIO()
                picture.save(file, "PNG")
                self.places[tuple(place.values())] = file.getvalue()
                outputs[number] = {"images": [place]}
        return outputs

    def get_queue(self, heard):
        rows = [[1, number, entry["prompt"], {}, []] for number, entry in self.prompts.items()]
        return 200, {"queue_running": rows[:1], "queue_pending": rows[1:]}

    def post_queue(self, heard):
        self.deleted += heard.json["delete"]
        return 200, b""

    def get_view(self, heard):
        return 200, self.places[heard.query["filename"], heard.query["subfolder"], heard.query["type"]]

    def get_ws(self, heard):
        if not self.websocket:
            return 404, b""
        assert heard.query["clientId"]
        told = base64.b64encode(hashlib.sha1((heard.headers["Sec-WebSocket-Key"] + GUID).encode()).digest()).decode()
        write = heard.handler.wfile.write
        write(f"HTTP/1.1 101 Go\r\nSec-WebSocket-Accept: {told}\r\n\r\n".encode())
        self.done.wait(60)
        with contextlib.suppress(OSError):
            if self.websocket == "dies at once":
                return heard.drop()
            write(b"\x82\x04\0\0\0\1")
            for text in ('{"type": "status", "data": {}}', "no json", "[]"):
                write(bytes([0x81, len(text)]) + text.encode())
            time.sleep(self.work_s)
            for number in self.prompts:
                data = {"type": "executing", "data": {"node": None, "prompt_id": number}}
                text = json.dumps(data).encode()
                write(bytes([0x81, len(text)]) + text)
            if self.websocket == "dies":
                return heard.drop()
            heard.handler.rfile.read(1)
        return heard.drop()


@pytest.mark.parametrize("size", [(64, 64), (61, 50)])
@pytest.mark.parametrize("websocket", [True, False, "dies"])
def test_a_job_goes_up_through_the_queue_and_down_again(serve, make_job, monkeypatch, size, websocket):
    monkeypatch.setattr(module, "_POLL_S", (0.01, 0.02))
    comfy = Comfy(websocket=websocket)
    server, job = serve(comfy), make_job(*size, steps=9, guidance=4.5)
    (after,) = registry.load_converter(f"comfyui:{server.url}", HASTE).convert([job])
    assert after.shape == job.crop.shape
    assert (after[job.mask > 0] == (230, 20, 20)).all()
    np.testing.assert_array_equal(after[job.mask == 0], job.crop[job.mask == 0])
    sampler = next(node for node in comfy.asked[0].values() if node["class_type"] == "KSampler")["inputs"]
    said = {name: sampler[name] for name in ("seed", "steps", "cfg", "denoise", "sampler_name")}
    assert said == {"seed": 11, "steps": 9, "cfg": 4.5, "denoise": 0.6, "sampler_name": "dpmpp_2m"}
    texts = [node["inputs"]["text"] for node in comfy.asked[0].values() if node["class_type"] == "CLIPTextEncode"]
    assert texts == ["a red crewmate", "text"]


def test_news_by_websocket_spare_asking_and_waiting(serve, make_job):
    """One look before and one after the news, where polling would look every quarter of a second."""
    comfy = Comfy(looks=0, work_s=0.6)
    server = serve(comfy)
    comfyui(server.url, HASTE).convert([make_job()])
    assert len([heard for heard in server.heard if heard.path.startswith("/history")]) <= 3


def test_a_websocket_that_dies_is_no_reason_to_ask_all_the_time(serve, make_job):
    comfy = Comfy(websocket="dies at once", looks=0, work_s=0.6)
    server = serve(comfy)
    comfyui(server.url, HASTE).convert([make_job()])
    assert len([heard for heard in server.heard if heard.path.startswith("/history")]) <= 6


def test_the_same_job_twice_is_made_twice(serve, make_job):
    """ComfyUI gives no picture for a prompt that it has just had; other file names make it another prompt."""
    comfy = Comfy(looks=0)
    converter = comfyui(serve(comfy).url, HASTE)
    converter.convert([make_job(), make_job()])
    assert comfy.asked[0] != comfy.asked[1]


def test_strength_zero_leaves_the_crop_and_asks_nobody(make_job):
    job = make_job(strength=0.0)
    np.testing.assert_array_equal(comfyui("http://127.0.0.1:9", HASTE).convert([job])[0], job.crop)


def workflow(**changes):
    """A workflow of the user's own: its words, its numbers, its sampler, a file that is kept."""
    nodes = json.loads(json.dumps({**module.INPAINT}))
    nodes["4"]["inputs"]["text"] = "{prompt}, {look} {red|blue}"
    nodes["8"]["inputs"] |= {"steps": 4, "sampler_name": "euler", "scheduler": "normal", "cfg": "{cfg}"}
    nodes["1"]["inputs"]["ckpt_name"] = "sdxl.safetensors"
    nodes["11"] = {"class_type": "SaveImage", "inputs": {"images": ["9", 0], "filename_prefix": "x"}, "_meta": {}}
    return {**nodes, **changes}


def written(tmp_path, nodes):
    (tmp_path / "own.json").write_text(json.dumps(nodes))
    return {"workflow": str(tmp_path / "own.json"), **{key: HASTE[key] for key in ("retries", "retry_wait", "timeout")}}


def test_a_workflow_of_the_users_own_is_filled_in_with_options_of_its_own(serve, make_job, tmp_path):
    comfy = Comfy(looks=0)
    options = {**written(tmp_path, workflow()), "look": "neon", "cfg": "3.5"}
    comfyui(serve(comfy).url, options).convert([make_job(prompt="a {mask} \" \\ 'quoted'")])
    nodes = comfy.asked[0]
    assert nodes["4"]["inputs"]["text"] == "a {mask} \" \\ 'quoted', neon {red|blue}"
    assert nodes["8"]["inputs"]["cfg"] == 3.5
    assert nodes["8"]["inputs"]["steps"] == 4
    assert ("out 11&.png", "a/b", "output") in comfy.places


def test_of_several_pictures_the_saved_one_counts_else_the_one_that_is_named(serve, make_job, tmp_path):
    nodes = workflow(**{"12": {"class_type": "SaveImage", "inputs": {"images": ["9", 0], "filename_prefix": "y"}}})
    options = {**written(tmp_path, nodes), "look": "x", "cfg": "1"}
    with pytest.raises(BackendGoneError, match=r"several nodes.*11, 12.*output=NUMBER"):
        comfyui(serve(Comfy(looks=0)).url, options).convert([make_job()])
    comfy = Comfy(looks=0)
    server = serve(comfy)
    comfyui(server.url, {**options, "output": "12"}).convert([make_job()])
    assert server.heard[-1].query["filename"] == "out 12&.png"
    with pytest.raises(BackendGoneError, match="no picture of node 99"):
        comfyui(serve(Comfy(looks=0)).url, {**options, "output": "99"}).convert([make_job()])


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"2": {"class_type": "LoadImage", "inputs": {"image": "x.png"}}}, {}, "no {image}"),
        ({"nodes": []}, {}, "API"),
        ({"x": {"class_type": "X", "inputs": {"a": "{sed}"}}}, {}, "did you mean {seed}"),
        ({}, {"lok": "x"}, "no option 'lok'"),
    ],
)
def test_a_workflow_that_cannot_be_filled_is_refused_at_once(tmp_path, change, options, words):
    given = {**written(tmp_path, workflow(**change)), "look": "x", "cfg": "1", **options}
    with pytest.raises(UsageError, match=words):
        comfyui("http://127.0.0.1:8188", given)


def test_the_built_in_workflow_asks_for_a_checkpoint():
    with pytest.raises(UsageError, match="checkpoint=VALUE"):
        comfyui("http://127.0.0.1:8188", {})
    with pytest.raises(UsageError, match="no JSON"):
        comfyui("http://127.0.0.1:8188", {"workflow": __file__})


def test_the_fingerprint_tells_workflows_and_options_apart(tmp_path):
    options = {**written(tmp_path, workflow()), "look": "x", "cfg": "1"}
    url = "http://127.0.0.1:8188"
    kinds = [HASTE, {**HASTE, "checkpoint": "other"}, options, {**options, "look": "y"}, {**options, "output": "9"}]
    assert len({comfyui(url, kind).fingerprint for kind in kinds}) == len(kinds)
    assert comfyui(url, {**HASTE, "timeout": "7"}).fingerprint == comfyui(url, HASTE).fingerprint


def test_a_workflow_that_the_server_refuses_ends_the_run_with_its_words(serve, make_job):
    converter = comfyui(serve(Comfy()).url, {**HASTE, "checkpoint": "none.ckpt"})
    with pytest.raises(BackendGoneError, match=r"Value not in list; ckpt_name: 'none.ckpt'"):
        converter.convert([make_job()])


def test_a_node_that_fails_costs_that_picture(serve, make_job):
    comfy = Comfy(fails="Allocation on device: out of memory")
    with pytest.raises(ConversionError, match=r"out of memory.*smaller --size") as caught:
        comfyui(serve(comfy).url, HASTE).convert([make_job()])
    assert not isinstance(caught.value, BackendGoneError)


def test_a_prompt_that_a_restarted_server_forgot_is_sent_again_with_its_pictures(serve, make_job):
    comfy = Comfy(forgets=1)
    assert len(comfyui(serve(comfy).url, HASTE).convert([make_job()])) == 1
    assert len(comfy.files) == 4
    with pytest.raises(ConversionError, match="forgot a prompt twice"):
        comfyui(serve(Comfy(forgets=9)).url, HASTE).convert([make_job()])


def test_a_prompt_that_takes_too_long_is_taken_back_and_a_second_one_ends_the_run(serve, make_job):
    comfy = Comfy(websocket=False, work_s=60)
    converter = comfyui(serve(comfy).url, {**HASTE, "timeout": "1"})
    with pytest.raises(ConversionError, match=r"no picture within 1 s") as caught:
        converter.convert([make_job()])
    assert not isinstance(caught.value, BackendGoneError)
    assert comfy.deleted == list(comfy.prompts)
    with pytest.raises(BackendGoneError):
        converter.convert([make_job()])


def test_a_server_that_dies_while_it_works_ends_the_run(serve, make_job):
    comfy = Comfy(work_s=60, websocket=False)
    server = serve(comfy)

    def kill():
        comfy.done.wait(60)
        server.stop()

    threading.Thread(target=kill, daemon=True).start()
    with pytest.raises(BackendGoneError, match="cannot be reached"):
        comfyui(server.url, HASTE).convert([make_job()])


def test_a_picture_of_another_size_fails(serve, make_job):
    with pytest.raises(ConversionError, match="128 x 128 px and was asked for 64 x 64"):
        comfyui(serve(Comfy(looks=0, size=(128, 128))).url, HASTE).convert([make_job()])


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/upload/image", b"<html>"),
        ("/upload/image", {"subfolder": ""}),
        ("/upload/image", []),
        ("/prompt", {"prompt_id": None}),
        ("/prompt", 7),
        ("/history", []),
        ("/history", b"\xff"),
        ("/queue", 3),
        ("/view", b"no picture"),
    ],
)
def test_nonsense_fails_that_picture(serve, make_job, path, answer):
    comfy = Comfy()
    server = serve(lambda heard: (200, answer) if heard.path.startswith(path) else comfy(heard))
    with pytest.raises(ConversionError) as caught:
        comfyui(server.url, HASTE).convert([make_job()])
    assert not isinstance(caught.value, BackendGoneError)
    assert caught.value.hint
