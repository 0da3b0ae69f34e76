"""The patched U-Net of the paper (section 3, Appendix C)."""

from typing import Any

import keras
import tensorflow as tf

from pdm_tf.config import UNetConfig
from pdm_tf.config.conditioning import conditions_of
from pdm_tf.networks import shapes
from pdm_tf.networks.blocks import (
    AttentionBlock,
    Downsample,
    ResidualBlock,
    Upsample,
    apply_in_turn,
    build_in_turn,
)
from pdm_tf.networks.condition_embedding import attribute_embedding, embed_conditions
from pdm_tf.networks.derivatives import silu
from pdm_tf.networks.embeddings import position_code, timestep_code
from pdm_tf.networks.keras_file import KerasFile
from pdm_tf.networks.layers import GroupNorm, conv, dense
from pdm_tf.networks.patches import patchify, unpatchify
from pdm_tf.networks.stages import Embedding, Features, Output
from pdm_tf.networks.transforms import TIME, apply_transform, conditions
from pdm_tf.networks.vector_embedding import AUGMENTATION_SIZE, VectorEmbedding


@keras.saving.register_keras_serializable("pdm_tf")
class PatchedUNet(KerasFile, keras.Model):
    """A U-Net on the grid of P×P patches; its weights exist once it is constructed.

    Raises:
      InputError: settings that do not fit each other, see `networks.planning`.
    """

    _default_save_signature = None  # has one input; `pdm_tf.export` has its own
    settings_type = UNetConfig
    halver, doubler = Downsample, Upsample  # of the grid, from level to level

    def __init__(self, config: UNetConfig, **settings: Any) -> None:
        settings = {"name": "unet", "dtype": config.precision, **settings}
        super().__init__(autocast=False, **settings)
        self.config, self.conditions = config, conditions_of(config)
        self.grid_height, self.grid_width = shapes.grid_shape(config)
        self._channels = shapes.channels_of_levels(config)
        self._blocks = shapes.blocks_of_levels(config)
        self._attention_levels = shapes.attention_levels(config)
        self._time_width = self._channels[-1]
        self._gate_width = config.width if self._gated else 0
        self._make_embeddings()
        self._make_encoder()
        self._make_decoder()
        self._make_heads()
        self.build()

    @property
    def _gated(self) -> bool:
        return self.config.class_gate and self.config.num_classes > 0

    def _make_embeddings(self) -> None:
        config = self.config
        self.patches_in = conv(config.width, 3, name="patches_in", dtype="float32")
        grid = self.grid_height, self.grid_width
        self._columns, self._rows = position_code(*grid, config.width)
        self.time_1 = dense(4 * config.width, name="time_1", dtype="float32")
        self.time_2 = dense(self._time_width, name="time_2", dtype="float32")
        self.augmentation = None
        if config.augment:
            self.augmentation = VectorEmbedding(
                AUGMENTATION_SIZE, self._time_width, name="augmentation"
            )
        self.attributes = attribute_embedding(self.conditions, self._time_width)
        self.classes = None
        if config.num_classes:
            self.classes = keras.layers.Embedding(
                config.num_classes + 1,  # the last one means: no label
                self._gate_width or self._time_width,
                name="classes",
                dtype="float32",
            )

    def _residual(self, channels: int, name: str, project: bool) -> ResidualBlock:
        sizes = channels, self._time_width, self._gate_width
        return ResidualBlock(*sizes, project, name=name, dtype=self.dtype_policy)

    def _attention(self, level: int, channels: int, name: str) -> list:
        """An attention block if this level is among those with attention."""
        if level not in self._attention_levels:
            return []
        return [AttentionBlock(channels, name=name, dtype=self.dtype_policy)]

    def _make_encoder(self) -> None:
        down: list[list[keras.layers.Layer]] = []
        for level, channels in enumerate(self._channels):
            if level:
                name = f"down_{level}_sample"
                down.append([self.halver(channels, name=name, dtype=self.dtype_policy)])
            for i in range(self._blocks[level]):
                name = f"down_{level}_{i}"
                widens = not down and channels != self.config.width
                block = self._residual(channels, name, project=widens)
                attention = self._attention(level, channels, name + "_attention")
                down.append([block, *attention])
        self.down = down  # assigned whole: Keras does not see what joins later
        c = self._channels[-1]
        self.middle = [
            self._residual(c, "middle_0", project=False),
            AttentionBlock(c, name="middle_attention", dtype=self.dtype_policy),
            self._residual(c, "middle_1", project=False),
        ]

    def _make_decoder(self) -> None:
        up: list[list[keras.layers.Layer]] = []
        for level, channels in reversed(list(enumerate(self._channels))):
            for i in range(self._blocks[level] + 1):
                name = f"up_{level}_{i}"
                block = self._residual(channels, name, project=True)
                attention = self._attention(level, channels, name + "_attention")
                up.append([block, *attention])
            if level:
                below = self._channels[level - 1]
                name = f"up_{level}_sample"
                up[-1].append(self.doubler(below, name=name, dtype=self.dtype_policy))
        self.up = up

    def _make_heads(self) -> None:
        config, policy = self.config, self.dtype_policy
        pixels = config.image_shape[2] * config.patch_size**2
        self.norm = GroupNorm(name="norm", dtype="float32")
        self.patches_out = conv(
            pixels, 3, zero=True, name="patches_out", dtype="float32"
        )
        width, both = config.width, config.width + self._channels[0]
        self.variance_time = dense(both, name="variance_time", dtype=policy)
        self.variance_in = conv(width, 3, name="variance_in", dtype=policy)
        self.variance_out = conv(pixels, 3, name="variance_out", dtype="float32")

    def build(self, input_shape: Any = None) -> None:
        config = self.config
        pixels = config.image_shape[2] * config.patch_size**2
        self.patches_in.build((None, None, None, pixels))
        self.time_1.build((None, config.width))
        self.time_2.build((None, 4 * config.width))
        for one in filter(None, (self.augmentation, self.attributes, self.classes)):
            one.build((None,))
        self._build_blocks()
        last = self._channels[0]
        self.norm.build((None, None, None, last))
        self.patches_out.build((None, None, None, last))
        self.variance_time.build((None, self._time_width))
        self.variance_in.build((None, None, None, config.width + last))
        self.variance_out.build((None, None, None, config.width))
        self.built = True

    def _build_blocks(self) -> None:
        c = self.config.width
        skips = [c]
        for layers in self.down:
            c = build_in_turn(layers, c)
            skips.append(c)
        c = build_in_turn(self.middle, c)
        for layers in self.up:
            c = build_in_turn(layers, c + skips.pop())

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
          t: timesteps, int32 [B], or [1] when all pictures share one.
          labels: int32 [B], num_classes for none, or float32 [B, n] of `conditions`.
          augmentation: how z was augmented, float32 [B, 9]; zeros or None: not at all.

        Returns:
          Output (x, eps or v, as trained) and variance in [0, 1], both float32
          [B, H, W, C].
        """
        embedding = self.embed(t, labels, augmentation)
        with conditions(t, labels):
            features = self._encoded(z, embedding, None)
            output, variance, _ = self._decoded(features, embedding, None, 0)
        return output, variance

    def encode(
        self,
        z: tf.Tensor,
        t: tf.Tensor,
        labels: tf.Tensor | None = None,
        depth: int | None = None,
    ) -> Features:
        """The way down and through the middle, or only its first blocks.

        Args:
          z: see `call`.
          t: see `call`.
          labels: see `call`.
          depth: skips that are computed, outermost first, at least 1 (the input
            convolution alone); None: all of them, and the middle.
        """
        with conditions(t, labels):
            return self._encoded(z, self.embed(t, labels), depth)

    def decode(
        self,
        features: Features,
        t: tf.Tensor,
        labels: tf.Tensor | None = None,
        deep: tf.Tensor | None = None,
        live: int = 0,
    ) -> Output:
        """The way up, or only its last blocks.

        Args:
          features: of `encode`; with `deep` only its skips are read.
          t: see `call`; may differ from that of `encode`.
          labels: see `call`.
          deep: what a former call gave as `deep`, from which the last `live` blocks
            go on (arXiv 2312.00858); None: from the middle.
          live: blocks whose input is given back as `deep`, counted from the output.

        Raises:
          ValueError: `deep` without `live`, or more blocks than there are.
        """
        if not 0 <= live <= len(self.up) or (deep is not None and not live):
            raise ValueError(f"live {live}: choose 1 to {len(self.up)} blocks")
        with conditions(t, labels):
            return self._decoded(features, self.embed(t, labels), deep, live)

    def _encoded(
        self, z: tf.Tensor, embedding: Embedding, depth: int | None
    ) -> Features:
        first = self.patches_in(patchify(z, self.config.patch_size))
        first = first + self._columns + self._rows
        first = tf.cast(first, self.compute_dtype)
        h, skips = first, [first]
        for layers in self.down[: None if depth is None else depth - 1]:
            h = apply_in_turn(layers, h, embedding.time, embedding.classes)
            skips.append(h)
        bottom = None
        if depth is None:
            bottom = apply_in_turn(self.middle, h, embedding.time, embedding.classes)
        return Features(tuple(skips), bottom)

    def _decoded(
        self,
        features: Features,
        embedding: Embedding,
        deep: tf.Tensor | None,
        live: int,
    ) -> Output:
        skips, kept = list(features.skips), deep
        first, h = skips[0], features.bottom if deep is None else deep
        begin = 0 if deep is None else len(self.up) - live
        skips = skips[: len(self.up) - begin]
        for i, layers in enumerate(self.up[begin:], begin):
            if i == len(self.up) - live:
                kept = h
            h = tf.concat([h, skips.pop()], axis=-1)
            h = apply_in_turn(layers, h, embedding.time, embedding.classes)
        out = self.patches_out(silu(self.norm(tf.cast(h, tf.float32))))
        variance = self._variance(first, h, embedding.time_alone)
        patch = self.config.patch_size
        return Output(unpatchify(out, patch), unpatchify(variance, patch), kept)

    def embed(
        self,
        t: tf.Tensor,
        labels: tf.Tensor | None = None,
        augmentation: tf.Tensor | None = None,
    ) -> Embedding:
        """What every block is conditioned on."""
        with conditions(t, labels):
            alone = apply_transform(TIME, t, lambda t, _: self._embed_time(t))
            if self.augmentation is not None and augmentation is not None:
                alone = alone + self.augmentation(augmentation)
            classes, attributes = embed_conditions(self, labels)
        alone = alone if attributes is None else alone + attributes
        if classes is not None and not self._gated:
            return Embedding(alone + classes, None, alone)
        return Embedding(alone, classes, alone)

    def _embed_time(self, t: tf.Tensor) -> tf.Tensor:
        code = timestep_code(t, self.config.width)
        return silu(self.time_2(silu(self.time_1(code))))

    def _variance(self, first: tf.Tensor, h: tf.Tensor, time: tf.Tensor) -> tf.Tensor:
        """The auxiliary head, which learns without moving anything else."""
        seen = tf.stop_gradient(tf.concat([first, h], axis=-1))
        time = self.variance_time(silu(tf.stop_gradient(time)))
        time = tf.reshape(time, [-1, 1, 1, time.shape[-1]])
        hidden = silu(self.variance_in(seen + time))
        return tf.sigmoid(self.variance_out(hidden))
