"""Backends by name: a table of "module:attribute" per kind, imported on use; other packages add theirs.

A name may carry an argument after a colon (`open_clip:ViT-B-32/laion2b_s34b_b79k`), and a detector may be the
path of a `.pt`, `.onnx` or `.xml` file. A plug-in is an entry point of the group `amogus_search.plugins` called
`KIND.NAME`, whose value is a callable: for detectors and embedders it takes the argument ("" if there is none)
and returns the adapter; a converter's takes the argument and a mapping of options besides; an exporter is called as
`export(hits, out, read_pixels=, overwrite=, source_folders=)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from amogus_search.errors import UsageError

if TYPE_CHECKING:
    from amogus_search.core.calibration import Calibration
    from amogus_search.core.conversion import Target
    from amogus_search.core.figure import Fitter
    from amogus_search.embedders.openvino import OpenVinoEmbedder
    from amogus_search.ports import Converter, Detector, Embedder, Verifier

Kind: TypeAlias = Literal["detector", "embedder", "exporter", "converter"]

GROUP = "amogus_search.plugins"
DEFAULT = "amogus"
"""The embedded detector and the embedded embedder are called so, after the motif they know."""

BUILT_IN: Mapping[Kind, Mapping[str, str]] = MappingProxyType(
    {
        "detector": {
            DEFAULT: "amogus_search.registry:embedded_detector",
            "onnx": "amogus_search.registry:onnx_detector",
            "ultralytics": "amogus_search.registry:ultralytics_detector",
            "template": "amogus_search.registry:template_detector",
            "motif": "amogus_search.registry:taught_detector",
            "none": "amogus_search.registry:no_detector",
        },
        "embedder": {
            DEFAULT: "amogus_search.registry:embedded_embedder",
            "open_clip": "amogus_search.registry:open_clip_embedder",
            "openvino": "amogus_search.registry:exported_embedder",
        },
        "exporter": {
            "crops": "amogus_search.exports.crops:export_crops",
            "cutouts": "amogus_search.exports.cutouts:export_cutouts",
            "dreambooth": "amogus_search.exports.dreambooth:export_dreambooth",
            "gallery": "amogus_search.exports.gallery:write_gallery",
            "csv": "amogus_search.exports.annotations:write_csv",
            "parquet": "amogus_search.exports.annotations:write_parquet",
            "coco": "amogus_search.exports.annotations:write_coco",
            "yolo": "amogus_search.exports.yolo:write_yolo",
        },
        "converter": {
            "paint": "amogus_search.converters.paint:paint",
            "diffusion": "amogus_search.registry:diffusion_converter",
            "webui": "amogus_search.converters.webui:webui",
            "comfyui": "amogus_search.converters.comfyui:comfyui",
            "diffusers": "amogus_search.converters.diffusers:diffusers_converter",
        },
    }
)
_SUFFIXES = {".onnx": "onnx", ".xml": "onnx", ".pt": "ultralytics"}


def names(kind: Kind) -> tuple[str, ...]:
    """Every name of a kind, ours first, then those of plug-ins, sorted; imports none of them."""
    return (*BUILT_IN[kind], *sorted(set(_plugins(kind)) - set(BUILT_IN[kind])))


def resolve(kind: Kind, name: str) -> tuple[Callable[..., Any], str]:
    """The backend that a name means, and its argument: the text after the colon, or the path itself.

    Raises:
        UsageError: there is no such backend; the message names the closest one and all of them.
    """
    base, _, argument = name.partition(":")
    if kind == "detector":
        for suffix, backend in _SUFFIXES.items():
            if name.lower().endswith(suffix) and base not in BUILT_IN[kind]:
                base, argument = backend, name
    if base in BUILT_IN[kind]:
        module, _, attribute = BUILT_IN[kind][base].partition(":")
        return getattr(import_module(module), attribute), argument
    plugins = _plugins(kind)
    if base in plugins:
        return plugins[base].load(), argument
    raise _unknown(kind, base)


def load_detector(name: str = DEFAULT) -> Detector:
    """The detector of that name, ready to use.

    Args:
        name: `amogus` (embedded weights; `amogus:bf16` names a form of them), the path of a `.onnx` or `.pt` file,
            `motif:NAME` or `motif:PATH` (taught from drawings), or a plug-in's name.

    Raises:
        UsageError: there is no such detector.
        MissingExtraError: it needs an extra that is not installed.
        WeightsError: its weights are missing or not what they should be.
    """
    build, argument = resolve("detector", name)
    detector: Detector = build(argument)
    return detector


def detector_of(identity: Mapping[str, object]) -> str:
    """The name of the detector that made an index with this identity; the embedded one's for a new index."""
    name = str(identity.get("detector", DEFAULT))
    if name != DEFAULT or not identity:
        return name
    from amogus_search import embedded

    return embedded.name_of(name, identity.get("detector_fingerprint"))


