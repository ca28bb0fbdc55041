"""The HTTP side: TGI's routes and OpenAI's completions, bodies, limits, errors, metrics."""
