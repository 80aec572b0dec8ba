"""A pipeline taken apart for training: texts and pictures encoded once, its UNet with an adapter, and one loss."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import cast_training_params
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor
from torch.nn import functional as F

from amogus_search.core.types import Pixels
from amogus_search.errors import UsageError
from amogus_search.whole_files import in_place_of

TARGETS = ("to_k", "to_q", "to_v", "to_out.0")
"""The layers of attention, as diffusers' own scripts have it."""
WEIGHTS = "pytorch_lora_weights.safetensors"


@dataclass(frozen=True, eq=False)
class Encoded:
    """One picture for the network, on the CPU.

    mean, std: of its latents, as it is and mirrored: (2, c, h, w) float32
    text:      key of its caption
    size_ids:  what SDXL is told of sizes, (6,) float32
    """

    mean: Tensor
    std: Tensor
    text: str
    size_ids: Tensor


@dataclass(frozen=True, eq=False)
class Draw:
    """What chance says of one picture in one step: its noise, how much of it, and whether it is mirrored."""

    seed: int
    timestep: int
    mirrored: bool


class LoraModel:
    """The UNet of a pipeline with a new adapter; everything else of the pipeline is let go of.

    Args:
        pipe: a text-to-image, img2img or inpainting pipeline with a UNet.
        rank: of the adapter.
        seed: of its first weights.
        device: where it computes.
        half: compute in bfloat16; the adapter stays in float32.
        checkpointing: compute activations twice, and keep fewer of them.

    Raises:
        UsageError: the pipeline has no UNet, or one that is given more than a noisy picture.
    """

    def __init__(self, pipe: Any, *, rank: int, seed: int, device: str, half: bool, checkpointing: bool) -> None:
        check_pipe(pipe)
        self._kind, self._pipe = type(pipe), pipe
        self._device, self._half = device, half
        self.unet: Any = pipe.unet.requires_grad_(requires_grad=False).to(device)
        torch.manual_seed(seed)
        shape = LoraConfig(r=rank, lora_alpha=rank, target_modules=list(TARGETS), init_lora_weights="gaussian")
        self.unet.add_adapter(shape)
        cast_training_params(self.unet, dtype=torch.float32)
        if checkpointing:
            self.unet.enable_gradient_checkpointing()
        self.unet.train()
        self._noise = DDPMScheduler.from_config(pipe.scheduler.config)
        self.is_xl = getattr(self.unet.config, "addition_embed_type", None) == "text_time"
        self._texts: dict[str, tuple[Tensor, Tensor | None]] = {}
        self._factor = float(pipe.vae.config.scaling_factor)

    @property
    def parameters(self) -> list[Any]:
        """Those of the adapter."""
        return [parameter for parameter in self.unet.parameters() if parameter.requires_grad]

    @property
    def timesteps(self) -> int:
        """How many levels of noise there are."""
        return int(self._noise.config.num_train_timesteps)

    def read_texts(self, texts: Iterable[str]) -> None:
        """Encode captions; each is computed once."""
        encoders = [one for name in ("text_encoder", "text_encoder_2") if (one := getattr(self._pipe, name, None))]
        for encoder in encoders:
            encoder.to(self._device)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for text in sorted(set(texts)):
                given = {"prompt": [text], "device": self._device, "num_images_per_prompt": 1}
                answer = self._pipe.encode_prompt(**given, do_classifier_free_guidance=False)
                pooled = answer[2].cpu() if self.is_xl else None
                self._texts[text] = (answer[0].cpu(), pooled)
        for encoder in encoders:
            encoder.to("cpu")

    def encode(self, square: Pixels, text: str, side_before: int) -> Encoded:
        """A picture for the network.

        Args:
            square: (side, side, 3) uint8.
            text: its caption, one of those that were read.
            side_before: its side before it was resized.
        """
        vae = self._pipe.vae.to(self._device, torch.float32)
        one = torch.from_numpy(np.ascontiguousarray(square.transpose(2, 0, 1))).float()[None] / 127.5 - 1
        with torch.no_grad():
            found = vae.encode(torch.cat([one, one.flip(3)]).to(self._device)).latent_dist
        side = float(square.shape[0])
        sizes = torch.tensor([side_before, side_before, 0, 0, side, side], dtype=torch.float32)
        return Encoded(found.mean.cpu(), found.std.cpu(), text, sizes)

    def forget_encoders(self) -> None:
        """Let go of all but the UNet."""
        self._pipe = None
        if self._device.startswith("cuda"):
            torch.cuda.empty_cache()

    def losses(self, some: Sequence[Encoded], draws: Sequence[Draw]) -> Tensor:
        """(b,) float32: mean squared error of what the network says of each, with its gradient."""
        pairs = [self._noised(one, draw) for one, draw in zip(some, draws, strict=True)]
        latents, noise = (torch.cat(parts).to(self._device) for parts in zip(*pairs, strict=True))
        steps = torch.tensor([draw.timestep for draw in draws], device=self._device)
        noisy = self._noise.add_noise(latents, noise, steps)
        said = self._said(noisy, steps, some)
        wanted = self._wanted(latents, noise, steps)
        return F.mse_loss(said.float(), wanted.float(), reduction="none").mean(dim=(1, 2, 3))

    def _noised(self, one: Encoded, draw: Draw) -> tuple[Tensor, Tensor]:
        """Latents and noise, (1, c, h, w) each; drawn on the CPU, so that they are the same on every device."""
        chance = torch.Generator("cpu").manual_seed(draw.seed)
        row = int(draw.mirrored)
        mean, std = one.mean[row : row + 1], one.std[row : row + 1]
        latents = (mean + std * torch.randn(mean.shape, generator=chance)) * self._factor
        return latents, torch.randn(mean.shape, generator=chance)

    def _said(self, noisy: Tensor, steps: Tensor, some: Sequence[Encoded]) -> Tensor:
        texts = [self._texts[one.text] for one in some]
        words = torch.cat([words for words, _ in texts]).to(self._device)
        more: dict[str, Any] = {}
        if self.is_xl:
            pooled = torch.cat([pooled for _, pooled in texts if pooled is not None]).to(self._device)
            sizes = torch.stack([one.size_ids for one in some]).to(self._device)
            more["added_cond_kwargs"] = {"text_embeds": pooled, "time_ids": sizes}
        device = self._device.partition(":")[0]
        with torch.autocast(device, torch.bfloat16, enabled=self._half), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer: Tensor = self.unet(noisy, steps, encoder_hidden_states=words, **more).sample
        return answer

    def _wanted(self, latents: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        kind = self._noise.config.prediction_type
        if kind == "v_prediction":
            velocity: Tensor = self._noise.get_velocity(latents, noise, steps)
            return velocity
        return latents if kind == "sample" else noise

    def state(self) -> dict[str, Tensor]:
        """The adapter's tensors by peft's names, on the CPU."""
        found = get_peft_model_state_dict(self.unet)
        return {name: tensor.detach().cpu().contiguous() for name, tensor in found.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave."""
        set_peft_model_state_dict(self.unet, dict(state))
        cast_training_params(self.unet, dtype=torch.float32)

    def save(self, folder: Path, name: str = WEIGHTS) -> None:
        """The adapter in diffusers' format; never half of it."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = convert_state_dict_to_diffusers(self.state())
        with in_place_of(folder / name, ".part.safetensors") as part:
            self._kind.save_lora_weights(folder, unet_lora_layers=tensors, weight_name=part.name)


def check_pipe(pipe: Any) -> None:
    """Refuses pipelines that cannot be trained like this.

    Raises:
        UsageError: there is no UNet, or it is given more than a noisy picture.
    """
    unet, vae = getattr(pipe, "unet", None), getattr(pipe, "vae", None)
    name = type(pipe).__name__
    if unet is None or vae is None or not hasattr(pipe, "encode_prompt") or not hasattr(pipe, "save_lora_weights"):
        raise UsageError(f"{name} has no UNet to train", "use a pipeline of the kind of Stable Diffusion 1, 2 or XL")
    if unet.config.in_channels != vae.config.latent_channels:
        raise UsageError(
            f"the UNet of this {name} is given a mask as well", "train on the base model; the adapter fits both"
        )
