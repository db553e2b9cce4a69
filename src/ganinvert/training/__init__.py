"""Growing PGGANs on images, and training encoders that invert them."""

from ganinvert.training.checkpoint import FILE_NAME as FILE_NAME
from ganinvert.training.checkpoint import Checkpoint as Checkpoint
from ganinvert.training.encoder import EncoderJob as EncoderJob
from ganinvert.training.encoder import encoder_path as encoder_path
from ganinvert.training.encoder import train_encoder as train_encoder
from ganinvert.training.encoder_trainer import EncoderTrainer as EncoderTrainer
from ganinvert.training.evaluation import GeneratorEvaluation as GeneratorEvaluation
from ganinvert.training.evaluation import Memorisation as Memorisation
from ganinvert.training.evaluation import memorisation as memorisation
from ganinvert.training.generator import GeneratorJob as GeneratorJob
from ganinvert.training.generator import discriminator_path as discriminator_path
from ganinvert.training.generator import train as train
from ganinvert.training.generator_trainer import GeneratorTrainer as GeneratorTrainer
from ganinvert.training.job import TrainedNetwork as TrainedNetwork
from ganinvert.training.job import TrainingJob as TrainingJob
from ganinvert.training.job import run_folder as run_folder
from ganinvert.training.job import saved as saved
from ganinvert.training.loop import TrainingStep as TrainingStep
