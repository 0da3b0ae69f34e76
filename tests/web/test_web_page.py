"""What the page does, without a browser: limits, sheets that fill, films, edits."""

import io
import socket

import numpy as np
import pytest
from drawn_circuits import write_drawn
from PIL import Image
from toys import GaussianToy

from pdm_tf.config import SamplingConfig, WebConfig
from pdm_tf.data.images import contact_sheet, read_picture
from pdm_tf.editing.tasks import Model
from pdm_tf.errors import InputError
from pdm_tf.serving import DenoiserGenerator
from pdm_tf.web.auditing import audited
from pdm_tf.web.canvas import for_canvas, read_canvas, read_mask
from pdm_tf.web.comparing import as_table, compared
from pdm_tf.web.drawing import Request, denoised, drawn, enlarged
from pdm_tf.web.editing import EDITS_OF_PAGE, between, edits_of
from pdm_tf.web.films import as_html, encode_film
from pdm_tf.web.serve import find_port
from pdm_tf.web.tried import IN_TURN, NO_CLASS, Limits, Tried, open_tried

SHAPE, LIMITS = (4, 6, 3), Limits(pictures=20, steps=10)
ASKED = Request("1", 10, 5, 3, "ddim", 1.5)


def make_tried(**settings):
    toy = GaussianToy(shift=0.2, image_shape=SHAPE)
    static = SamplingConfig(thresholding="static", variance="small")
    model = Tried("toy", DenoiserGenerator(toy, static), **settings)
    vars(model)["editor"] = Model(toy, static)
    return model


@pytest.fixture(scope="module")
def model():
    return make_tried()


def drawing(picture, rows):
    """What an editor gives: a picture, and a stroke over some rows of its pixels."""
    large = for_canvas(picture)
    background = np.dstack([large, np.full(large.shape[:2], 255, np.uint8)])
    factor = large.shape[0] // picture.shape[0]
    layer = np.zeros_like(background)
    layer[factor * rows.start : factor * rows.stop] = 200, 30, 30, 255
    composite = np.where(layer[..., 3:] > 0, layer, background)
    return {"background": background, "layers": [layer], "composite": composite}


@pytest.fixture(scope="module")
def canvas():
    picture = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)
    return drawing(picture, range(2, 4)), picture


def test_a_sheet_fills_with_the_pictures_of_the_generator(model):
    made = list(drawn(model, ASKED, LIMITS))
    assert [m.said.split(" in")[0] for m in made] == [
        "drawing …",
        "8 of 10 pictures",
        "10 of 10 pictures",
    ]
    seeds, labels = np.arange(5, 15), np.full(10, 1)
    wanted = model.generator.generate(seeds, labels, 3, 1.5, "ddim")
    np.testing.assert_array_equal(made[-1].sheet, enlarged(contact_sheet(wanted)))
    assert not np.array_equal(made[1].sheet, made[2].sheet)


def test_classes_are_by_name_in_turn_or_none(model):
    assert model.names == [IN_TURN, "0", "1", NO_CLASS]
    assert model.labels(None, 5).tolist() == [0, 1, 0, 1, 0]
    assert model.labels("1", 2).tolist() == [1, 1]
    assert model.labels(NO_CLASS, 2).tolist() == [2, 2]
    with pytest.raises(InputError, match="no such class"):
        model.labels("cat", 1)
    assert "6 by 4 pixels, colour; 2 classes" in model.about


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"count": 21}, "pictures=21: choose from 1 to 20"),
        ({"count": 0}, "pictures=0"),
        ({"count": None}, "pictures"),
        ({"steps": 11}, "steps=11: choose from 1 to 10"),
        ({"steps": 2.5}, "steps=2.5"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 2**31}, "seed"),
        ({"guidance": float("nan")}, "guidance"),
        ({"sampler": "best"}, "sampler=best"),
    ],
)
def test_what_a_visitor_may_not_ask_for_is_said(wrong, said, model):
    with pytest.raises(InputError, match=said):
        next(drawn(model, Request(**(vars(ASKED) | wrong)), LIMITS))


