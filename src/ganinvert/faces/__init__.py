"""Detect faces, and cut out the square around a face as face generators expect it."""

from ganinvert.faces.alignment import SMALLEST_FACE as SMALLEST_FACE
from ganinvert.faces.alignment import Alignment as Alignment
from ganinvert.faces.alignment import Note as Note
from ganinvert.faces.alignment import Square as Square
from ganinvert.faces.alignment import face_square as face_square
from ganinvert.faces.alignment import misplacement as misplacement
from ganinvert.faces.detection import Face as Face
from ganinvert.faces.detection import detect as detect
