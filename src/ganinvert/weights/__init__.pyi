from .reading import read_perceptual as read_perceptual
from .tensorfile import TensorFile as TensorFile
from .tensorfile import digest as digest