def load_embedder(name: str = DEFAULT) -> Embedder:
    """The embedder of that name, ready to use.

    Args:
        name: `amogus` (embedded weights), `open_clip:MODEL/PRETRAINED`, `openvino:FOLDER` (an exported open_clip model)
            or a plug-in's name.

    Raises: as `load_detector`.
    """
    build, argument = resolve("embedder", name)
    embedder: Embedder = build(argument)
    return embedder


def load_person_detector(name: str) -> Detector:
    """A YOLO trained on COCO, of which only persons count; a pose model gives their keypoints too.

    Args:
        name: path of a `.pt` or `.onnx` file that ultralytics can load.

    Raises:
        UsageError: it is the name of something else.
        MissingExtraError: ultralytics is not installed.
        WeightsError: the file is missing, cannot be loaded, or knows no persons.
    """
    if Path(name).suffix.lower() not in (".pt", ".onnx"):
        raise UsageError(f"{name!r} finds no persons", "name a YOLO trained on COCO: --detector yolov8n.pt, or --boxes")
    from amogus_search.detectors.ultralytics import UltralyticsDetector
    from amogus_search.synth.fitting import PERSON

    return UltralyticsDetector(Path(name), {PERSON.name: PERSON}, only=PERSON.name)


def load_fitter(target: Target = "box") -> Fitter:
    """What lays the crewmate into a pose: into what was found, or over a whole person."""
    from amogus_search.synth.fitting import fit_crewmate, fit_person

    return fit_person if target == "person" else fit_crewmate


def load_converter(name: str = "paint", options: Mapping[str, str] = MappingProxyType({})) -> Converter:
    """The converter of that name, ready to use.

    Args:
        name: `paint`, `paint:STYLE`, `diffusion`, `diffusers:MODEL`, `webui:URL`, `comfyui:URL`, or a plug-in's name
            with its argument after a colon.
        options: what the back end may be told besides; which there are, it says itself.

    Raises:
        UsageError: there is no such converter, or it has no such option.
        MissingExtraError: it needs an extra that is not installed.
        WeightsError: its files cannot be read.
        ConversionError: it cannot be reached or loaded.
    """
    build, argument = resolve("converter", name)
    converter: Converter = build(argument, options)
    return converter


def _plugins(kind: Kind) -> dict[str, EntryPoint]:
    points = entry_points(group=GROUP)
    return {point.name.removeprefix(f"{kind}."): point for point in points if point.name.startswith(f"{kind}.")}


def _unknown(kind: Kind, name: str) -> UsageError:
    known = names(kind)
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    meant = f"did you mean {near[0]!r}? " if near else ""
    files = ", or the path of a .onnx, .xml or .pt file" if kind == "detector" else ""
    return UsageError(f"there is no {kind} called {name!r}", f"{meant}there are: {', '.join(known)}{files}")


def embedded_detector(argument: str) -> Detector:
    """The detector whose weights travel with the package; `argument` names a form of it, int8, bf16 or f32."""
    from amogus_search import embedded

    return embedded.detector(argument)


