"""The page: its tabs and its look."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ganinvert.ui.edit import edit_tab
from ganinvert.ui.restore import restore_tab
from ganinvert.ui.strokes import strokes_tab
from ganinvert.ui.studio import Studio

TITLE = "ganinvert"
FONTS = ("system-ui", "sans-serif")
COLOURS = {
    "color_accent": "*primary_700",
    "button_primary_background_fill": "*primary_700",
    "button_primary_background_fill_hover": "*primary_800",
    "button_primary_background_fill_dark": "*primary_700",
    "button_primary_background_fill_hover_dark": "*primary_800",
}
"""Colours of the theme with enough contrast to read."""
CSS = """
.min_value, .max_value, .or { color: inherit !important; }
.enlarged img { width: 100%; height: 100%; object-fit: contain; }
.dark { --color-accent: var(--primary-300); }
[id$="-files"] .label-clear-button { display: none; }
label.progress { display: flex; flex-direction: column; gap: 0.3em; }
label.progress progress { width: 100%; height: 0.7em; accent-color: var(--primary-600); }
"""


def make_page(studio: Studio) -> Any:
    """Make the page of a studio, which `launch` shows."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 24 * 3600)) as page:
        gr.Markdown(f"# ganinvert\n{studio.generator.name}, {studio.generator.resolution} px, on this computer")
        with gr.Tab("Restore"):
            restore_tab(studio, page)
        with gr.Tab("Invert and edit"):
            edit_tab(studio)
        with gr.Tab("Strokes"):
            strokes_tab(studio)

        def leave(request: gr.Request) -> None:
            if (work := studio.running.pop(str(request.session_hash), None)) is not None:
                work.give_up()

        page.unload(leave)
    return page


def look() -> dict[str, Any]:
    """Arguments of `launch` about the look of the page; fonts are those of the computer."""
    theme = gr.themes.Default(primary_hue="blue", font=FONTS, font_mono=("ui-monospace", "monospace"))
    return {"theme": theme.set(**COLOURS), "css": CSS}
