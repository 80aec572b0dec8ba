"""What a pipeline and its ControlNet are shown of a job."""

import numpy as np
import pytest

from amogus_search.converters.diffusers_control import sheet_of, shown


def test_pictures_are_filled_up_to_the_grid_and_nothing_changes_there(make_job):
    job = make_job(61, 50)
    sheet = sheet_of(job, 16)
    assert sheet.picture.shape == (64, 64, 3)
    assert sheet.size_wh == (64, 64)
    np.testing.assert_array_equal(sheet.picture[:50, :61], job.crop)
    np.testing.assert_array_equal(sheet.mask[:50, :61] > 0, job.mask > 0)
    assert not sheet.mask[50:].any()
    assert not sheet.mask[:, 61:].any()


def test_an_inpainting_controlnet_sees_a_hole(make_job):
    job = make_job(61, 50)
    sheet = sheet_of(job, 8)
    picture = shown("inpaint", job, sheet)
    assert (picture[sheet.mask > 0] == -1).all()
    np.testing.assert_allclose(picture[sheet.mask == 0] * 255, sheet.picture[sheet.mask == 0], atol=1e-3)


def test_an_outline_is_thin_and_runs_around_figure_and_visor(make_job):
    job = make_job(256, 256)
    picture = shown("outline", job, sheet_of(job, 8))
    assert picture.shape == (256, 256, 3)
    assert set(np.unique(picture)) == {0, 1}
    assert 0.005 < picture.mean() < 0.1
    inside = job.figure.part("visor", (256, 256))
    ys, xs = np.nonzero(inside > 0.9)
    assert picture[ys, xs].mean() < 0.5
    assert picture[ys.min() - 2 : ys.min() + 2, xs].max() == 1


@pytest.mark.parametrize("lighter", [True, False])
def test_light_and_shade_follow_the_place(make_job, lighter):
    """A figure that is lighter than its ground anyway is the easier one to hide."""
    figure = make_job(128, 128).figure.silhouette((128, 128)) > 0.5
    job = make_job(128, 128)
    job.crop[:] = 40 if lighter else 200
    job.crop[figure] = 200 if lighter else 40
    tone = shown("tone", job, sheet_of(job, 8))[..., 0]
    visor = job.figure.part("visor", (128, 128)) > 0.9
    body = figure & (job.figure.part("visor", (128, 128)) < 0.01)
    assert (tone[body].mean() > 0.8) == lighter
    assert (tone[~figure].mean() < 0.2) == lighter
    assert (tone[visor].mean() < 0.5) == lighter
    assert 0 <= tone.min() <= tone.max() <= 1
