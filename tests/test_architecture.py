"""Who may import whom, and how a house keeps tidy: read from the source itself."""

import ast
import os
import resource
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "pdm_tf"
SCRIPTS = [ROOT / "train.py", ROOT / "sample.py"]
FILES = sorted(PACKAGE.rglob("*.py"))

# Each room and those it may know. What is not named here is not a room.
LEAVES = {"config", "profiling", "seeds", "storage", "diffusion", "networks"}
BELOW = {
    "config": set(),
    "storage": {"config"},
    "profiling": {"config"},
    "seeds": {"config"},
    "diffusion": {"config"},
    "networks": {"config"},
    "data": {"config", "seeds"},
    "denoisers": LEAVES,
    "samplers": {"config", "seeds", "diffusion", "denoisers"},
    "training": LEAVES | {"denoisers", "samplers", "data"},
    "editing": LEAVES | {"denoisers", "samplers", "data"},
    "serving": {"config", "diffusion"},
    "litert": {"config"},
    "export": LEAVES | {"denoisers", "samplers", "data", "serving", "litert"},
    "evaluation": LEAVES | {"denoisers", "samplers", "data", "serving"},
    "analysis": LEAVES | {"denoisers", "samplers", "data", "training", "evaluation"},
    "flags": {"config"},
}
BELOW["assemble"] = set(BELOW)
BELOW["doctor"] = set(BELOW)
BELOW["errors"] = set()
for _room in set(BELOW) - {"errors"}:  # every room may say what is wrong
    BELOW[_room] = BELOW[_room] | {"errors"}
for _room in set(BELOW) - {"errors", "config", "seeds", "storage", "flags"}:
    BELOW[_room] = BELOW[_room] | {"storage"}  # and read and write files
FOREIGN = {  # what a room must not import from elsewhere
    "config": {"tensorflow", "keras", "numpy", "absl"},
    "errors": {"tensorflow", "keras", "numpy", "absl"},
    "flags": {"tensorflow", "keras", "numpy"},
    "seeds": {"keras"},
    "diffusion": {"keras"},
    "data": {"keras"},
    "serving": {"keras"},
    "litert": {"tensorflow", "keras"},
    "storage": {"tensorflow", "keras"},
    "samplers": {"keras"},
}
NAMES = {  # parts of names that a room must not use
    "samplers": ("label", "guid", "network", "timesteps"),
    "denoisers": ("strateg", "distribut"),
    "diffusion": ("label", "path", "flag"),
    "networks": ("schedule", "snr", "alpha", "loss"),
}


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def is_command(path):
    return path.name == "__main__.py"


@cache
def tree(path):
    return ast.parse(path.read_text())


