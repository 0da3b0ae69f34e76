"""Whether the classes of a source are those that a setting names."""

from pdm_tf.errors import SettingError


def check_classes(dataset: str, num_classes: int, class_names: tuple[str, ...]) -> None:
    """Accepts the source's own number of classes, and 0 from whom they do not matter.

    Args:
      dataset: name of the source, for the message.
      num_classes: the setting.
      class_names: what the source has.

    Raises:
      InputError: neither 0 nor the source's own number.
    """
    count = len(class_names)
    if num_classes in (0, count):
        return
    if count == 0:
        raise SettingError(
            "num_classes", num_classes, f"{dataset} has no classes; set `num_classes=0`"
        )
    names = ", ".join(class_names[:5]) + (", …" if count > 5 else "")
    raise SettingError(
        "num_classes",
        num_classes,
        f"{dataset} has {count} classes ({names}); set `num_classes={count}`, or 0 to "
        "leave the classes aside",
    )
