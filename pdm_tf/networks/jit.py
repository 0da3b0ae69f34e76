"""JiT: a plain transformer on large patches of pixels (arXiv 2511.13720)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pdm_tf.config.conditioning import conditions_of
from pdm_tf.config.transformer import JiTConfig
from pdm_tf.errors import SettingError
from pdm_tf.networks.condition_embedding import attribute_embedding, embed_conditions
from pdm_tf.networks.derivatives import silu
from pdm_tf.networks.jit_blocks import (
    Modulation,
    RMSNorm,
    TransformerBlock,
    rotary_code,
    sine_code,
)
from pdm_tf.networks.keras_file import KerasFile
from pdm_tf.networks.layers import dense
from pdm_tf.networks.patches import patchify, unpatchify
from pdm_tf.networks.recomputation import apply_recomputed
from pdm_tf.networks.transforms import TIME, apply_transform, conditions
from pdm_tf.networks.vector_embedding import AUGMENTATION_SIZE, VectorEmbedding
from pdm_tf.networks.watching import report_block

_TIME_CODE = 256  # channels of the sine code of time
_TIMESTEPS = 1000  # that t is counted in where a layer's transform goes by timestep


@keras.saving.register_keras_serializable("pdm_tf")
class JiT(KerasFile, keras.Model):
    """A transformer on the tokens of P×P patches; its weights exist once it is made.

    Of a step's variance it says nothing: the fraction that it gives is 1 everywhere,
    the smaller of the two (beta-tilde).

    Raises:
      InputError: settings that do not fit each other.
    """

    _default_save_signature = None  # see `PatchedUNet`
    settings_type = JiTConfig
    continuous_time = True  # t is a float, 0 for noise and 1 for the picture
    learns_variance = False

    def __init__(self, config: JiTConfig, **settings: Any) -> None:
        settings = {"name": "jit", "dtype": config.precision, **settings}
        super().__init__(autocast=False, **settings)
        self.config, self.conditions = config, conditions_of(config)
        self.grid_height, self.grid_width = _grid_shape(config)
        self._make_embeddings()
        self.position = sine_code(self.grid_height, self.grid_width, config.hidden_size)
        self._columns, self._rows = _sides(self.position, self.grid_width)
        alone, behind = (
            rotary_code(
                self.grid_height,
                self.grid_width,
                config.hidden_size // config.num_heads,
                ahead,
            )
            for ahead in (0, config.context_tokens)
        )
        self.blocks = [
            TransformerBlock(
                config.hidden_size,
                config.num_heads,
                alone if i < config.context_start else behind,
                name=f"block_{i}",
                dtype=self.dtype_policy,
            )
            for i in range(config.depth)
        ]
        self.modulation = Modulation(
            config.hidden_size, 2, name="modulation", dtype="float32"
        )
        self.norm = RMSNorm(name="norm", dtype="float32")
        self.patches_out = dense(
            self._pixels, zero=True, name="patches_out", dtype="float32"
        )
        self.build()

    @property
    def _pixels(self) -> int:
        return self.config.image_shape[2] * self.config.patch_size**2

    def _make_embeddings(self) -> None:
        config = self.config
        wide = config.hidden_size
        self.patches_in = dense(
            config.bottleneck, use_bias=False, name="patches_in", dtype="float32"
        )
        self.tokens_in = dense(wide, name="tokens_in", dtype="float32")
        normal = keras.initializers.RandomNormal(stddev=0.02)
        own: dict[str, Any] = {"dtype": "float32", "kernel_initializer": normal}
        self.time_1 = dense(wide, name="time_1", **own)
        self.time_2 = dense(wide, name="time_2", **own)
        self.augmentation = None
        if config.augment:
            self.augmentation = VectorEmbedding(
                AUGMENTATION_SIZE, wide, name="augmentation"
            )
        self.attributes = attribute_embedding(self.conditions, wide)
        self.classes = None
        if config.num_classes:
            self.classes = keras.layers.Embedding(
                config.num_classes + 1,  # the last one means: no label
                wide,
                embeddings_initializer=normal,
                name="classes",
                dtype="float32",
            )
        self.context = None
        if config.context_tokens:
            self.context = self.add_weight(
                shape=(config.context_tokens, wide),
                initializer=normal,
                name="context",
                dtype="float32",
                autocast=False,
            )

    def build(self, input_shape: Any = None) -> None:
        config = self.config
        self.patches_in.build((None, self._pixels))
        self.tokens_in.build((None, config.bottleneck))
        self.time_1.build((None, _TIME_CODE))
        self.time_2.build((None, config.hidden_size))
        if self.augmentation:
            self.augmentation.build()
        for one in filter(None, (self.attributes, self.classes)):
            one.build((None,))
        for block in self.blocks:
            block.build()
        self.modulation.build()
        self.norm.build((None, config.hidden_size))
        self.patches_out.build((None, config.hidden_size))
        self.built = True

    def call(
        self,
        z: tf.Tensor,
        t: tf.Tensor,
        labels: tf.Tensor | None = None,
        augmentation: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The network's raw output.

        Args:
          z: noisy pictures, float32 [B, H, W, C].
          t: times, float32 [B], or [1] when all pictures share one; 0 is noise, 1
            the picture.
          labels: int32 [B]; num_classes means no label. Needed with classes. With
            `conditions` float32 [B, n] of them, NaN for what is not known.
          augmentation: how z was augmented, float32 [B, 9]; zeros or None: not at all.

        Returns:
          Output (x, eps or v, as trained), float32 [B, H, W, C], and ones of that
          shape, see the class.
        """
        with conditions(_timestep(t), labels):
            c = apply_transform(TIME, t, lambda t, _: self._embed_time(t))
            classes, attributes = embed_conditions(self, labels)
            c = c if classes is None else c + classes
            if self.augmentation is not None and augmentation is not None:
                c = c + self.augmentation(augmentation)
            c = c if attributes is None else c + attributes
            x = self._tokens(z)
            for i, block in enumerate(self.blocks):
                if i == self.config.context_start and self.context is not None:
                    x = tf.concat([self._ahead(self.context, x, classes), x], axis=1)
                x = self._applied(block, x, c)
            return self._picture(x, c), tf.ones_like(z)

    def _embed_time(self, t: tf.Tensor) -> tf.Tensor:
        half = _TIME_CODE // 2
        frequencies = np.exp(-np.log(10_000.0) * np.arange(half) / half)
        angle = t[:, None] * tf.constant(frequencies, tf.float32)
        code = tf.concat([tf.cos(angle), tf.sin(angle)], axis=1)
        return self.time_2(silu(self.time_1(code)))

    def _tokens(self, z: tf.Tensor) -> tf.Tensor:
        patches = tf.reshape(patchify(z, self.config.patch_size), [-1, self._pixels])
        x = self.tokens_in(self.patches_in(patches))
        grid = self.grid_height, self.grid_width, self.config.hidden_size
        x = tf.reshape(x, [-1, *grid]) + self._columns + self._rows
        x = tf.reshape(x, [-1, *self.position.shape])
        return tf.cast(x, self.compute_dtype)

    @staticmethod
    def _ahead(
        context: keras.Variable, x: tf.Tensor, classes: tf.Tensor | None
    ) -> tf.Tensor:
        """Tokens that go in front: those of the class, each with a code of its own."""
        code = context.value[None]
        if classes is not None:
            return tf.cast(classes[:, None] + code, x.dtype)
        return tf.repeat(tf.cast(code, x.dtype), tf.shape(x)[0], axis=0)

    def _applied(self, block: Any, x: tf.Tensor, c: tf.Tensor) -> tf.Tensor:
        c = tf.cast(c, self.compute_dtype)
        made = apply_recomputed(block, x, c)
        report_block(block, (x, c, None), made)
        return made

    def _picture(self, x: tf.Tensor, c: tf.Tensor) -> tf.Tensor:
        x = tf.cast(x[:, x.shape[1] - len(self.position) :], tf.float32)
        shift, scale = self.modulation(c)
        x = tf.reshape(self.norm(x, scale, shift), [-1, self.config.hidden_size])
        grid = self.grid_height, self.grid_width, self._pixels
        out = tf.reshape(self.patches_out(x), [-1, *grid])
        return unpatchify(out, self.config.patch_size)


