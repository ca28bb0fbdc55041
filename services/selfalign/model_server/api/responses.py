"""JSON bodies of the generate routes, as TGI writes them."""

from collections.abc import Sequence

from selfalign.model_server.api.generation import Generation
from selfalign.model_server.batching.token_events import Token, TokenEvent
from selfalign.model_server.batching.tokenizer import TextTokenizer

Json = dict[str, object]


def token_json(token: Token) -> Json:
    """A token."""
    return {
        "id": token.id,
        "text": token.text,
        "logprob": token.logprob,
        "special": token.special,
    }


def full_text(generation: Generation) -> str:
    """generated_text: with the prompt if that was asked for."""
    return (generation.valid.text if generation.valid.return_full_text else "") + generation.text


def _sequence(generation: Generation, tokenizer: TextTokenizer) -> Json:
    ids = generation.valid.prompt.tokens
    prefill = [
        {"id": number, "text": tokenizer.decode([number]), "logprob": logprob}
        for number, logprob in zip(ids, generation.request.prefill_logprobs, strict=False)
    ]
    sequence: Json = {
        "finish_reason": generation.finish_reason,
        "generated_tokens": len(generation.tokens),
        "seed": generation.seed,
        "prefill": prefill,
        "tokens": [token_json(token) for token in generation.tokens],
    }
    if generation.valid.prompt.sampling.top_n_tokens:
        sequence["top_tokens"] = [[token_json(token) for token in top] for top in generation.tops]
    return sequence


def generate_json(generations: Sequence[Generation], tokenizer: TextTokenizer) -> Json:
    """The answer of /generate: the best generation first."""
    best, *others = generations
    body: Json = {"generated_text": full_text(best)}
    if best.valid.details:
        details = _sequence(best, tokenizer)
        if others:
            details["best_of_sequences"] = [
                {"generated_text": full_text(other), **_sequence(other, tokenizer)}
                for other in others
            ]
        body["details"] = details
    return body


def stream_json(generation: Generation, event: TokenEvent) -> Json:
    """One event of /generate_stream; the last one carries text and details."""
    body: Json = {"index": len(generation.tokens), "token": token_json(event.token)}
    if generation.valid.prompt.sampling.top_n_tokens:
        body["top_tokens"] = [token_json(token) for token in event.top]
    last = event.finish_reason is not None
    body["generated_text"] = full_text(generation) if last else None
    body["details"] = (
        {
            "finish_reason": event.finish_reason,
            "generated_tokens": len(generation.tokens),
            "seed": generation.seed,
            "input_length": len(generation.valid.prompt.tokens),
        }
        if last and generation.valid.details
        else None
    )
    return body
