"""MobileStyleGAN: a small style-based generator distilled from StyleGAN2."""

from ganinvert.generators.families import Family
from ganinvert.generators.mobilestylegan import formats
from ganinvert.generators.mobilestylegan.architecture import MobileStyleGANArchitecture as MobileStyleGANArchitecture
from ganinvert.generators.mobilestylegan.network import MobileStyleGANGenerator as MobileStyleGANGenerator
from ganinvert.generators.style_encoder import read_style_encoder

MOBILESTYLEGAN = Family(formats.recognises, formats.read_generator, read_encoder=read_style_encoder, styled=True)