def _sides(position: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """What a position's code has of its column and of its row; their sum is the code.

    [1, width, D] and [height, 1, D]: a graph holds these instead of the whole grid.
    """
    grid = position.reshape(-1, width, position.shape[-1])
    columns, rows = grid[:1].copy(), grid[:, :1].copy()
    half = position.shape[-1] // 2
    columns[..., half:], rows[..., :half] = 0, 0
    return columns, rows


def _timestep(t: tf.Tensor) -> tf.Tensor:
    """The timestep of a time: 0 next to the picture, T - 1 for noise."""
    index = tf.cast(tf.round((1.0 - t) * _TIMESTEPS), tf.int32) - 1
    return tf.clip_by_value(index, 0, _TIMESTEPS - 1)


def _grid_shape(config: JiTConfig) -> tuple[int, int]:
    shape, patch = tuple(config.image_shape), config.patch_size
    if len(shape) != 3 or min(shape) < 1:
        raise SettingError(
            "image_shape", shape, "give height, width and channels, such as 256,256,3"
        )
    if patch < 1 or shape[0] % patch or shape[1] % patch:
        raise SettingError(
            "patch_size", patch, f"choose one that divides {shape[0]} and {shape[1]}"
        )
    heads = config.num_heads
    if heads < 1 or config.hidden_size % heads or config.hidden_size // heads % 4:
        raise SettingError(
            "num_heads",
            heads,
            f"the {config.hidden_size} channels of a token must divide into heads of a "
            "multiple of 4 channels",
        )
    if config.depth < 1 or not 0 <= config.context_start < config.depth:
        raise SettingError(
            "context_start",
            config.context_start,
            f"choose one of the {config.depth} blocks, 0 the first",
        )
    return shape[0] // patch, shape[1] // patch
