"""Finding faces, and the square around a face that face generators know."""

from ganinvert.faces.alignment import Alignment, face_square, misplacement
from ganinvert.faces.detection import Face, detect

__all__ = ["Alignment", "Face", "detect", "face_square", "misplacement"]
