"""StyleGAN2: networks, architecture, and the layouts of its checkpoints."""

from ganinvert.generators.families import Family
from ganinvert.generators.style_encoder import read_style_encoder
from ganinvert.generators.stylegan2 import formats
from ganinvert.generators.stylegan2.architecture import StyleGAN2Architecture as StyleGAN2Architecture
from ganinvert.generators.stylegan2.discriminator import DiscriminatorArchitecture as DiscriminatorArchitecture
from ganinvert.generators.stylegan2.discriminator import StyleGAN2Discriminator as StyleGAN2Discriminator
from ganinvert.generators.stylegan2.network import StyleGAN2Generator as StyleGAN2Generator

STYLEGAN2 = Family(
    formats.recognises, formats.read_generator, formats.read_discriminator, read_style_encoder, styled=True
)
