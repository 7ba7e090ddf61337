# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""Records what a published program answers at full size, for samFullSizeGTest.cxx: weights and picture come from
formulas, of the answers some values are kept.

    PYTHONPATH=FOLDER_OF_SEGMENT_ANYTHING python record.py vit_b|vit_tiny|... OUT.safetensors [FOLDER]

With the package of HQ-SAM the masks of its own token are recorded, too. In FOLDER go the checkpoint (model.pth), the
picture (picture.png) and all answers (answers.safetensors).
"""

import inspect
import os
import sys

import numpy
import torch
from PIL import Image
from safetensors.torch import save_file
from segment_anything import SamPredictor, sam_model_registry

MIX = 0x85EBCA6B, 0xC2B2AE35
STEP = 2654435761
EMBEDDING_STRIDE = 2621
LOGIT_STRIDE = 131
CASES = {
    "point": {"point_coords": [[310.0, 215.0]], "point_labels": [1]},
    "points_and_box": {
        "point_coords": [[310.0, 215.0], [90.0, 400.0]],
        "point_labels": [1, 0],
        "box": [180.0, 80.0, 430.0, 330.0],
    },
}


def noise(name, count):
    """Numbers from -1 to 1: the mixed bits of an index and the name's hash (FNV-1a)."""
    seed = 2166136261
    for letter in name.encode():
        seed = (seed ^ letter) * 16777619 & 0xFFFFFFFF
    with numpy.errstate(over="ignore"):
        x = numpy.arange(count, dtype=numpy.uint32) * numpy.uint32(STEP) + numpy.uint32(seed)
        x ^= x >> numpy.uint32(16)
        x *= numpy.uint32(MIX[0])
        x ^= x >> numpy.uint32(13)
        x *= numpy.uint32(MIX[1])
        x ^= x >> numpy.uint32(16)
    return x.astype(numpy.float64) / 2.0**31 - 1.0


def fill(name, tensor):
    offset, scale = 0.0, 1.0
    if name.endswith("running_var"):
        offset, scale = 1.0, 0.5
    elif tensor.dim() == 1:
        offset, scale = (1.0, 0.2) if name.endswith(".weight") else (0.0, 0.1)
    elif tensor.shape[0] > 1:
        scale = (3.0 * tensor.shape[0] / tensor.numel()) ** 0.5
    values = offset + scale * noise(name, tensor.numel())
    tensor.copy_(torch.from_numpy(values.astype(numpy.float32)).view(tensor.shape))


def picture():
    """480 rows of 640 pixels: stripes that are turned over in a disk."""
    y, x = numpy.mgrid[0:480, 0:640]
    disk = (x - 300) ** 2 + (y - 200) ** 2 < 120**2
    colors = [(x * (2 + c) + y * (3 - c)) // 4 % 256 for c in range(3)]
    return numpy.stack([numpy.where(disk, 255 - color, color) for color in colors], -1).astype(numpy.uint8)


def main():
    word, output, folder = sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None
    torch.set_num_threads(1)
    sam = sam_model_registry[word]()
    with torch.no_grad():
        for name, tensor in sam.state_dict().items():
            if tensor.is_floating_point():
                fill(name, tensor)
    sam.eval()  # TinyViT takes its attention's biases in this moment
    image = picture()
    if folder:
        os.makedirs(folder, exist_ok=True)
        torch.save(sam.state_dict(), os.path.join(folder, "model.pth"))
        Image.fromarray(image).save(os.path.join(folder, "picture.png"))
    predictor = SamPredictor(sam)
    predictor.set_image(image)
    full = {"embedding": predictor.features}
    is_hq = "hq_token_only" in inspect.signature(predictor.predict).parameters
    for case, prompt in CASES.items():
        prompt = {key: numpy.array(value) for key, value in prompt.items()}
        for multimask in (False, True):
            for options in ({"hq_token_only": False}, {"hq_token_only": True}) if is_hq else ({},):
                masks, scores, logits = predictor.predict(multimask_output=multimask, **prompt, **options)
                name = case + "/multimask" * multimask + "/hq_token_only" * any(options.values())
                full[f"{name}/scores"] = torch.from_numpy(scores)
                full[f"{name}/logits"] = torch.from_numpy(logits)
                full[f"{name}/pixels"] = torch.from_numpy(masks.sum((1, 2)).astype(numpy.int64))
                print(name, scores, masks.mean((1, 2)), numpy.abs(logits).max())
    full = {name: tensor.contiguous().clone() for name, tensor in full.items()}
    strides = {"embedding": EMBEDDING_STRIDE, "logits": LOGIT_STRIDE}
    parts = {}
    for name, tensor in full.items():
        stride = strides.get(name.split("/")[-1], 1)
        parts[name] = tensor.flatten(1)[:, ::stride].clone() if stride > 1 else tensor
    parts["embedding"] = full["embedding"].flatten()[::EMBEDDING_STRIDE].clone()
    save_file(parts, output)
    if folder:
        save_file(full, os.path.join(folder, "answers.safetensors"))


if __name__ == "__main__":
    main()
