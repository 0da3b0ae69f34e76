"""Who may import whom, and how a house keeps tidy: read from the source itself."""

import ast
import os
import re
import resource
import subprocess
import sys
import tomllib
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from pdm_tf.commands import commands
from pdm_tf.flags.running import OPTIONAL

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
    "samplers": {"config", "seeds", "diffusion", "networks", "denoisers"},
    "acceleration": LEAVES | {"denoisers", "samplers"},
    "adapters": LEAVES | {"denoisers"},
    "guidance": LEAVES | {"denoisers", "objectives", "data"},
    "objectives": LEAVES | {"denoisers", "samplers", "data"},
    "quantization": LEAVES
    | {"denoisers", "samplers", "adapters", "acceleration", "objectives"},
    "distillation": LEAVES
    | {"denoisers", "samplers", "adapters", "inverse", "objectives", "data"},
    "training": LEAVES | {"denoisers", "data"},
    "inverse": LEAVES | {"denoisers", "samplers", "data"},
    "editing": LEAVES | {"denoisers", "samplers", "data", "inverse"},
    "serving": LEAVES | {"denoisers", "samplers", "data"},
    "litert": {"serving"},
    "export": LEAVES
    | {"denoisers", "samplers", "data", "serving", "acceleration", "quantization"},
    "evaluation": LEAVES | {"denoisers", "samplers", "data", "serving", "guidance"},
    "flags": {"config", "progress"},
}
BELOW["convert"] = {"config", "networks"}
BELOW["pretrained"] = set()
BELOW["assemble"] = set(BELOW)
BELOW["doctor"] = set(BELOW)
BELOW["web"] = set(BELOW) - {"doctor", "training"}
BELOW["analysis"] = LEAVES | {"denoisers", "samplers", "data", "training", "evaluation"}
BELOW["analysis"] |= {"assemble"}
BELOW["errors"] = set()
for _room in set(BELOW) - {"errors"}:  # every room may say what is wrong
    BELOW[_room] = BELOW[_room] | {"errors"}
for _room in set(BELOW) - {"errors", "config", "seeds", "storage", "flags"}:
    BELOW[_room] = BELOW[_room] | {"storage"}  # and read and write files
BELOW["progress"] = set()  # and say how far it is
for _room in set(BELOW) - {"errors", "config", "seeds", "storage", "flags", "progress"}:
    BELOW[_room] = BELOW[_room] | {"progress"}
BELOW["version"] = set()
for _room in set(BELOW) - {"errors", "config", "version"}:
    BELOW[_room] = BELOW[_room] | {"version"}
BELOW["commands"] = set(BELOW)
BELOW["__main__"] = {"commands", "flags"}
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
    return path.name == "__main__.py" or room_of(path) == "commands"


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
    if path == PACKAGE / "__init__.py":
        return  # the list of names loads on first use
    above = {"flags", "assemble", "doctor", "commands"} if is_command(path) else set()
    assert ours(path) <= BELOW[room_of(path)] | above


def test_a_command_holds_parsing_and_one_call():
    for path in [*commands().values(), *PACKAGE.glob("*/__main__.py")]:
        assert len(path.read_text().splitlines()) <= 60, path


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


def test_a_tflite_file_is_evaluated_without_tensorflow():
    path = PACKAGE / "serving" / "litert_network.py"
    assert not {"tensorflow", "keras"} & foreign(path)
    assert ours(path) <= {"errors", "storage"}  # which load none either


@every_source
def test_absl_is_for_flags_alone(path):
    assert "absl" not in foreign(path) or room_of(path) == "flags"


@every_file
def test_only_commands_know_flags_and_assembly(path):
    above = {"assemble", "doctor", "analysis", "web"}
    if not is_command(path) and room_of(path) not in above:
        assert not ours(path) & {"flags", "assemble"}


def test_training_knows_no_data_set():
    for path in (PACKAGE / "training").glob("*.py"):
        data = {name for name in imports(path) if name.startswith("pdm_tf.data")}
        assert all(name.startswith("pdm_tf.data.images.") for name in data), path


def test_samplers_know_of_denoisers_only_what_one_is():
    for path in (PACKAGE / "samplers").glob("*.py"):
        if path.name == "trajectories.py":
            continue  # it looks into the innermost denoisers
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
    if path.name == "trajectories.py":
        banned = ()  # it looks into the innermost denoisers
    assert not [word for word in words for part in banned if part in word]


def texts(path):
    """Strings of a file, its docstrings left out; what is filled in reads {}."""
    left_out = {
        id(node.body[0].value)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.JoinedStr):
            left_out |= {id(part) for part in node.values}
            yield "".join(
                getattr(part, "value", None) or ""
                if isinstance(part, ast.Constant)
                else "{}"
                for part in node.values
            )
    for node in ast.walk(tree(path)):
        value = getattr(node, "value", None) if isinstance(node, ast.Constant) else None
        if isinstance(value, str) and id(node) not in left_out:
            yield value


SPEAK_OF_FLAGS = {
    "commands",
    "config",
    "flags",
}  # help texts, and the dashes themselves


