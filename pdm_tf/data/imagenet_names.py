"""The names of ImageNet's 1,000 classes, which TensorFlow Datasets has with it."""

from importlib import import_module

COUNT = 1000
_HOME = "tensorflow_datasets.datasets.siscore.labels"  # a data set of its own names


def imagenet_names() -> tuple[str, ...]:
    """One name for each label, the first of its synonyms; empty where they are gone.

    Two classes are a maillot: their numbers, 638 and 639, tell them apart.
    """
    try:
        listed = import_module(_HOME).IMAGENET_LABELS_LIST
    except (ImportError, AttributeError):
        return ()
    names = tuple(str(name).partition(",")[0].strip() for name in listed)
    return names if len(names) == COUNT else ()
