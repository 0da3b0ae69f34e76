"""The setting by which a user trusts the maker of a SavedModel."""

from pdm_tf.config.options import option


def trusting() -> bool:
    """The field `trust_model`, alike in every command that opens exports."""
    return option(
        False,
        "Run a SavedModel whatever operations it has. It is a program: this one may "
        "read and write your files.",
    )