@cache
def imports(path):
    """Full names of everything that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(path):
    """The rooms that a file imports from, besides its own."""
    rooms = {name.split(".")[1] for name in imports(path) if name.startswith("pdm_tf.")}
    return rooms - {room_of(path)} if PACKAGE in path.parents else rooms


def foreign(path):
    return {name.split(".")[0] for name in imports(path)} - {"pdm_tf"}


def relative(path):
    return str(path.relative_to(ROOT))


every_file = pytest.mark.parametrize("path", FILES, ids=relative)
every_source = pytest.mark.parametrize("path", FILES + SCRIPTS, ids=relative)


# --- who knows whom -------------------------------------------------------------------


def test_every_room_has_its_place_in_the_table():
    assert {room_of(path) for path in FILES} - {"__init__"} == set(BELOW)


@every_file
def test_a_room_imports_only_from_rooms_below(path):
    if is_command(path) or path == PACKAGE / "__init__.py":
        return  # commands know everything; the list of names loads on first use
    assert ours(path) <= BELOW[room_of(path)]


def test_the_table_has_no_cycles():
    seen = set()

    def below(room, above):
        assert room not in above, [*above, room]
        for other in BELOW[room] - seen:
            below(other, [*above, room])
        seen.add(room)

    for room in BELOW:
        below(room, [])


def test_the_public_names_load_nothing_by_themselves():
    init = PACKAGE / "__init__.py"
    assert imports(init) == {"importlib.import_module", "typing.Any"}


@every_file
def test_a_room_imports_nothing_foreign_to_it(path):
    assert not foreign(path) & FOREIGN.get(room_of(path), set())


@every_source
def test_absl_is_for_flags_alone(path):
    assert "absl" not in foreign(path) or room_of(path) == "flags"


@every_file
def test_only_commands_know_flags_and_assembly(path):
    if not is_command(path) and room_of(path) not in ("assemble", "doctor"):
        assert not ours(path) & {"flags", "assemble"}


def test_training_knows_no_data_set():
    for path in (PACKAGE / "training").glob("*.py"):
        data = {name for name in imports(path) if name.startswith("pdm_tf.data")}
        assert all(name.startswith("pdm_tf.data.images.") for name in data), path


def test_samplers_know_of_denoisers_only_what_one_is():
    for path in (PACKAGE / "samplers").glob("*.py"):
        known = {name for name in imports(path) if ".denoisers" in name}
        assert all(name.startswith("pdm_tf.denoisers.denoiser.") for name in known)


@every_file
def test_a_room_has_no_words_for_what_it_must_not_know(path):
    words = set()
    for node in ast.walk(tree(path)):
        for field in ("id", "arg", "attr", "name"):
            word = getattr(node, field, None)
            words |= {word.lower()} if isinstance(word, str) else set()
    banned = NAMES.get(room_of(path), ()) if not is_command(path) else ()
    assert not [word for word in words for part in banned if part in word]


def modules_imported(path, modules):
    """Modules of ours that a file imports, a package for what it re-exports."""
    for name in imports(path):
        while name.startswith("pdm_tf."):
            if name in modules:
                yield name
                break
            name = name.rpartition(".")[0]


def test_no_module_imports_itself_through_others():
    def name_of(path):
        parts = path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts).removesuffix(".__init__")

    modules = {name_of(path): path for path in FILES}
    edges = {
        name: set(modules_imported(path, modules)) for name, path in modules.items()
    }
    done = set()

    def visit(name, way):
        assert name not in way, " -> ".join([*way, name])
        for other in edges[name] - done:
            visit(other, [*way, name])
        done.add(name)

    for name in modules:
        visit(name, [])


# --- tidiness -------------------------------------------------------------------------


@every_source
def test_files_are_short_and_say_what_they_are(path):
    assert len(path.read_text().splitlines()) <= 300
    assert ast.get_docstring(tree(path))


def test_no_drawer_for_odds_and_ends():
    odd = {"utils", "util", "misc", "helpers", "helper", "common", "tools"}
    sources = [*ROOT.glob("*.py"), *FILES, *(ROOT / "tests").rglob("*.py")]
    for path in sources:
        assert not odd & set(path.relative_to(ROOT).with_suffix("").parts), path


def test_tests_have_names_of_their_own():
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names))


@every_file
def test_only_images_know_how_bytes_become_numbers(path):
    numbers = {n.value for n in ast.walk(tree(path)) if isinstance(n, ast.Constant)}
    assert 127.5 not in numbers or path == PACKAGE / "data" / "images.py"


def test_every_package_imported_is_asked_for():
    files = [ROOT / f"requirements{end}.txt" for end in ("", "-litert")]
    lines = "".join(file.read_text().lower() for file in files).splitlines()
    asked = {line.split(">")[0] for line in lines if not line.startswith("#")}
    named = {"PIL": "pillow", "absl": "absl-py", "skimage": "scikit-image"}
    named["sklearn"] = "scikit-learn"
    for path in FILES + SCRIPTS:
        for package in foreign(path) - set(sys.stdlib_module_names):
            if package == "lmdb":  # optional: reading LSUN's archive asks for it
                continue
            assert named.get(package, package.replace("_", "-")) in asked, path


# --- quickness ------------------------------------------------------------------------

HEAVY = ("tensorflow", "keras", "numpy", "PIL")
PROBE = f"""
import runpy, sys
sys.argv = [sys.argv[1], "--help"]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    loaded = [name for name in {HEAVY} if name in sys.modules]
    print("code", end.code, "loaded", loaded)
"""


def run(*command):
    """Output of a command and the processor time it took [s]."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "80"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    return done.stdout, spent


@pytest.mark.parametrize("script", SCRIPTS, ids=relative)
def test_help_needs_no_tensorflow_and_under_a_second(script):
    # Processor time: other work on the machine is not the script's fault.
    text, spent = min(
        (run(str(script), "--help") for _ in range(3)), key=lambda r: r[1]
    )
    assert spent < 1.0
    assert "--flagfile" in text and text.count("\n  --") > 5
    assert all(len(line) <= 100 for line in text.splitlines())
    probed, _ = run("-c", PROBE, str(script))
    assert probed.splitlines()[-1] == "code 0 loaded []"


def test_the_docstring_of_a_script_opens_its_help():
    for script in SCRIPTS:
        text, _ = run(str(script), "--help")
        first = ast.get_docstring(tree(script)).splitlines()[0]
        assert text.startswith(first)
        flags = [line for line in text.splitlines() if line.startswith("  --")]
        assert all(a != b for a, b in pairwise(sorted(flags)))