def test_a_film_ends_with_the_picture_that_is_drawn(model):
    asked = Request("1", 4, 5, 6, "ddpm", 1.5)
    frames = denoised(model, asked, LIMITS)
    assert len(frames) == 6
    wanted = model.generator.generate(np.arange(5, 9), np.full(4, 1), 6, 1.5, "ddpm")
    np.testing.assert_array_equal(frames[-1], enlarged(contact_sheet(wanted), 384))
    film = Image.open(io.BytesIO(encode_film(frames, there_and_back=True)))
    assert film.n_frames == 10
    assert as_html(encode_film(frames), "it").startswith('<img alt="it" src="data:')


def test_a_canvas_gives_back_its_picture_and_where_strokes_lie(canvas):
    value, picture = canvas
    np.testing.assert_array_equal(read_canvas(value, SHAPE, False)[0], picture)
    struck = read_canvas(value, SHAPE, True)[0]
    np.testing.assert_array_equal(struck[:2], picture[:2])
    assert (struck[2:] == [200, 30, 30]).all()
    assert read_mask(value, SHAPE)[0, :, :, 0].tolist() == [
        [i >= 2] * 6 for i in range(4)
    ]


@pytest.mark.parametrize("value", [None, {}, {"background": None, "layers": []}])
def test_an_empty_canvas_says_what_to_do(value, model):
    for name, edit in EDITS_OF_PAGE.items():
        painting = name in ("inpaint", "tiramisu")
        wanted = "where it is to be" if painting else "draw one with a seed"
        with pytest.raises(InputError, match=wanted):
            edit(model, value, ASKED, LIMITS, 0.5)


def test_inpainting_keeps_what_no_stroke_covers(canvas, model):
    value, picture = canvas
    asked = Request("1", 1, 5, 4, "ddim", 1.5)
    sheet = EDITS_OF_PAGE["inpaint"](model, value, asked, LIMITS, 0.5)
    factor = sheet.shape[0] // 8  # a border of two pixels around four
    made = sheet[::factor, ::factor][2:6, 2:8]
    np.testing.assert_array_equal(made[:2], picture[:2])
    assert not np.array_equal(made[2:], picture[2:])


@pytest.mark.parametrize("name", ["sdedit", "variations"])
def test_edits_draw_as_many_as_were_asked_for(name, canvas, model):
    asked = Request("1", 4, 5, 4, "ddim", 1.5)
    sheet = EDITS_OF_PAGE[name](model, canvas[0], asked, LIMITS, 0.5)
    one = Request("1", 1, 5, 4, "ddim", 1.5)
    assert sheet.std() > 5
    assert sheet.size > 0 and not np.array_equal(
        sheet, EDITS_OF_PAGE[name](model, canvas[0], one, LIMITS, 0.5)
    )


def test_directions_are_rows_that_change_what_strokes_cover(canvas, model):
    asked = Request("1", 2, 5, 4, "ddim", 1.5)
    sheet = EDITS_OF_PAGE["directions"](model, canvas[0], asked, LIMITS, 0.5)
    still = EDITS_OF_PAGE["directions"](model, canvas[0], asked, LIMITS, 0.0)
    assert sheet.shape == still.shape and sheet.shape[1] > 2.5 * sheet.shape[0]
    factor = sheet.shape[0] // 14  # two rows of four pixels, borders of two
    moved = np.abs(sheet[::factor, ::factor].astype(int) - still[::factor, ::factor])
    assert moved[4:6].max() > 20 and moved[2:4].max() < 5  # a toy of single pixels
    everywhere = drawing(canvas[1], range(0))
    freely = EDITS_OF_PAGE["directions"](model, everywhere, asked, LIMITS, 0.5)
    assert not np.array_equal(freely, sheet)
    with pytest.raises(InputError, match="pictures=9: choose up to 8 directions"):
        many = Request("1", 9, 5, 4, "ddim", 1.5)
        EDITS_OF_PAGE["directions"](model, canvas[0], many, LIMITS, 0.5)


