"""Every command of every page is run, at small scale: what a reader types works.

`documented.REPLACED`, `SMALLER` and `FEWER` are the tables of what makes a command
small; a page excuses one by a comment with the reason, which is printed here.
"""

import gc
import time

import pytest
from documented import PAGES, ROOT, commands_of, missing_extra, read_page, run, small
from documented_models import make_home, provide

# These have pages of their own tests, or nothing but commands to install.
QUICK = {"CONTRIBUTING.md", "index.md"}
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


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", SLOW, ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page, home):
    ran, left, failed = run_page(page)
    print(f"{page.name}: {ran} commands run, {len(left)} not")
    assert not failed, "\n".join(failed)
    assert ran + len(left) == len({*READ[page].lines, *READ[page].excused})
