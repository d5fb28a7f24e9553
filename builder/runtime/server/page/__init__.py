"""The page a browser gets at ``/``: what the model is, a form to try it, every route. It needs nothing from outside."""
