"""The page in a real browser: headless Chromium, by Playwright.

`make test-browser` installs what this needs; where it is missing, that is said.
PDM_SCREENSHOTS names a folder where screenshots are kept.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from drawn_circuits import write_drawn
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
pytest.importorskip("gradio", reason="the extra web is not installed")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="the extra browser is not installed"
)
LONG = 240_000  # milliseconds: the first call of a graph, on a busy machine


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    folder = os.environ.get("PDM_SCREENSHOTS")
    return Path(folder) if folder else tmp_path_factory.mktemp("shots")


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """A model that was derived from the one that is shown."""
    from pdm_tf.acceleration import __main__ as command

    out = tmp_path_factory.mktemp("derived") / "cached"
    flags = f"--base=pretrained:mnist --out={out} --report_images=0"
    command.main(["acceleration", "deepcache", *flags.split()])
    return str(out)


@pytest.fixture(scope="module")
def address(beside, tmp_path_factory):
    from pdm_tf.config import WebConfig
    from pdm_tf.web.serve import start

    _, circuit = write_drawn(tmp_path_factory.mktemp("circuit"), (32, 32, 1), 4)
    config = WebConfig(beside=(beside,), circuit=circuit, port=0, max_upload=1)
    page, address = start(config)
    yield address
    page.close(verbose=False)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        found = shutil.which("chromium") or shutil.which("chromium-browser")
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        try:
            browser = driver.chromium.launch(executable_path=found, args=flags)
        except playwright.Error as error:
            pytest.skip(f"no Chromium: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    page = browser.new_page(viewport={"width": 1200, "height": 1000})
    page.goto(address)
    yield page
    page.close()


def open_tab(page, name):
    page.get_by_role("tab", name=name).click()


def fill(page, label, value):
    """Sets a number, of the tab that is seen."""
    field = page.locator(
        f"label:has-text('{label}') input[type=number]:visible, "
        f"input[type=number][aria-label*='{label}']:visible"
    ).first
    field.fill(str(value))
    field.press("Tab")


def seen(page, name):
    """The address of a picture's data once it is there."""
    picture = page.locator(f"#{name} img:visible")
    picture.wait_for(timeout=LONG)
    return picture


def test_a_sheet_is_drawn(page, shots):
    fill(page, "steps", 5)
    page.locator("#draw").click()
    page.get_by_text("16 of 16 pictures").wait_for(timeout=LONG)
    box = seen(page, "pictures").bounding_box()
    assert box["width"] > 100
    page.screenshot(path=shots / "web_sample.png")


def test_the_denoising_is_a_film(page):
    fill(page, "steps", 5)
    page.locator("#film").click()
    film = seen(page, "denoising").get_attribute("src")
    assert film.startswith("data:image/gif;base64,R0lGOD")


def begin_with_a_stroke(page):
    """A picture on the canvas, and a stroke over its lower half."""
    open_tab(page, "edit")
    fill(page, "steps", 10)
    fill(page, "seed", 4)
    page.locator("#begin").click()
    canvas = page.locator("#canvas canvas").last
    canvas.wait_for(timeout=LONG)
    page.wait_for_timeout(3000)  # until the picture is on it
    box = canvas.bounding_box()
    left, top = box["x"] + 0.3 * box["width"], box["y"] + 0.6 * box["height"]
    page.mouse.move(left, top)
    page.mouse.down()
    for step in range(12):
        page.mouse.move(left + 12 * step, top + (step % 3) * 10)
    page.mouse.up()
    page.wait_for_timeout(1000)


def test_a_mask_drawn_on_the_picture_is_painted(page, shots):
    begin_with_a_stroke(page)
    page.locator("#inpaint").click()
    seen(page, "edited")
    page.screenshot(path=shots / "web_edit.png")


@pytest.mark.parametrize("name", ["directions", "tiramisu"])
def test_a_stroke_is_where_it_moves_and_where_a_circuit_helps(page, name, shots):
    begin_with_a_stroke(page)
    page.locator(f"#{name}").click()
    seen(page, "edited")
    page.screenshot(path=shots / f"web_{name}.png")


def test_without_a_mask_it_is_said_what_to_do(page):
    open_tab(page, "edit")
    page.locator("#inpaint").click()
    page.get_by_text("where it is to be painted").wait_for(timeout=LONG)


def test_models_are_compared(page, beside, shots):
    open_tab(page, "compare")
    fill(page, "steps", 12)
    page.locator("#compare").click()
    page.locator("#table td").filter(has_text=Path(beside).name).wait_for(timeout=LONG)
    page.wait_for_timeout(1500)
    page.screenshot(path=shots / "web_compare.png", full_page=True)


def upload(page, paths):
    open_tab(page, "audit")
    page.locator("#uploads input[type=file]").first.set_input_files(paths)


def test_uploaded_pictures_are_audited(page, tmp_path, shots):
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (32, 32), np.uint8)).save(path)
    upload(page, paths)
    page.wait_for_timeout(4000)  # until they are there
    page.locator("#audit").click()
    seen(page, "rarest")
    assert page.locator("#scores td code").count() == 4
    page.screenshot(path=shots / "web_audit.png")


def test_an_upload_beyond_the_limit_is_refused_with_its_reason(page, tmp_path):
    large = tmp_path / "large.png"
    large.write_bytes(b"0" * 1_200_000)  # the page of these tests takes one megabyte
    upload(page, [large])
    page.get_by_text("exceed the maximum allowed size").first.wait_for(timeout=60_000)
    page.locator("#audit").click()
    page.get_by_text("upload two or more").first.wait_for(timeout=60_000)


def test_a_wrong_upload_is_refused_and_the_page_goes_on(page, tmp_path):
    wrong = tmp_path / "text.png"
    wrong.write_text("no picture")
    open_tab(page, "edit")
    page.locator("#canvas input[type=file]").first.set_input_files(wrong)
    said = page.get_by_text("draw one with a seed, or upload one")
    for _ in range(12):  # an upload that goes on takes clicks from the page
        page.wait_for_timeout(3000)
        page.locator("#sdedit").click()
        if said.first.is_visible():
            break
        page.wait_for_timeout(3000)
    said.first.wait_for(timeout=30_000)
    open_tab(page, "sample")
    fill(page, "steps", 2)
    page.locator("#draw").click()
    page.get_by_text("16 of 16 pictures").wait_for(timeout=LONG)
