"""`amogus models`: the weights that travel with the package, and other forms of them."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import typer

from amogus_search.cli.parameters import FormatOption, QuietOption
from amogus_search.errors import MissingExtraError, UsageError
from amogus_search.whole_files import in_place_of

app = typer.Typer(name="models", help="List the weights by name, or write them in another form.", no_args_is_help=True)

Form = Literal["onnx", "openvino", "openvino-int8", "ultralytics"]
_OPEN_CLIP = "open_clip:"


@app.command("list")
def list_models(format: FormatOption = "table") -> None:  # noqa: A002
    """Names of models, and the weights behind them."""
    from amogus_search.cli.records import write_rows

    write_rows(_rows(), format)


@app.command("export")
def export_model(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A name of `amogus models list`, detector:NAME, or open_clip:..."),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write; a folder for an open_clip model.")],
    to: Annotated[Form, typer.Option(help="Which form.")] = "onnx",
    precision: Annotated[
        Literal["f32", "bf16"],
        typer.Option(help="Of an open_clip model's image tower; bf16 is faster where the CPU computes in it."),
    ] = "f32",
    quiet: QuietOption = False,
) -> None:
    """Write a model in a form that other tools take; or an open_clip model for OpenVINO, faster and without PyTorch.

    --to ultralytics needs the [train] extra, --to openvino-int8 the [int8] extra, an open_clip model the [clip] extra.
    """
    from amogus_search import weights

    if name.startswith(_OPEN_CLIP):
        _export_open_clip(name.removeprefix(_OPEN_CLIP), out, to, precision=precision, quiet=quiet)
        return
    if precision != "f32":
        raise UsageError("--precision is for open_clip models", "a detector chooses its precision when it is loaded")
    kind, _, plain = name.rpartition(":")
    entry = weights.entry(kind or "detector", plain)
    if os.path.lexists(out):
        raise UsageError(f"{out} is there already", "choose another name, or remove it")
    if to == "onnx":
        _write_onnx(entry.files, out)
    elif to == "openvino":
        _write_openvino(entry.files, out)
    elif to == "openvino-int8":
        _write_int8(entry.files, out)
    else:
        _write_ultralytics(entry, out)
    print(out)


def _export_open_clip(argument: str, out: Path, to: Form, *, precision: Literal["f32", "bf16"], quiet: bool) -> None:
    """Write an open_clip model as a folder for `--embedder openvino:OUT`."""
    from amogus_search.cli.records import note

    if to != "openvino":
        raise UsageError(f"open_clip models cannot be written as {to}", "add --to openvino")
    if out.exists():  # before the model is loaded, which takes long
        raise UsageError(f"{out} is there already", "choose another name, or remove it")
    from amogus_search.embedders.open_clip import OpenClipEmbedder
    from amogus_search.embedders.open_clip_export import export_openvino

    report = export_openvino(OpenClipEmbedder(argument), out, precision)
    note(
        f"compared with the model: cosine at least {report.least_cosine:.6f}, {report.speed_up:.2f} times as fast "
        f"({report.export_ms:.1f} instead of {report.model_ms:.1f} ms a crop, on this machine just now); use it with "
        f"--embedder openvino:{out}",
        quiet=quiet,
    )
    print(report.folder)


def _rows() -> list[dict[str, Any]]:
    from amogus_search import weights

    rows = []
    for kind in weights.KINDS:
        for name in weights.names(kind):
            entry = weights.entry(kind, name)
            size = sum(int(weights.manifest()["file"][file]["bytes"]) for file in entry.files.values())
            rows.append(
                {
                    "kind": kind,
                    "name": name,
                    "bytes": size,
                    "files": " ".join(entry.files.values()),
                    "licence": str(entry.about.get("licence", "")),
                    "about": str(entry.about.get("summary", "")),
                }
            )
    return rows


def _only_model(files: Any) -> str:
    """The one ONNX file of a model; an embedder has two, which are named one by one."""
    models = [file for file in files.values() if file.endswith(".onnx")]
    if len(models) != 1:
        raise UsageError(f"this model has {len(models)} ONNX files", "only a detector can be written as one file")
    return str(models[0])


def _write_onnx(files: Any, out: Path) -> None:
    from amogus_search import weights

    with in_place_of(out) as part:
        part.write_bytes(weights.read(_only_model(files)))


def _write_openvino(files: Any, out: Path) -> None:
    from amogus_search import runtime, weights

    _refuse_all_but_xml(out)
    with TemporaryDirectory(dir=out.parent, prefix=".amogus-") as place:  # OpenVINO follows links
        whole = Path(place) / "model.xml"
        runtime.save_openvino(weights.read(_only_model(files)), whole)
        for suffix in (".bin", ".xml"):
            os.replace(whole.with_suffix(suffix), out.with_suffix(suffix))


def _write_int8(files: Any, out: Path) -> None:
    from amogus_search import quantisation, weights
    from amogus_search.evaluation.range_tiles import NUMBER, drawn_tiles

    _refuse_all_but_xml(out)
    tiles = [tile for size in (640, 320) for tile in drawn_tiles(size, NUMBER // 2)]
    model, constants = quantisation.quantised(weights.read(_only_model(files)), tiles)
    for path, content in ((out.with_suffix(".bin"), constants), (out, model)):
        with in_place_of(path) as part:
            part.write_bytes(content)


def _refuse_all_but_xml(out: Path) -> None:
    if out.suffix != ".xml":
        raise UsageError(f"{out} is no .xml file", "OpenVINO writes NAME.xml, and NAME.bin beside it")
    if os.path.lexists(out.with_suffix(".bin")):
        raise UsageError(f"{out.with_suffix('.bin')} is there already", "choose another name, or remove it")


def _write_ultralytics(entry: Any, out: Path) -> None:
    from importlib.util import find_spec

    if find_spec("ultralytics") is None:
        raise MissingExtraError("writing a .pt file needs ultralytics", 'pip install "amogus_search[train]"')
    from amogus_search import weights
    from amogus_search.training.pt_file import write_pt

    if "architecture" not in entry.about:
        raise UsageError(f"{entry.kind} {entry.name!r} has no ultralytics form", "--to onnx works for every detector")
    motif = weights.motif(entry.about["motif"])
    write_pt(weights.read(_only_model(entry.files)), entry.about["architecture"], motif, out)
