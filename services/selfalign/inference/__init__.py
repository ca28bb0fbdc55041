"""The Engine protocol and its clients for TGI and OpenAI-compatible servers."""
