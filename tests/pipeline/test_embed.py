import io

import numpy as np
import pytest
from PIL import Image

from amogus_search.core.types import DecodedImage, Detections, FileEntry, SkippedImage
from amogus_search.pipeline.detect import merge
from amogus_search.pipeline.embed import crops_of, embed_findings, verify_findings
from amogus_search.settings import DECODE, DETECT, EmbedSettings
from amogus_search.sources.decode import decode_bytes
from amogus_search.testing import FakeDetector, FakeEmbedder


def picture(colour, boxes):
    pixels = np.full((60, 80, 3), 10, np.uint8)
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = colour
    image = DecodedImage(FileEntry(b"/p", b"/", None), pixels, (80, 60), "00", "PNG")
    return image, Detections.make(np.asarray(boxes).reshape(-1, 4), [0.9] * len(boxes))


class Redness:
    """A verifier that likes red, and counts how often it had to look for itself."""

    def __init__(self, fingerprint="redness"):
        self.fingerprint = fingerprint
        self.crops_seen = 0

    def margin(self, images):
        self.crops_seen += len(images)
        return np.asarray([image[..., 0].mean() for image in images], np.float32)

    def margin_of_vectors(self, vectors):
        return vectors[:, 0] * 255


STREAM = [
    picture((250, 0, 0), [(5, 5, 30, 30), (40, 5, 70, 40)]),
    SkippedImage(FileEntry(b"/bad", b"/", None), "corrupt", "x"),
    picture((0, 250, 0), []),
    picture((0, 0, 250), [(5, 5, 30, 30)]),
]


def test_every_finding_and_every_picture_gets_its_own_vector():
    red, skipped, none, blue = embed_findings(STREAM, FakeEmbedder(), Redness())
    assert skipped is STREAM[1]
    assert red.detection_vectors.shape == (2, 16)
    assert none.detection_vectors.shape == (0, 16)
    assert red.detection_vectors[0].argmax() == 0
    assert blue.detection_vectors[0].argmax() == 2
    assert np.isclose(np.linalg.norm(red.image_vector), 1)


@pytest.mark.parametrize("size_wh", [(1080, 12_000), (1079, 20_000), (153, 12_000), (12_000, 153)])
def test_the_crop_of_a_long_picture_that_was_decoded_smaller_shows_the_finding(size_wh):
    """The shorter side is rounded, so that the two sides shrink by different amounts."""
    width, height = size_wh
    side = min(size_wh) // 2
    left, top = width - side - side // 2, height - side - side // 2
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[top : top + side, left : left + side] = (255, 0, 0)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    picture = decode_bytes(buffer.getvalue(), DECODE, 1280)
    assert picture.pixels.shape != pixels.shape
    image = DecodedImage(FileEntry(b"/p", b"/", None), picture.pixels, picture.full_wh, "00", "PNG")
    (crop,) = crops_of(image, Detections.make([(left, top, left + side, top + side)], [0.9]), 0.0)
    least = 1 - 2.2 / min(crop.shape[:2])  # a pixel of its border on every side may be mixed
    assert (crop[..., 0] > 100).mean() > least**2
    merged = merge(image, [Detections.make([(left, top, left + side, top + side)], [0.9])], FakeDetector(), DETECT)
    assert merged.evidence[0, list(merged.evidence_names).index("red")] > 0.9


def test_the_verifier_sees_the_crops_in_their_order():
    red, _, _, blue = embed_findings(STREAM, FakeEmbedder(), Redness())
    assert (red.detections.margin > 100).all()
    assert blue.detections.margin[0] < 20


def test_without_models_there_are_no_vectors_and_no_margins():
    red, *_ = embed_findings(STREAM, None)
    assert red.image_vector is None
    assert red.detection_vectors.shape == (2, 0)
    assert np.isnan(red.detections.margin).all()


