"""Plain settings: one frozen dataclass for each room, the one home of all defaults.

Imports nothing of ours but errors and nothing heavy, so that a script can answer
`--help` before TensorFlow is loaded. `pdm_tf.flags` turns every field into a
command-line flag of the same name; the text given to `option` is what `--help` prints.
"""

from pdm_tf.config.analysing import AnalysisConfig
from pdm_tf.config.augmenting import AugmentingConfig
from pdm_tf.config.averaging import AveragingConfig, EmaConfig
from pdm_tf.config.commands import DoctorConfig, MergeConfig, SampleConfig, SplitConfig
from pdm_tf.config.deriving import DeriveConfig, TrainedConfig
from pdm_tf.config.editing import (
    AnomalyConfig,
    ComposeConfig,
    CycleConfig,
    DirectionsConfig,
    EditingConfig,
    Fit,
    InpaintConfig,
    InterpolateConfig,
    SDEditConfig,
    SuperResolveConfig,
    VariationsConfig,
)
from pdm_tf.config.evaluating import (
    AuditConfig,
    CompareConfig,
    EvaluationConfig,
    LikelihoodConfig,
    MemorisationConfig,
    TrainDigitsConfig,
)
from pdm_tf.config.exporting import ExportConfig, Quantisation
from pdm_tf.config.learning import LearningConfig
from pdm_tf.config.monitoring import MonitoringConfig
from pdm_tf.config.options import (
    Precision,
    Prediction,
    Spacing,
    Thresholding,
    Variance,
    Weighting,
    option,
)
from pdm_tf.config.packing import PackConfig, UnpackConfig
from pdm_tf.config.preparing import MeasureConfig, PrepareConfig
from pdm_tf.config.run import (
    Config,
    DataConfig,
    DiffusionConfig,
    SamplingConfig,
    TrainingConfig,
    UNetConfig,
)
from pdm_tf.config.transformer import JiTConfig, TransformerConfig
from pdm_tf.config.web import WebConfig
from pdm_tf.errors import InputError

__all__ = [
    "AnalysisConfig",
    "AnomalyConfig",
    "AuditConfig",
    "AugmentingConfig",
    "AveragingConfig",
    "CompareConfig",
    "ComposeConfig",
    "Config",
    "CycleConfig",
    "DataConfig",
    "DeriveConfig",
    "DiffusionConfig",
    "DirectionsConfig",
    "DoctorConfig",
    "EditingConfig",
    "EmaConfig",
    "EvaluationConfig",
    "ExportConfig",
    "Fit",
    "InpaintConfig",
    "InputError",
    "InterpolateConfig",
    "JiTConfig",
    "LearningConfig",
    "LikelihoodConfig",
    "MeasureConfig",
    "MemorisationConfig",
    "MergeConfig",
    "MonitoringConfig",
    "PackConfig",
    "Precision",
    "Prediction",
    "PrepareConfig",
    "Quantisation",
    "SDEditConfig",
    "SampleConfig",
    "SamplingConfig",
    "Spacing",
    "SplitConfig",
    "SuperResolveConfig",
    "Thresholding",
    "TrainDigitsConfig",
    "TrainedConfig",
    "TrainingConfig",
    "TransformerConfig",
    "UNetConfig",
    "UnpackConfig",
    "Variance",
    "VariationsConfig",
    "WebConfig",
    "Weighting",
    "option",
]
