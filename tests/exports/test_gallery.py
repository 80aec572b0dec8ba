import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from PIL import Image

from amogus_search.core.types import FindingScores
from amogus_search.errors import UsageError
from amogus_search.exports.gallery import GallerySettings, write_gallery

BOXES = [[1, 2, 11, 22], [30, 30, 40, 50]]


class Page(HTMLParser):
    """What a browser makes of the page: its elements, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.elements:
            self.texts.append((self.elements[-1][0], data))

    @property
    def policy(self) -> str:
        return next(a["content"] for t, a in self.elements if t == "meta" and "http-equiv" in a)

    @property
    def scripts(self) -> list[str]:
        return [text for tag, text in self.texts if tag == "script" and text.strip()]

    @property
    def data(self):
        return json.loads(self.scripts[0])


def opened(report) -> Page:
    return Page(report.page.read_text("utf-8"))


def picture(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_the_page_holds_every_hit_with_its_pictures_scores_and_evidence(make_hit, library, tmp_path):
    hits = [make_hit(2, b"/photos/b.jpg", []), make_hit(1, b"/photos/a.jpg", BOXES)]
    report = write_gallery(hits, library.decoded, tmp_path / "out", "Mine", "holiday")
    assert report.page == tmp_path / "out" / "index.html"
    assert (report.hits, report.findings, report.problems) == (2, 2, ())
    data = opened(report).data
    first, second = data["items"]
    assert (first["rank"], first["name"], first["folder"], first["width"]) == (1, "a.jpg", "/photos/", 100)
    assert first["findings"][0]["words"] == "1 in 3,100"
    assert first["findings"][1]["words"] == "> 1 in 3,100"
    assert first["findings"][0]["evidence"] == [["visor", 0.98], ["red", 0.2]]
    assert first["href"] == "file:///photos/a.jpg"
    assert (second["findings"], second["problem"]) == ([], None)
    assert picture(data["pictures"][first["overview"]]).size == (100, 80)
    assert np.asarray(picture(data["pictures"][first["findings"][0]["crop"]]))[12, 6].tolist() == [220, 20, 20]


def test_nothing_is_loaded_from_anywhere_and_only_our_script_runs(make_hit, library, tmp_path):
    page = opened(write_gallery([make_hit(1, b"/a.jpg", BOXES)], library.decoded, tmp_path / "g.html"))
    data_block, script = page.scripts
    style = next(text for tag, text in page.texts if tag == "style")
    for name, text in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in page.policy
    assert "default-src 'none'" in page.policy
    assert "unsafe" not in page.policy
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "base")
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        assert "src" not in attributes
    assert "http" not in style + data_block
    assert re.findall(r"https?://[^\"]*", script) == ["http://www.w3.org/2000/svg"]
    assert "innerHTML" not in script


def test_every_name_is_inert_text(make_hit, library, tmp_path, hostile_path):
    harmless = opened(write_gallery([make_hit(1, b"/photos/a.jpg", BOXES)], library.decoded, tmp_path / "a.html"))
    page = opened(write_gallery([make_hit(1, hostile_path, BOXES)], library.decoded, tmp_path / "b.html"))
    assert page.elements[:3] == harmless.elements[:3]
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in harmless.elements]
    assert not set("<>&") & set(page.scripts[0])
    item = page.data["items"][0]
    assert not re.search("[\x00-\x1f\u202e]", item["name"])
    assert unquote_to_bytes(item["href"].removeprefix("file://")) == hostile_path


def test_titles_are_text_too(library, tmp_path):
    report = write_gallery([], library.decoded, tmp_path / "g.html", "<script>x</script>{{data}}", 'a"b')
    page = opened(report)
    assert len(page.scripts) == 2
    assert page.data == {"pictures": [], "items": []}
    assert "&lt;script&gt;x&lt;/script&gt;{{data}}" in report.page.read_text()


def test_a_photo_is_decoded_and_stored_once_however_many_hits_it_has(make_hit, library, tmp_path):
    hits = [make_hit(1, b"/a.jpg", BOXES), make_hit(2, b"/a.jpg", BOXES, detection=1)]
    data = opened(write_gallery(hits, library.decoded, tmp_path / "g.html")).data
    assert library.read == [b"/a.jpg"]
    assert len(data["pictures"]) == 3
    assert data["items"][1]["findings"][0]["box"] == BOXES[1]


def test_the_finding_that_was_hit_comes_first_and_weak_ones_are_left_out(make_hit, library, tmp_path):
    scores = FindingScores(np.array([0.2, 0.9]), np.ones(2), np.zeros(2, bool))
    hits = [
        make_hit(1, b"/a.jpg", BOXES, detection=0, scores=scores),
        make_hit(2, b"/b.jpg", BOXES, detection=1, scores=scores),
    ]
    first, second = opened(write_gallery(hits, library.decoded, tmp_path / "g.html")).data["items"]
    assert [finding["amogusness"] for finding in first["findings"]] == [0.2, 0.9]
    assert [finding["amogusness"] for finding in second["findings"]] == [0.9]


def test_without_a_calibration_confidence_decides_what_is_drawn(make_hit, library, tmp_path):
    nothing = FindingScores(np.full(2, np.nan), np.full(2, np.nan), np.zeros(2, bool))
    hit = make_hit(1, b"/a.jpg", BOXES, scores=nothing, by="confidence")
    item = opened(write_gallery([hit], library.decoded, tmp_path / "g.html")).data["items"][0]
    assert [(one["amogusness"], one["words"]) for one in item["findings"]] == [(None, ""), (None, "")]


def test_large_pictures_are_made_small(make_hit, library, tmp_path):
    library.pictures[b"/a.jpg"] = np.zeros((1500, 3000, 3), np.uint8)
    hit = make_hit(1, b"/a.jpg", [[0, 0, 1400, 1400]], full_wh=(3000, 1500))
    settings = GallerySettings(overview_px=480, crop_px=200)
    data = opened(write_gallery([hit], library.decoded, tmp_path / "g.html", settings=settings)).data
    assert [max(picture(uri).size) for uri in data["pictures"]] == [480, 200]


def test_hits_whose_photo_cannot_be_shown_are_listed_with_the_reason(make_hit, library, tmp_path):
    hits = [make_hit(rank, f"/{rank}.jpg".encode(), BOXES) for rank in (1, 2)]
    library.sha256[b"/1.jpg"] = "f" * 64
    del library.pictures[b"/2.jpg"]
    report = write_gallery(hits, library.decoded, tmp_path / "g.html")
    items = opened(report).data["items"]
    assert [problem.reason for problem in report.problems] == ["changed", "vanished"]
    assert [item["overview"] for item in items] == [None, None]
    assert "content" in items[0]["problem"]


def test_a_page_that_would_be_too_large_leaves_pictures_out_and_says_so(make_hit, library, tmp_path):
    hits = [make_hit(rank, f"/{rank}.jpg".encode(), BOXES) for rank in (1, 2, 3)]
    report = write_gallery(hits, library.decoded, tmp_path / "g.html", settings=GallerySettings(max_bytes=1))
    assert [(problem.rank, problem.reason) for problem in report.problems] == [(2, "page_full"), (3, "page_full")]
    assert report.hits == 3


def test_links_to_the_photos_can_be_left_out(make_hit, library, tmp_path):
    report = write_gallery([make_hit(1, b"/a.jpg", [])], library.decoded, tmp_path / "g.html", link_originals=False)
    assert opened(report).data["items"][0]["href"] is None


def test_an_earlier_gallery_is_replaced_and_anything_else_is_not(library, tmp_path):
    page, folder, own = tmp_path / "g.html", tmp_path / "folder", tmp_path / "own.html"
    for out in (page, page, folder, folder):
        write_gallery([], library.decoded, out)
    own.write_text("<h1>mine</h1>")
    for out in (own, tmp_path):
        with pytest.raises(UsageError, match="not a gallery"):
            write_gallery([], library.decoded, out)
    assert own.read_text() == "<h1>mine</h1>"
    assert write_gallery([], library.decoded, own, overwrite=True).page == own


def test_nothing_is_written_into_a_photo_folder(library, tmp_path):
    for out in (tmp_path / "g.html", tmp_path / "out"):
        with pytest.raises(UsageError, match="photo folder"):
            write_gallery([], library.decoded, out, source_folders=[bytes(tmp_path)])
    assert list(tmp_path.iterdir()) == []


def test_the_same_hits_give_the_same_bytes(make_hit, library, tmp_path):
    hits = [make_hit(1, b"/a.jpg", BOXES)]
    pages = [write_gallery(hits, library.decoded, tmp_path / name).page.read_bytes() for name in ("a.html", "b.html")]
    assert pages[0] == pages[1]
