"""Every command of every page is run, at small scale: what a reader types works.

`documented.REPLACED`, `SMALLER` and `FEWER` are the tables of what makes a command
small; a page excuses one by a comment with the reason, which is printed here.
"""

import gc
import time

import pytest
from documented import PAGES, ROOT, commands_of, missing_extra, read_page, run, small
from documented_models import make_home, provide
from quick import cases

QUICK = {"CONTRIBUTING.md", "index.md"}  # whose commands take no time
READ = {page: read_page(page) for page in PAGES}
SLOW = [page for page in PAGES if READ[page].lines and page.name not in QUICK]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder to run commands in, with tiny models and what else they read."""
    import keras

    make_home(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    keras.backend.clear_session()
    gc.collect()


def run_page(page):
    """Runs a page's commands in order; how many ran, what was not and why, failures."""
    ran, left, failed = 0, dict(READ[page].excused), []
    for line in READ[page].lines:
        words, begun = small(line), time.process_time()
        try:
            provide(words)
            run(words)
            ran += 1
        except ModuleNotFoundError as error:
            left[line] = f"not run: the extra {missing_extra(error)} is not installed"
        except (Exception, SystemExit) as error:
            failed.append(f"{line}\n  run as {' '.join(words)}\n  {error!r}")
        print(f"{time.process_time() - begun:6.1f} s  {' '.join(words)}")
    for line, why in left.items():
        print(f"{why}: {line}")
    return ran, left, failed


def test_every_command_is_run_or_excused_with_a_reason():
    for page, (lines, excused) in READ.items():
        assert {*lines, *excused} == set(commands_of(page.read_text()))
        for line, why in excused.items():
            print(f"{page.name}: {why}: {line}")
            kind, _, rest = why.partition(" by " if why[:3] == "run" else ": ")
            assert (kind == "run" and (ROOT / rest).is_file()) or len(rest.split()) > 3
    assert sum(len(found.lines) for found in READ.values()) > 150


def test_a_page_may_excuse_a_block_and_a_sentence(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- not run: it takes a week -->\n```\npdm-tf one\n\npdm-tf two\n```\n\n"
        "Say `pdm-tf three`.\n\n<!-- run by a/file.py -->\nSay `pdm-tf four`.\n\nSo."
    )
    assert read_page(page) == (
        ["pdm-tf three"],
        {
            "pdm-tf one": "not run: it takes a week",
            "pdm-tf two": "not run: it takes a week",
            "pdm-tf four": "run by a/file.py",
        },
    )


def test_a_command_that_fails_is_named(home, monkeypatch):
    page = home / "page.md"
    page.write_text("`pdm-tf --version`, `pdm-tf sampel --model=pretrained:mnist`\n")
    monkeypatch.setitem(READ, page, read_page(page))
    ran, left, (failed,) = run_page(page)
    assert ran == 1 and not left
    assert "sampel" in failed and "did you mean sample?" in failed


@pytest.mark.parametrize("page", cases(sorted(QUICK), ["index.md"]))
def test_the_commands_of_a_short_page_run(page, home):
    (path,) = (path for path in PAGES if path.name == page)
    _, left, failed = run_page(path)
    assert not failed and left == READ[path].excused


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", SLOW, ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page, home):
    ran, left, failed = run_page(page)
    print(f"{page.name}: {ran} commands run, {len(left)} not")
    assert not failed, "\n".join(failed)
    assert ran + len(left) == len({*READ[page].lines, *READ[page].excused})
