"""Pipelines of diffusers with random weights, some hundred kilobytes each, saved as people keep their own."""

import json


def tokenizer(folder):
    """Letters, each of them alone and at the end of a word."""
    from transformers import CLIPTokenizer

    letters = [chr(code) for code in range(97, 123)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)


def _text_encoder(words, kind="CLIPTextModel", hidden=16):
    import transformers

    ids = {"bos_token_id": words - 2, "eos_token_id": words - 1, "pad_token_id": words - 1}
    config = transformers.CLIPTextConfig(
        hidden_size=hidden,
        intermediate_size=32,
        num_attention_heads=2,
        num_hidden_layers=2,
        vocab_size=words,
        projection_dim=hidden,
        **ids,
    )
    return getattr(transformers, kind)(config).eval()


def _vae(latents=4):
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=[8] * 4,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        latent_channels=latents,
        norm_num_groups=4,
        sample_size=64,
    )


def _unet(channels=4, **more):
    from diffusers import UNet2DConditionModel

    settings = {
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "sample_size": 8,
        "in_channels": channels,
        "out_channels": 4,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": 16,
        "norm_num_groups": 4,
        "attention_head_dim": 4,
    }
    return UNet2DConditionModel(**(settings | more))


def _scheduler():
    from diffusers import DDIMScheduler

    return DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1)


def _sd(folder, scratch, kind="StableDiffusionPipeline", channels=4):
    import diffusers

    words = tokenizer(scratch)
    parts = {
        "vae": _vae(),
        "text_encoder": _text_encoder(len(words)),
        "tokenizer": words,
        "unet": _unet(channels),
        "scheduler": _scheduler(),
        "safety_checker": None,
        "feature_extractor": None,
    }
    getattr(diffusers, kind)(**parts, requires_safety_checker=False).save_pretrained(folder)


def _sd_inpaint(folder, scratch):
    _sd(folder, scratch, "StableDiffusionInpaintPipeline", 9)


def _sdxl(folder, scratch):
    from diffusers import StableDiffusionXLPipeline

    words = tokenizer(scratch)
    unet = _unet(
        cross_attention_dim=32,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 16,
        use_linear_projection=True,
    )
    StableDiffusionXLPipeline(
        vae=_vae(),
        text_encoder=_text_encoder(len(words)),
        text_encoder_2=_text_encoder(len(words), "CLIPTextModelWithProjection"),
        tokenizer=words,
        tokenizer_2=words,
        unet=unet,
        scheduler=_scheduler(),
    ).save_pretrained(folder)


def _flux_fill(folder, scratch):
    import transformers
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxFillPipeline, FluxTransformer2DModel

    words = tokenizer(scratch)
    t5 = transformers.T5Config(vocab_size=len(words), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    latents = 4
    # Packed two by two: noise, what stays, and the mask of every pixel of a latent.
    transformer = FluxTransformer2DModel(
        in_channels=8 * latents + 4 * 64,
        out_channels=4 * latents,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )
    vae = _vae(latents)
    vae.register_to_config(shift_factor=0.1, scaling_factor=0.3, use_quant_conv=False, use_post_quant_conv=False)
    FluxFillPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=_text_encoder(len(words)),
        tokenizer=words,
        text_encoder_2=transformers.T5EncoderModel(t5).eval(),
        tokenizer_2=words,
        transformer=transformer,
    ).save_pretrained(folder)


def _controlnet(folder, scratch):
    import torch
    from diffusers import ControlNetModel

    net = ControlNetModel.from_unet(_unet(), conditioning_embedding_out_channels=(4, 4, 8, 8))
    with torch.no_grad():
        for layer in [*net.controlnet_down_blocks, net.controlnet_mid_block, net.controlnet_cond_embedding.conv_out]:
            torch.nn.init.normal_(layer.weight, std=0.5)  # a new one says nothing at all
    net.save_pretrained(folder)


def _lora(folder, scratch):
    """For the UNet of `sd`; it changes a lot."""
    import torch
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    unet = _unet()
    unet.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=["to_k", "to_q", "to_v", "to_out.0"]))
    state = convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))
    StableDiffusionPipeline.save_lora_weights(folder, {key: torch.randn_like(value) for key, value in state.items()})


_KINDS = {
    "sd": _sd,
    "sd-inpaint": _sd_inpaint,
    "sdxl": _sdxl,
    "flux-fill": _flux_fill,
    "controlnet": _controlnet,
    "lora": _lora,
}


def build(kind, folder):
    """Writes one below `folder`, the same every time, and gives its place."""
    import torch

    place = folder / kind
    if not place.exists():
        torch.manual_seed(0)
        _KINDS[kind](place, folder / "words")
    return place
