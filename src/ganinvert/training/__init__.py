"""Growing PGGANs on images, and teaching encoders to invert them."""

from ganinvert.training.checkpoint import Checkpoint, EncoderCheckpoint, History
from ganinvert.training.course import CHECKPOINT
from ganinvert.training.data import ImageFolder
from ganinvert.training.delivery import (
    TrainedEncoder,
    TrainedGenerator,
    deliver,
    deliver_encoder,
    discriminator_path,
    run_folder,
)
from ganinvert.training.encoder_run import EncoderEvaluation, EncoderRun, EncoderStep
from ganinvert.training.encoding import EncoderLosses, EncoderTrainer
from ganinvert.training.evaluation import Evaluation, Memorisation, memorisation
from ganinvert.training.run import Run, TrainingStep
from ganinvert.training.trainer import Losses, Trainer

__all__ = [
    "CHECKPOINT",
    "Checkpoint",
    "EncoderCheckpoint",
    "EncoderEvaluation",
    "EncoderLosses",
    "EncoderRun",
    "EncoderStep",
    "EncoderTrainer",
    "Evaluation",
    "History",
    "ImageFolder",
    "Losses",
    "Memorisation",
    "Run",
    "TrainedEncoder",
    "TrainedGenerator",
    "Trainer",
    "TrainingStep",
    "deliver",
    "deliver_encoder",
    "discriminator_path",
    "memorisation",
    "run_folder",
]
