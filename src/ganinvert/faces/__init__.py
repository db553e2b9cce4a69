"""Detect faces, and cut out the square around a face as face generators expect it."""

from ganinvert.faces.alignment import Alignment, face_square, misplacement
from ganinvert.faces.detection import Face, detect

__all__ = ["Alignment", "Face", "detect", "face_square", "misplacement"]