@every_file
def test_rooms_name_settings_without_dashes(path):
    if is_command(path) or room_of(path) in SPEAK_OF_FLAGS:
        return
    dashed = [text for text in texts(path) if re.search(r"(?<![\w-])--[a-z{]", text)]
    # A whole command may stand in a remedy, as it is typed, and flagfiles are read.
    allowed = r"\b(python|pip) |^--flagfile=\{\}$|^\^--\w+=\("
    assert not [text for text in dashed if not re.search(allowed, text)]


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


@every_file
def test_files_are_written_by_storage_alone(path):
    if room_of(path) == "storage":
        return
    calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    methods = {ast.unparse(call.func) for call in calls}
    writing = r"\.(write_text|write_bytes|savez|savez_compressed|mkdtemp)$|^np\.save$"
    assert not [name for name in methods if re.search(writing, name)]
    modes = {
        mode.value
        for call in calls
        if ast.unparse(call.func).rpartition(".")[2] == "open"
        for mode in call.args
        if isinstance(mode, ast.Constant)
    }
    assert not modes & {"w", "wb", "a", "ab", "x", "xb", "w+b"}


def test_every_package_imported_is_asked_for():
    asked = required() | {name for name, _ in OPTIONAL.values()}
    for path in FILES + SCRIPTS:
        for package in foreign(path) - set(sys.stdlib_module_names):
            assert wheel_of(package) in asked, path


def test_what_only_some_need_is_in_the_extra_that_a_message_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for name, extra in OPTIONAL.values():
        assert name in {line.split(">")[0] for line in extras[extra]}
        assert name not in required()


@every_file
def test_what_only_some_need_is_missed_by_nobody_else(path):
    # What draws may fail at once without matplotlib; all else imports it late.
    draws = room_of(path) == "analysis" or path.name == "curve.py"
    top = [n for n in tree(path).body if isinstance(n, ast.Import | ast.ImportFrom)]
    names = {getattr(n, "module", None) or n.names[0].name for n in top}
    optional = {name.split(".")[0] for name in names} & set(OPTIONAL)
    assert not optional or draws, path


def required():
    """Names of the packages in requirements.txt."""
    lines = (ROOT / "requirements.txt").read_text().lower().splitlines()
    return {line.split(">")[0] for line in lines if not line.startswith("#")}


def wheel_of(package):
    named = {"PIL": "pillow", "absl": "absl-py"}
    if package in OPTIONAL:
        return OPTIONAL[package][0]
    return named.get(package, package.replace("_", "-"))


# --- quickness ------------------------------------------------------------------------

HEAVY = ("tensorflow", "keras", "numpy", "PIL")
PROBE = f"""
import sys
from pdm_tf.commands import main
try:
    code = main(["pdm-tf", *sys.argv[1:]])
except SystemExit as end:
    code = end.code
loaded = [name for name in {HEAVY} if name in sys.modules]
print("code", code or 0, "loaded", loaded)
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


def quickest(*command):
    # Processor time: other work on the machine is not the command's fault.
    found = run(*command)
    return found if found[1] < 1.0 else min(found, run(*command), key=lambda r: r[1])


@pytest.mark.parametrize("name", commands())
def test_help_needs_no_tensorflow_and_under_a_second(name):
    text, spent = quickest("-c", PROBE, name, "--help")
    assert spent < 1.0
    *text, last = text.splitlines()
    assert last == "code 0 loaded []"
    assert all(len(line) <= 100 for line in text)
    first = ast.get_docstring(tree(commands()[name])).splitlines()[0]
    assert text[0] == first  # the docstring of a command opens its help
    flags = [line for line in text if line.startswith("  --")]
    assert flags or any("first word" in line for line in text)
    assert all(a != b for a, b in pairwise(sorted(flags)))


def test_the_commands_are_listed_without_tensorflow():
    text, spent = quickest("-c", PROBE)
    assert spent < 1.0
    *text, last = text.splitlines()
    assert last == "code 0 loaded []"
    for name in commands():
        (line,) = [line for line in text if line.startswith(f"  {name} ")]
        assert len(line) <= 100 and line.split(name, 1)[1].strip().endswith((".", "?"))


@pytest.mark.parametrize("script", SCRIPTS, ids=relative)
def test_a_script_is_its_command(script):
    text, _ = run(str(script), "--help")
    assert text == run("-m", "pdm_tf", script.stem, "--help")[0]


# --- words ----------------------------------------------------------------------------

PRIVATE_WORDS = re.compile(  # each has a word of the field: docs/glossary.md
    r"\b(belie(f|fs|ve|ves|ved|ving)|walk(s|ed)|road|roads|told|untold|hears?|heard|"
    r"troubles|dealer|hosted|steered|remember(s|ed|ing)|travel(s|led)?|bereft)\b",
    re.IGNORECASE,
)


@every_source
def test_words_are_those_of_the_field(path):
    if path.name == "emoji_groups.py":
        return  # Unicode has named its groups
    found = [
        f"{number}: {match.group()}"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for match in PRIVATE_WORDS.finditer(line.replace("_", " "))
    ]
    assert not found