def test_a_circuit_adds_tiramisu_which_keeps_what_no_stroke_covers(canvas, tmp_path):
    assert "tiramisu" not in edits_of(make_tried())
    _, circuit = write_drawn(tmp_path, SHAPE, 2)
    model, asked = make_tried(circuit=circuit), Request("1", 1, 5, 4, "ddim", 1.5)
    assert "tiramisu" in edits_of(model)
    sheet = EDITS_OF_PAGE["tiramisu"](model, canvas[0], asked, LIMITS, 0.5)
    factor = sheet.shape[0] // 8
    made = sheet[::factor, ::factor][2:6, 2:8]
    np.testing.assert_array_equal(made[:2], canvas[1][:2])
    painted = EDITS_OF_PAGE["inpaint"](model, canvas[0], asked, LIMITS, 0.5)
    assert not np.array_equal(sheet, painted)
    with pytest.raises(InputError, match="leave a part of the picture"):
        whole = drawing(canvas[1], range(4))
        EDITS_OF_PAGE["tiramisu"](model, whole, asked, LIMITS, 0.5)
    with pytest.raises(InputError, match=r"circuit=.*learn_circuit"):
        open_tried("model", "pretrained:mnist", False, str(tmp_path / "none"))


def test_a_film_between_begins_and_ends_with_the_two_pictures(canvas, model):
    value = drawing(canvas[1], range(0))
    asked = Request("1", 1, 5, 4, "ddim", 1.5)
    frames = between(model, value, asked, LIMITS)
    np.testing.assert_array_equal(frames[0], enlarged(canvas[1], 384))
    wanted = model.generator.generate(np.array([5]), np.array([1]), 4, 1.5, "ddim")
    off = frames[-1].astype(int) - enlarged(wanted[0], 384)
    assert np.abs(off).max() <= 1


def test_models_are_compared_with_the_same_seeds(model):
    rows = list(compared([model, model], ASKED, LIMITS))
    assert [len(r) for r in rows] == [1, 2]
    np.testing.assert_array_equal(rows[1][0].sheet, rows[1][1].sheet)
    assert rows[1][0].evaluations == 6 and rows[1][0].seconds > 0  # guided: twice
    table = as_table(rows[1], 10).splitlines()
    assert len(table) == 4 and "| 1.00 | 6 |" in table[2]


def test_the_rarest_of_uploaded_pictures_come_first(model, tmp_path):
    rng = np.random.default_rng(0)
    grey = rng.integers(120, 136, (4, 4, 6, 3), np.uint8)
    paths = [tmp_path / f"{name}.png" for name in ("a", "b", "black", "d|`e")]
    for path, picture in zip(paths, grey, strict=True):
        Image.fromarray(picture * (path.stem != "black")).save(path)
    sheet, table = audited(model, list(map(str, paths)), LIMITS)
    rows = table.splitlines()[2:]
    assert rows[0].startswith("| `black.png` |") and rows[0].endswith("100% |")
    assert len(rows) == 4 and any(r"`d\|'e.png`" in row for row in rows)
    order = [
        {"d\\|'e": 3, "a": 0, "b": 1, "black": 2}[row[3:].split(".")[0]] for row in rows
    ]
    pictures = np.stack([read_picture(paths[n], SHAPE) for n in order])
    np.testing.assert_array_equal(sheet, enlarged(contact_sheet(pictures, 4)))


def test_what_cannot_be_audited_is_said(model, tmp_path):
    wrong, right = tmp_path / "text.png", tmp_path / "right.png"
    wrong.write_text("no picture")
    Image.fromarray(np.zeros(SHAPE, np.uint8)).save(right)
    for files, said in (
        (None, "upload two or more"),
        ([str(right)], "upload two or more"),
        ([str(right)] * 21, "choose from 1 to 20"),
        ([str(right), str(wrong)], "text.png"),
    ):
        with pytest.raises(InputError, match=said):
            audited(model, files, LIMITS)


def test_it_listens_on_loopback_unless_asked_and_says_when_it_cannot():
    assert WebConfig().host == "127.0.0.1"
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"port={port}.*port=0"):
            find_port("127.0.0.1", port)
    assert find_port("127.0.0.1", 0) > 0
    with pytest.raises(InputError, match=r"host=192\.0\.2\.1: no address of this"):
        find_port("192.0.2.1", 0)
    with pytest.raises(InputError, match=r"host=nobody\.invalid"):
        find_port("nobody.invalid", 0)
