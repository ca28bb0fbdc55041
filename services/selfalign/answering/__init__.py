"""What the services that answer prompts share: asking in one call or two, tries, readiness."""
