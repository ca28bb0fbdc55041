"""README.md of merged weights: what they are, and how they are asked."""

from selfalign_training.configuration.places import model_name
from selfalign_training.configuration.training_config import TrainingConfig

HEAD = """\
---
library_name: transformers
pipeline_tag: text-generation
---

# {name}

{base}, trained by SELF-ALIGN (stage `{stage}`) to answer under a written constitution without being
shown it. What it was trained on and how that went stands in `card.md` beside this folder.

## How to ask it

Through the chat template that lies here (`chat_template.jinja`): it renders the text that the model
was trained on, byte for byte. A conversation without a system message gets the one of the training
(the first, where rows were trained under several); one of your own takes its place, and with it you
leave what was trained.
{ending}

With transformers, from this folder:

```python
from transformers import pipeline

chat = pipeline("text-generation", model=".")
answer = chat([{{"role": "user", "content": "Why is the sky blue?"}}], max_new_tokens=300{stop})
print(answer[0]["generated_text"][-1]["content"])
```

With vLLM:

```sh
vllm serve . --served-model-name assistant
```

With TGI:

```sh
docker run --gpus all -p 8000:80 -v "$PWD:/model" \\
  ghcr.io/huggingface/text-generation-inference:3.3.7 --model-id /model
```

Both then answer OpenAI's chat API:

```sh
curl http://127.0.0.1:8000/v1/chat/completions -H 'Content-Type: application/json' -d '{{
  "model": "assistant", "max_tokens": 300{stop_json},
  "messages": [{{"role": "user", "content": "Why is the sky blue?"}}]}}'
```

{layout}
"""

BY_TOKEN = """\
An answer ends by itself, with the token that `generation_config.json` names (`eos_token_id`): no
stop strings are needed."""
BY_MARKER = """\
It was trained in the published layout, without an end token: an answer does not end by itself. Stop
it at {stop!r}, as the examples do."""
TEMPLATE_LAYOUT = """\
Trained on single turns: system message, question, answer. The system message of the training:"""
HEADERS_LAYOUT = """\
Trained on single turns under headers. Without a chat API, the prompt is the text below, a newline,
the question, and `{assistant}` between blank line and newline:"""


def model_card(config: TrainingConfig) -> str:
    """The card; it names no folder of the machine that trained the model."""
    layout = config.layout
    by_token = layout.end_of_turn == "token" or layout.chat_template
    stop = layout.end_marker.strip()
    meta = layout.meta_prompts[0].strip()
    headers = HEADERS_LAYOUT.format(assistant=layout.assistant_header.strip())
    return HEAD.format(
        name=config.output.prefix,
        base=model_name(config.base_model),
        stage=config.output.prefix.rsplit("/", 1)[-1],
        ending=BY_TOKEN if by_token else BY_MARKER.format(stop=stop),
        stop="" if by_token else f", stop_strings=[{stop!r}], tokenizer=chat.tokenizer",
        stop_json="" if by_token else f', "stop": ["{stop}"]',
        layout=f"{TEMPLATE_LAYOUT if layout.chat_template else headers}\n\n{_indented(meta)}",
    )


def _indented(text: str) -> str:
    """A block of code in Markdown, whatever the text holds."""
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())
