"""The promise that a checkpoint opens with transformers, the library everyone has, and gives the same logits there.

Shapes: B sequences, T tokens, V vocabulary.
"""

from pathlib import Path

import torch

from models.batches import pack
from models.checkpoint import Loaded
from models.documents import Document, of_split
from models.errors import CheckpointError
from models.loading import seeing_no_garbage

# In float32 the two differ by rounding only, about 1e-5 on logits of up to about 20.
LARGEST_DIFFERENCE = 1e-3


@torch.no_grad()
def require_same_logits(folder: Path, loaded: Loaded, documents: list[Document]) -> float:
    """Compare both on the first window of held-out text; return the largest difference of a logit.

    Raises:
        CheckpointError: transformers does not open the folder, or it gives other logits.
    """
    # About as slow to import as torch, so only here, where a checkpoint is about to be published.
    from transformers import AutoModelForCausalLM

    try:
        with seeing_no_garbage():  # most of the library is loaded with the first model
            theirs = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
            )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"transformers does not open {folder}: {error}; train the model again") from error
    held = pack(of_split(documents, "test")[:1], loaded.tokenizer).documents[0]
    tokens_BT = torch.from_numpy(held[None, : loaded.recipe.context])
    ours_BTV = loaded.model.cpu().eval()(tokens_BT)
    theirs_BTV = theirs(tokens_BT).logits  # from_pretrained gives models ready to score
    if theirs_BTV.shape != ours_BTV.shape:
        raise CheckpointError(
            f"transformers reads logits of shape {tuple(theirs_BTV.shape)} from {folder}, not {tuple(ours_BTV.shape)}; "
            "train the model again"
        )
    largest = float((theirs_BTV - ours_BTV).abs().max())
    if not largest <= LARGEST_DIFFERENCE:  # also where it is not a number
        raise CheckpointError(
            f"logits of {folder} differ by {largest:.3g} between transformers and this library, more than "
            f"{LARGEST_DIFFERENCE:g}; the format or one of the two changed, do not publish this model"
        )
    return largest
