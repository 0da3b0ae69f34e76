"""The README's first picture shows what docs/speed.md says was measured."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments import hero

PAGE = (hero.DOCS / "speed.md").read_text()


def test_figures_are_those_of_the_page():
    costs = hero.read_costs(PAGE)
    assert set(costs.gibibytes) == {1, 2, 4, 8} and set(costs.speed) == {2, 4, 8}
    for number in (*costs.gibibytes.values(), costs.speed[4], costs.speed[8]):
        assert f"{number:.2f}" in PAGE
    with pytest.raises(ValueError, match="no figures"):
        hero.read_costs(PAGE.replace("1 : ", "one to "))


def test_it_is_drawn_from_any_picture(tmp_path: Path):
    picture = np.zeros((16, 16, 3), np.uint8)
    hero.draw(hero.read_costs(PAGE), picture, tmp_path / "patches.png")
    assert Image.open(tmp_path / "patches.png").size[0] > 900
