"""Growing PGGANs on images, and training encoders that invert them."""

from ganinvert.training.checkpoint import FILE_NAME, Checkpoint, History
from ganinvert.training.encoder import EncoderJob, encoder_path, train_encoder
from ganinvert.training.encoder_trainer import EncoderTrainer
from ganinvert.training.evaluation import EncoderEvaluation, GeneratorEvaluation, Memorisation, memorisation
from ganinvert.training.generator import GeneratorJob, discriminator_path, train
from ganinvert.training.generator_trainer import GeneratorTrainer
from ganinvert.training.job import TrainedNetwork, TrainingJob, run_folder, saved
from ganinvert.training.loop import Evaluation, Trainer, TrainingLoop, TrainingStep

__all__ = [
    "FILE_NAME",
    "Checkpoint",
    "EncoderEvaluation",
    "EncoderJob",
    "EncoderTrainer",
    "Evaluation",
    "GeneratorEvaluation",
    "GeneratorJob",
    "GeneratorTrainer",
    "History",
    "Memorisation",
    "TrainedNetwork",
    "Trainer",
    "TrainingJob",
    "TrainingLoop",
    "TrainingStep",
    "discriminator_path",
    "encoder_path",
    "memorisation",
    "run_folder",
    "saved",
    "train",
    "train_encoder",
]
