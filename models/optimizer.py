"""The optimizer: Muon, or AdamW, for the matrices inside the layers, Adam for embeddings, output and gains."""

from collections import defaultdict
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from models.config import Recipe

# Newton-Schulz coefficients and five rounds: https://kellerjordan.github.io/posts/muon/
_A, _B, _C, _ROUNDS = 3.4445, -4.7750, 2.0315, 5
_BETAS = (0.9, 0.95)


def orthogonalised(matrices_NRC: Tensor) -> Tensor:
    """Nearest semi-orthogonal matrix of each of N matrices, roughly; rows R, columns C."""
    tall = matrices_NRC.shape[1] > matrices_NRC.shape[2]
    x: Tensor = matrices_NRC.mT.contiguous() if tall else matrices_NRC
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_ROUNDS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=_B, alpha=_C), x, beta=_A)
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum whose direction is orthogonalised; matrices of one shape go through one batched product.

    Directions are made orthogonal in `dtype`; momentum and weights stay as they are.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        momentum: float,
        weight_decay: float,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # no closure here
        """Move every matrix by one orthogonal step."""
        assert closure is None
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for weight in group["params"]:
                by_shape[weight.shape].append(weight)
            for shape, weights in by_shape.items():
                self._move(weights, group=group, scale=max(1.0, shape[0] / shape[1]) ** 0.5)

    def _move(self, weights: list[nn.Parameter], *, group: dict[str, float], scale: float) -> None:
        momentum = group["momentum"]
        directions = []
        for weight in weights:
            assert weight.grad is not None
            state = self.state[weight]
            if not state:
                state["momentum"] = torch.zeros_like(weight)
            state["momentum"].lerp_(weight.grad, 1 - momentum)
            directions.append(weight.grad.lerp(state["momentum"], momentum))
        steps = orthogonalised(torch.stack(directions).to(self._dtype))
        for weight, step in zip(weights, steps, strict=True):
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.add_(step, alpha=-group["lr"] * scale)


def _of_matrices(matrices: list[nn.Parameter], recipe: Recipe) -> list[torch.optim.Optimizer]:
    rate, decay = recipe.matrix_learning_rate, recipe.weight_decay
    if recipe.optimizer == "adamw":
        return [torch.optim.AdamW(matrices, lr=rate, betas=_BETAS, weight_decay=decay, fused=True)]
    by_shape: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
    for weight in matrices:
        by_shape[weight.shape].append(weight)
    dtype = torch.bfloat16 if recipe.optimizer == "bfloat16_muon" else torch.float32
    return [
        Muon(alike, lr=rate, momentum=recipe.momentum, weight_decay=decay, dtype=dtype) for alike in by_shape.values()
    ]


def optimizers(model: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """One optimizer for the layers' matrices and one for everything else."""
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, weight in model.named_parameters():
        (matrices if weight.ndim == 2 and ".layers." in name else rest).append(weight)
    made: list[torch.optim.Optimizer] = [
        *_of_matrices(matrices, recipe),
        torch.optim.Adam(
            rest, lr=recipe.embedding_learning_rate, betas=_BETAS, eps=1e-10, fused=rest[0].is_cuda or None
        ),
    ]
    for group in (group for each in made for group in each.param_groups):
        group["initial_lr"] = group["lr"]
    return made


def schedule(step: int, recipe: Recipe) -> float:
    """Share of the full learning rate at a step from 0: linear rise, flat, linear fall to a tenth of a step above 0."""
    rise = min(1.0, (step + 1) / (recipe.warmup_steps + 1))
    cooldown = recipe.cooldown_share * recipe.steps
    fall = min(1.0, (recipe.steps - step) / cooldown) if cooldown else 1.0
    return rise * fall
