"""Progressive GAN: networks, architectures, and the layouts of its checkpoints."""

from ganinvert.generators.families import Family
from ganinvert.generators.normalization import pixel_norm as pixel_norm
from ganinvert.generators.pggan import formats
from ganinvert.generators.pggan.architecture import EncoderArchitecture as EncoderArchitecture
from ganinvert.generators.pggan.architecture import PGGANArchitecture as PGGANArchitecture
from ganinvert.generators.pggan.discriminator import PGGANDiscriminator as PGGANDiscriminator
from ganinvert.generators.pggan.discriminator import minibatch_stddev as minibatch_stddev
from ganinvert.generators.pggan.encoder import PGGANEncoder as PGGANEncoder
from ganinvert.generators.pggan.network import SLOPE as SLOPE
from ganinvert.generators.pggan.network import PGGANGenerator as PGGANGenerator

PGGAN = Family(formats.recognises, formats.read_generator, formats.read_discriminator, formats.read_encoder)
