"""MobileStyleGAN: a small style-based generator distilled from StyleGAN2."""

from ganinvert.generators.families import Family
from ganinvert.generators.mobilestylegan import formats
from ganinvert.generators.mobilestylegan.architecture import MobileStyleGANArchitecture as MobileStyleGANArchitecture
from ganinvert.generators.mobilestylegan.network import MobileStyleGANGenerator as MobileStyleGANGenerator

MOBILESTYLEGAN = Family(formats.recognises, formats.read_generator, styled=True)
