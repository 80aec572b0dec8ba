"""The notebooks run, are stored without outputs, begin with one question, and define nothing worth importing."""

import ast
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# The kernel's own libraries, not ours, warn about how they start it.
pytestmark = [
    pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem),
    pytest.mark.filterwarnings("default"),
]


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_a_notebook_is_stored_without_outputs(path):
    """Outputs would be stale with the next weights, and pictures in them fill the history."""
    for cell in code_of(nbformat.read(path, as_version=4)):
        assert cell.outputs == []
        assert cell.execution_count is None


def test_a_notebook_begins_with_one_question(path):
    first = nbformat.read(path, as_version=4).cells[0]
    title = first.source.splitlines()[0]
    assert first.cell_type == "markdown"
    assert title.startswith("# ")
    assert title.endswith("?")
    assert title.count("?") == 1


def test_a_notebook_defines_no_functions_and_classes(path):
    """What is worth a name is worth a place in the package, with tests."""
    source = "\n".join(cell.source for cell in code_of(nbformat.read(path, as_version=4)))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]


@pytest.mark.slow
def test_a_notebook_runs_from_top_to_bottom(path, tmp_path, monkeypatch):
    """In an empty folder, so that it stands on nothing but the package; its answer must be right."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [output for cell in code_of(notebook) for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    last = code_of(notebook)[-1].outputs[0].text
    assert float(last.rsplit(maxsplit=1)[-1]) > 0.5, last
