"""Models in GGUF files, as llama.cpp, Ollama and LM Studio keep them: converted once to safetensors.

The conversion lies in the cache, named by the SHA-256 of the file. Quantised weights are dequantised and kept
in bfloat16, others in the file's own precision. The file is data: nothing in it is run.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iclnb import paths
from iclnb.errors import IclnbError
from iclnb.llm.data import cache_entries
from iclnb.llm.data.progress import bars_on_a_terminal

if TYPE_CHECKING:
    from gguf import GGUFReader

FORM = 1  # Number of the way a file is converted, raised when that changes

_PROVENANCE = "provenance.json"


def entry(sha256: str) -> Path:
    """Where the conversion of the file with this hash lies, if it was made."""
    return paths.cache_dir() / f"gguf-{sha256[:16]}-{FORM}"


def folder(file: Path, name: str, sha256: str) -> Path:
    """The converted model of a GGUF file, from the cache if it was converted before.

    Raises IclnbError if the file is damaged or of an architecture that cannot be read, or the cache cannot be
    written.
    """
    room = f"{4 * file.stat().st_size / 1e9 + 0.1:.1f} GB"
    return cache_entries.keep(entry(sha256), lambda target: fill(file, target, name, sha256), name, room=room)


def fill(file: Path, target: Path, name: str, sha256: str) -> None:
    """Convert a GGUF file into an empty folder, with its provenance.

    Arguments and errors as :func:`folder`.
    """
    found = about(file, name)
    convert(file, target, found["dtype"], name)
    source = {"file": file.name, "sha256": sha256, "size": file.stat().st_size}
    (target / _PROVENANCE).write_text(json.dumps({"gguf": source} | found, indent=1))


def provenance(converted: Path) -> dict[str, Any]:
    """What was recorded: ``gguf`` (file, sha256, size), ``architecture``, ``dtype``, ``licence``."""
    return json.loads((converted / _PROVENANCE).read_text())


def about(file: Path, name: str) -> dict[str, str]:
    """What a GGUF file says of its model: ``architecture``, ``dtype`` to keep its weights in, ``licence`` or "".

    Raises IclnbError if it is no GGUF file, is damaged, is one of several, or holds what cannot be read.
    """
    reader = _reader(file, name)
    architecture = str(_value(reader, "general.architecture"))
    readable = _readable()
    if architecture not in readable:
        raise IclnbError(
            f"{name} is of the architecture {architecture!r}, which 🤗 transformers cannot read from GGUF; "
            f"it reads {', '.join(sorted(readable))}. Take the model's safetensors instead"
        )
    if architecture != "gpt-oss" and _scales_positions(reader, architecture):
        raise IclnbError(
            f"{name} scales its rotary positions, which 🤗 transformers does not read from GGUF and "
            "would leave out; take the model's safetensors instead"
        )
    licence = str(_value(reader, "general.license") or "")
    return {"architecture": architecture, "dtype": _precision(reader), "licence": licence}


def convert(file: Path, target: Path, dtype: str, name: str, **settings: float) -> None:
    """Write model and tokenizer of a GGUF file as safetensors into ``target``; settings complete the configuration.

    Raises IclnbError if the file does not hold a whole model with finite weights and a tokenizer; OSError if
    ``target`` cannot be written.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, modeling_gguf_pytorch_utils
    from transformers.utils import logging

    modeling_gguf_pytorch_utils.tqdm = logging.tqdm  # the one bar that would not follow the hook
    where = {"gguf_file": file.name, "local_files_only": True}
    with bars_on_a_terminal():
        try:
            tokenizer = AutoTokenizer.from_pretrained(file.parent, **where)
            model, info = AutoModelForCausalLM.from_pretrained(
                file.parent,
                dtype=dtype,
                output_loading_info=True,
                quantization_config=GgufConfig(dequantize=True),  # not left packed where there is a kernel
                **where,
            )
        except Exception as error:  # what damaged files raise in 🤗 transformers has no common type
            raise damaged(name, error) from error
        _check_whole(name, info)
        _forget_quantization(model)
        model.config.update(settings)
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)


def damaged(name: str, error: Exception | str) -> IclnbError:
    """What to do about a GGUF file that cannot be read."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return IclnbError(
        f"{name} is no whole GGUF file of a language model; download it again, or take another. "
        f"Details: {reason}"
    )


def _reader(file: Path, name: str) -> "GGUFReader":
    from gguf import GGUFReader

    try:
        with file.open("rb") as stream:
            if stream.read(4) != b"GGUF":
                raise damaged(name, "it does not begin with the letters GGUF")
        reader = GGUFReader(file)
        parts = int(_value(reader, "split.count") or 1)
        if not reader.tensors or _value(reader, "general.architecture") is None:
            raise damaged(name, "it holds no tensors, or names no architecture")
    except IclnbError:
        raise
    except Exception as error:  # numpy's on reading beyond the end, and the reader's own
        raise damaged(name, error) from error
    if parts > 1:
        raise IclnbError(
            f"{name} is one of {parts} files that a model was split into; join them first "
            "(llama-gguf-split --merge)"
        )
    return reader


def _check_whole(name: str, info: Mapping[str, Iterable[Any]]) -> None:
    """Every weight of the model is in the file and the other way round; what is missing would be random."""
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if keys := sorted(map(str, info[what])):
            raise damaged(name, f"{what.replace('_keys', '')} weights: {', '.join(keys[:3])}")


def _value(reader: "GGUFReader", key: str) -> Any:
    field = reader.get_field(key)
    return None if field is None else field.contents()


def _precision(reader: "GGUFReader") -> str:
    """float32 or float16 where no weight is kept in fewer bits, else bfloat16."""
    kinds = {tensor.tensor_type.name for tensor in reader.tensors}
    return "float32" if kinds == {"F32"} else "float16" if kinds <= {"F32", "F16"} else "bfloat16"


def _scales_positions(reader: "GGUFReader", architecture: str) -> bool:
    kind = _value(reader, f"{architecture}.rope.scaling.type")
    factors = any(tensor.name.startswith(("rope_freqs", "rope_factors")) for tensor in reader.tensors)
    return factors or kind not in (None, "none")


def _readable() -> set[str]:
    """The architectures that 🤗 transformers reads, by llama.cpp's names and its own."""
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    renamed = {"qwen2moe", "qwen3moe", "gpt-oss", "minimax-m2"}
    return {*GGUF_SUPPORTED_ARCHITECTURES, *renamed} - {"general", "tokenizer"}


def _forget_quantization(model) -> None:
    """Let ``save_pretrained`` take a model that was read from GGUF: its weights are dequantised by then."""
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    for mark in ("is_quantized", "quantization_method"):
        if mark in vars(model):
            delattr(model, mark)
