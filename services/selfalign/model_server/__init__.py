"""CPU model server that speaks TGI's HTTP API: one model, many requests a step."""
