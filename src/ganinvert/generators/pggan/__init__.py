"""Progressive GAN: networks, architectures, and the layouts of its checkpoints."""

from ganinvert.generators.families import Family
from ganinvert.generators.pggan import formats
from ganinvert.generators.pggan.architecture import EncoderArchitecture, PGGANArchitecture
from ganinvert.generators.pggan.discriminator import PGGANDiscriminator, minibatch_stddev
from ganinvert.generators.pggan.encoder import PGGANEncoder
from ganinvert.generators.pggan.network import SLOPE, PGGANGenerator, pixel_norm
from ganinvert.generators.pggan.weights import DiscriminatorWeights, EncoderWeights, GeneratorWeights, rounded

PGGAN = Family(
    "pggan",
    formats.recognises,
    formats.read_generator,
    PGGANGenerator,
    formats.read_discriminator,
    PGGANDiscriminator.of,
    formats.read_encoder,
    PGGANEncoder,
)

__all__ = [
    "PGGAN",
    "SLOPE",
    "DiscriminatorWeights",
    "EncoderArchitecture",
    "EncoderWeights",
    "GeneratorWeights",
    "PGGANArchitecture",
    "PGGANDiscriminator",
    "PGGANEncoder",
    "PGGANGenerator",
    "minibatch_stddev",
    "pixel_norm",
    "rounded",
]