def onnx_detector(argument: str) -> Detector:
    """A YOLO in an ONNX file of the user's own, or in OpenVINO's .xml with its .bin."""
    from amogus_search import weights
    from amogus_search.detectors.openvino_files import load_file

    return load_file(Path(argument), tuple(weights.motifs().values()))


def ultralytics_detector(argument: str) -> Detector:
    """A model file that ultralytics can load."""
    from amogus_search import weights
    from amogus_search.detectors.ultralytics import UltralyticsDetector

    return UltralyticsDetector(Path(argument), weights.motifs())


def template_detector(argument: str) -> Detector:
    """The baseline without weights: exact rules for the crewmates of pixel art."""
    from amogus_search.detectors.template import TemplateDetector

    return TemplateDetector()


def no_detector(argument: str) -> Detector:
    """None: for an index of whole pictures only."""
    from amogus_search.detectors.nothing import NoDetector

    return NoDetector()


def taught_detector(argument: str) -> Detector:
    """The detector of a motif that was taught from drawings, by its name or the path of its folder.

    Raises:
        WeightsError: there is none, or its folder is damaged.
    """
    from amogus_search import motif_folders
    from amogus_search.detectors.openvino import OpenVinoDetector

    folder = motif_folders.find(argument)
    taught = motif_folders.read(folder)
    by_name = folder == motif_folders.home() / argument
    where = f"{motif_folders.PREFIX}{folder.resolve()}"
    # An index remembers the name: a path must mean the same folder from anywhere.
    name = f"{motif_folders.PREFIX}{argument}" if by_name else where
    return OpenVinoDetector(name, taught.model, taught.motif, calibration=where)


def embedded_embedder(argument: str) -> OpenVinoEmbedder:
    """The embedder whose weights travel with the package; `argument` names another embedded one."""
    from amogus_search import weights
    from amogus_search.embedders.openvino import load

    entry = weights.entry("embedder", argument or DEFAULT)
    return load({role: weights.read(file) for role, file in entry.files.items()}, name=DEFAULT)


def open_clip_embedder(argument: str) -> Embedder:
    """Any open_clip model: MODEL/PRETRAINED, MODEL/path of a checkpoint, hf-hub:ORG/REPO or a folder."""
    from amogus_search.embedders.open_clip import OpenClipEmbedder

    return OpenClipEmbedder(argument)


def exported_embedder(argument: str) -> Embedder:
    """An open_clip model that `amogus models export` wrote into a folder for OpenVINO.

    Raises:
        WeightsError: the folder holds none, or it is damaged.
    """
    from amogus_search.embedders.clip_openvino import ExportedClip

    return ExportedClip(Path(argument))


def diffusion_converter(argument: str, options: Mapping[str, str]) -> Converter:
    """Our own small diffusion model; `argument` is the weights file of another run of `amogus train diffusion`."""
    from amogus_search import weights
    from amogus_search.converters.diffusers import libraries

    libraries()  # says what is missing, and keeps them off the network
    from amogus_search.converters.diffusion import DiffusionConverter, check_options, read_own

    content = read_own(Path(argument)) if argument else weights.read(weights.entry("converter", DEFAULT).files["model"])
    name = f"diffusion:{argument}" if argument else "diffusion"
    return DiffusionConverter(content, name=name, **check_options(options))


def load_verifier(motif: str) -> Verifier | None:
    """The second look for findings of a motif: the embedded embedder's, whatever embedder an index has (D6b)."""
    return embedded_embedder("") if motif == DEFAULT else None


def load_calibration(name: str | None) -> Calibration | None:
    """The calibration that a detector asks for, or None if nobody fitted one for it."""
    if name is None:
        return None
    from amogus_search import motif_folders, weights

    if name.startswith(motif_folders.PREFIX):
        return motif_folders.read(Path(name.removeprefix(motif_folders.PREFIX))).calibration
    return weights.calibration(name)
