"""The page of `ganinvert ui`: what the library does, in a browser. The only package that uses Gradio."""
