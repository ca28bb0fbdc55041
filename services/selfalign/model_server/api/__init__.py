"""The HTTP side: TGI's routes and OpenAI's completions, their bodies, limits, errors metrics."""
