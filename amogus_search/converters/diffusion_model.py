"""The network of the `diffusion` back end: a small U-Net on pixels, told what is known, where, and what it should be.

Pixels enter and leave in blocks of two by two (space to depth), which quarters the cost of the widest layers. It
predicts velocity (Salimans and Ho, "Progressive distillation for fast sampling of diffusion models", 2022) on a
schedule that ends in pure noise (Lin et al., "Common diffusion noise schedules and sample steps are flawed", 2024),
so that at full strength nothing of what was there shines through.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch
from diffusers import DDPMScheduler, UNet2DModel
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from amogus_search.converters.diffusion_conditions import SIDE_PX
from amogus_search.errors import WeightsError

CONDITIONS = 9
"""Channels beside the noisy picture: what is known (3), what may change, and a sketch of the figure (5)."""
STEPS = 1000
_BLOCK = 2
_CHANNELS = (48, 96, 176)
_TOLD = 4 * _CHANNELS[0]


class PixelDiffusion(nn.Module):
    """Predicts the velocity of (b, 3, SIDE_PX, SIDE_PX) pictures in -1..1.

    Args:
        attributes: what it can be asked for, e.g. "colour:red"; their order is that of the columns of `wishes`.
    """

    def __init__(self, attributes: Sequence[str]) -> None:
        super().__init__()
        self.attributes = tuple(attributes)
        self.wish = nn.Sequential(nn.Linear(len(attributes), _TOLD), nn.SiLU(), nn.Linear(_TOLD, _TOLD))
        self.unet = UNet2DModel(
            sample_size=SIDE_PX // _BLOCK,
            in_channels=(3 + CONDITIONS) * _BLOCK**2,
            out_channels=3 * _BLOCK**2,
            block_out_channels=_CHANNELS,
            layers_per_block=1,
            down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
            class_embed_type="identity",
            norm_num_groups=16,
            attention_head_dim=16,
        )

    def forward(self, noisy: Tensor, conditions: Tensor, step: Tensor, wishes: Tensor) -> Tensor:
        """Velocity, as large as `noisy`.

        Args:
            noisy: (b, 3, SIDE_PX, SIDE_PX).
            conditions: (b, CONDITIONS, SIDE_PX, SIDE_PX).
            step: (b,) int64, 0 (clean) to STEPS - 1 (noise).
            wishes: (b, len(attributes)) 0 or 1; all 0 asks for nothing.
        """
        blocks = nn.functional.pixel_unshuffle(torch.cat([noisy, conditions], 1), _BLOCK)
        blocks = blocks.contiguous(memory_format=torch.channels_last)
        velocity = self.unet(blocks, step, class_labels=self.wish(wishes)).sample
        return nn.functional.pixel_shuffle(velocity, _BLOCK)


def noise_schedule() -> Any:
    """The schedule that it is trained on; samplers are made from its config."""
    return DDPMScheduler(
        num_train_timesteps=STEPS,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
    )


def to_safetensors(model: PixelDiffusion) -> bytes:
    """Its tensors in half precision, and the names of its attributes."""
    halves = {name: tensor.detach().half().contiguous() for name, tensor in model.state_dict().items()}
    # One entry: of several, safetensors would shuffle the order, and the same weights would have other bytes.
    return bytes(save(halves, {"attributes": json.dumps(model.attributes)}))


def from_safetensors(content: bytes) -> PixelDiffusion:
    """What `to_safetensors` wrote, in single precision, ready to be asked.

    Raises:
        WeightsError: it is something else.
    """
    try:
        model = PixelDiffusion(json.loads(_header(content)["attributes"]))
        model.load_state_dict({name: tensor.float() for name, tensor in load(content).items()})
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise WeightsError(
            f"these are no weights of the diffusion back end: {error}", "give diffusion.safetensors of a run of train"
        ) from error
    model.to(memory_format=torch.channels_last)
    model.eval()
    return model


def _header(content: bytes) -> dict[str, str]:
    length = int.from_bytes(content[:8], "little")
    return dict(json.loads(content[8 : 8 + length])["__metadata__"])