def test_how_many_pictures_go_together_changes_nothing():
    one = list(embed_findings(STREAM, FakeEmbedder(), Redness(), settings=EmbedSettings(images_waiting=1)))
    all_ = list(embed_findings(STREAM, FakeEmbedder(), Redness(), settings=EmbedSettings(images_waiting=99)))
    assert one[0].detection_vectors.tolist() == all_[0].detection_vectors.tolist()
    assert one[3].detections.margin.tolist() == all_[3].detections.margin.tolist()


class Batching(FakeEmbedder):
    """An embedder that remembers the sizes of the batches it was given, and of which size it likes them."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch
        self.calls: list[int] = []

    def embed_images(self, images):
        self.calls.append(len(images))
        return super().embed_images(images)


def test_whole_pictures_and_crops_of_many_pictures_share_full_batches():
    """A batch has one fixed shape: whatever it is not filled with is paid for all the same."""
    stream = [picture((250, 0, 0), [(5, 5, 30, 30)] * (number % 3)) for number in range(15)]
    embedder = Batching(8)
    found = list(embed_findings(stream, embedder))
    assert [len(item.detections) for item in found] == [number % 3 for number in range(15)]
    assert embedder.calls == [8, 8, 8, 6], "30 regions: every batch but the last is full"


def test_a_verifier_has_full_batches_of_its_own():
    verifier = Redness()
    sizes = []
    margin = verifier.margin
    verifier.margin = lambda crops: sizes.append(len(crops)) or margin(crops)
    stream = [picture((250, 0, 0), [(5, 5, 30, 30), (40, 5, 70, 40)]) for _ in range(6)]
    found = list(embed_findings(stream, FakeEmbedder(), verifier))
    assert sizes == [8, 4]
    assert all((item.detections.margin > 100).all() for item in found)


def test_a_batch_is_not_waited_for_too_long():
    """What waits is lost by a kill, and pixels that wait fill the memory."""
    stream = [picture((250, 0, 0), []) for _ in range(6)]
    few, small = Batching(100), Batching(100)
    list(embed_findings(stream, few, settings=EmbedSettings(images_waiting=4)))
    list(embed_findings(stream, small, settings=EmbedSettings(bytes_waiting=3 * 60 * 80 * 2)))
    assert few.calls == [4, 2]
    assert small.calls == [2, 2, 2]


def test_verifying_alone_fills_in_margins_and_passes_skipped_files_on():
    results = list(verify_findings(STREAM, Redness()))
    assert results[1] is STREAM[1]
    assert (results[0][1].margin > 100).all()


def test_verifying_alone_fills_batches_from_many_pictures_too():
    """A photo has about one finding, and a batch of eight costs nearly the same with one crop in it."""
    verifier, sizes = Redness(), []
    margin = verifier.margin
    verifier.margin = lambda crops: sizes.append(len(crops)) or margin(crops)
    stream = [picture((250, 0, 0), [(5, 5, 30, 30)] * (number % 2)) for number in range(30)]
    found = list(verify_findings(stream, verifier, settings=EmbedSettings(images_waiting=99)))
    assert [len(item[1]) for item in found] == [number % 2 for number in range(30)]
    assert all((item[1].margin > 100).all() for item in found)
    assert sizes == [8, 7]
    sizes.clear()
    assert len(list(verify_findings(stream, verifier, settings=EmbedSettings(images_waiting=4)))) == 30
    assert max(sizes) <= 2


def test_a_verifier_with_the_same_embedder_reuses_the_vectors():
    """Half of the embedder's work would be done twice otherwise."""
    same, other = Redness(FakeEmbedder().fingerprint), Redness()
    reused = next(embed_findings(STREAM, FakeEmbedder(), same))
    looked = next(embed_findings(STREAM, FakeEmbedder(), other))
    assert same.crops_seen == 0
    assert other.crops_seen == 3
    assert (reused.detections.margin > 100).all()
    assert (looked.detections.margin > 100).all()
