"""Growing PGGANs on images."""

from ganinvert.training.checkpoint import Checkpoint, EncoderCheckpoint, History
from ganinvert.training.course import CHECKPOINT
from ganinvert.training.data import ImageFolder
from ganinvert.training.delivery import TrainedGenerator, deliver, discriminator_path, run_folder
from ganinvert.training.evaluation import Evaluation, Memorisation, memorisation
from ganinvert.training.run import Run, TrainingStep
from ganinvert.training.trainer import Losses, Trainer

__all__ = [
    "CHECKPOINT",
    "Checkpoint",
    "EncoderCheckpoint",
    "Evaluation",
    "History",
    "ImageFolder",
    "Losses",
    "Memorisation",
    "Run",
    "TrainedGenerator",
    "Trainer",
    "TrainingStep",
    "deliver",
    "discriminator_path",
    "memorisation",
    "run_folder",
]
