# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""Checkpoints in the published names and sizes, written by PyTorch with random numbers, and hostile files: what
sam-model answers to them, how long it takes and how much memory.

    python checkpoints.py SAM_MODEL [unittest's options]

With SEGMENTANYTHING_LARGE_CHECKPOINTS=1 also ViT-L and ViT-H, which need 8 GB of memory and 8 GB of temporary files.
"""

import collections
import ctypes
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import warnings
import zipfile

try:
    warnings.simplefilter("ignore")  # NumPy is not needed
    import torch
except ImportError as error:
    print(f"skipped: checkpoints.py: torch cannot be imported ({error})")
    sys.exit(77)

PROGRAM = os.path.abspath(sys.argv.pop(1))
SECONDS = 1.0  # of the processor, for what is refused, beyond what the program takes to start
MEMORY = 1 << 30
TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def layer(name, *shape):
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def mask_parts():
    """SAM's prompt encoder and mask decoder."""
    shapes = {"prompt_encoder.pe_layer.positional_encoding_gaussian_matrix": (2, 128)}
    for k in range(4):
        shapes[f"prompt_encoder.point_embeddings.{k}.weight"] = (1, 256)
    shapes["prompt_encoder.not_a_point_embed.weight"] = (1, 256)
    for k, shape in ((0, (4, 1, 2, 2)), (1, (4,)), (3, (16, 4, 2, 2)), (4, (16,)), (6, (256, 16, 1, 1))):
        shapes |= layer(f"prompt_encoder.mask_downscaling.{k}", *shape)
    shapes["prompt_encoder.no_mask_embed.weight"] = (1, 256)
    transformer = "mask_decoder.transformer"
    attentions = {f"{transformer}.final_attn_token_to_image": 128}
    norms = [f"{transformer}.norm_final_attn"]
    for k in range(2):
        here = f"{transformer}.layers.{k}"
        attentions |= {f"{here}.self_attn": 256}
        attentions |= {f"{here}.cross_attn_{way}": 128 for way in ("token_to_image", "image_to_token")}
        norms += [f"{here}.norm{n}" for n in (1, 2, 3, 4)]
        shapes |= layer(f"{here}.mlp.lin1", 2048, 256) | layer(f"{here}.mlp.lin2", 256, 2048)
    for name, inner in attentions.items():
        for part in "qkv":
            shapes |= layer(f"{name}.{part}_proj", inner, 256)
        shapes |= layer(f"{name}.out_proj", 256, inner)
    for name in norms:
        shapes |= layer(name, 256)
    shapes["mask_decoder.iou_token.weight"] = (1, 256)
    shapes["mask_decoder.mask_tokens.weight"] = (4, 256)
    for k, shape, bias in ((0, (256, 64, 2, 2), 64), (1, (64,), 64), (3, (64, 32, 2, 2), 32)):
        shapes[f"mask_decoder.output_upscaling.{k}.weight"] = shape
        shapes[f"mask_decoder.output_upscaling.{k}.bias"] = (bias,)
    heads = {f"mask_decoder.output_hypernetworks_mlps.{k}": 32 for k in range(4)}
    for name, outputs in (heads | {"mask_decoder.iou_prediction_head": 4}).items():
        for k, rows in enumerate((256, 256, outputs)):
            shapes |= layer(f"{name}.layers.{k}", rows, 256)
    return shapes


def neck(width):
    shapes = {"image_encoder.neck.0.weight": (256, width, 1, 1), "image_encoder.neck.2.weight": (256, 256, 3, 3)}
    return shapes | layer("image_encoder.neck.1", 256) | layer("image_encoder.neck.3", 256)


def sam(width=768, depth=12, heads=12, global_blocks=(2, 5, 8, 11)):
    shapes = {"image_encoder.pos_embed": (1, 64, 64, width)}
    shapes |= layer("image_encoder.patch_embed.proj", width, 3, 16, 16)
    for k in range(depth):
        here = f"image_encoder.blocks.{k}"
        table = 127 if k in global_blocks else 27
        shapes |= layer(f"{here}.norm1", width) | layer(f"{here}.norm2", width)
        shapes |= {f"{here}.attn.rel_pos_{axis}": (table, width // heads) for axis in "hw"}
        shapes |= layer(f"{here}.attn.qkv", 3 * width, width) | layer(f"{here}.attn.proj", width, width)
        shapes |= layer(f"{here}.mlp.lin1", 4 * width, width) | layer(f"{here}.mlp.lin2", width, 4 * width)
    return shapes | neck(width) | mask_parts()


SIZES = {
    "B": (768, 12, 12, (2, 5, 8, 11)),
    "L": (1024, 24, 16, (5, 11, 17, 23)),
    "H": (1280, 32, 16, (7, 15, 23, 31)),
}


SMALL = sam(64, 2, 2, (1,))


def normalized(name, outputs, inputs, kernel):
    """A convolution with batch normalization as TinyViT names it."""
    shapes = {f"{name}.c.weight": (outputs, inputs, kernel, kernel), f"{name}.bn.num_batches_tracked": ()}
    shapes |= {f"{name}.bn.running_{what}": (outputs,) for what in ("mean", "var")}
    return shapes | layer(f"{name}.bn", outputs)


def mobile_sam():
    widths, depths, heads, windows = (64, 128, 160, 320), (2, 2, 6, 2), (2, 4, 5, 10), (7, 7, 14, 7)
    encoder = "image_encoder"
    shapes = normalized(f"{encoder}.patch_embed.seq.0", 32, 3, 3) | normalized(f"{encoder}.patch_embed.seq.2", 64, 32, 3)
    for stage, width in enumerate(widths):
        for k in range(depths[stage]):
            here = f"{encoder}.layers.{stage}.blocks.{k}"
            if stage == 0:
                shapes |= normalized(f"{here}.conv1", 4 * width, width, 1)
                shapes |= normalized(f"{here}.conv2", 4 * width, 1, 3)
                shapes |= normalized(f"{here}.conv3", width, 4 * width, 1)
                continue
            shapes[f"{here}.attn.attention_biases"] = (heads[stage], windows[stage] ** 2)
            shapes |= layer(f"{here}.attn.norm", width) | layer(f"{here}.attn.qkv", 3 * width, width)
            shapes |= layer(f"{here}.attn.proj", width, width) | layer(f"{here}.mlp.norm", width)
            shapes |= layer(f"{here}.mlp.fc1", 4 * width, width) | layer(f"{here}.mlp.fc2", width, 4 * width)
            shapes |= normalized(f"{here}.local_conv", width, 1, 3)
        if stage < 3:
            here = f"{encoder}.layers.{stage}.downsample"
            following = widths[stage + 1]
            shapes |= normalized(f"{here}.conv1", following, width, 1)
            shapes |= normalized(f"{here}.conv2", following, 1, 3)
            shapes |= normalized(f"{here}.conv3", following, following, 1)
    shapes |= layer(f"{encoder}.norm_head", 320) | layer(f"{encoder}.head", 1000, 320)
    return shapes | neck(320) | mask_parts()


def high_quality(early):
    """What HQ-SAM adds to the mask decoder, for an encoder with so many channels of early features."""
    decoder = "mask_decoder"
    shapes = {f"{decoder}.hf_token.weight": (1, 256)}
    for k, rows in enumerate((256, 256, 32)):
        shapes |= layer(f"{decoder}.hf_mlp.layers.{k}", rows, 256)
    pairs = {"compress_vit_feat": (early, 256, 32), "embedding_encoder": (256, 64, 32)}
    for name, (inputs, hidden, outputs) in pairs.items():
        here = f"{decoder}.{name}"
        shapes |= {f"{here}.0.weight": (inputs, hidden, 2, 2), f"{here}.0.bias": (hidden,)} | layer(f"{here}.1", hidden)
        shapes |= {f"{here}.3.weight": (hidden, outputs, 2, 2), f"{here}.3.bias": (outputs,)}
    here = f"{decoder}.embedding_maskfeature"
    return shapes | layer(f"{here}.0", 64, 32, 3, 3) | layer(f"{here}.1", 64) | layer(f"{here}.3", 32, 64, 3, 3)


def fill(shapes):
    """A state_dict of random numbers."""
    torch.manual_seed(0)
    tensors = collections.OrderedDict()
    for name, shape in shapes.items():
        counter = name.endswith("num_batches_tracked")
        tensors[name] = torch.tensor(7) if counter else torch.empty(shape).uniform_(-1.0, 1.0)
    return tensors


def write_safetensors(path, tensors):
    header, place = {}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [place, place + tensor.nbytes]}
        place += tensor.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write((ctypes.c_char * tensor.nbytes).from_address(tensor.data_ptr()))


def read_safetensors(path):
    with open(path, "rb") as file:
        data = bytearray(file.read())
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        kind = TYPES[entry["dtype"]]
        count = (end - begin) // torch.empty((), dtype=kind).element_size()
        tensors[name] = torch.frombuffer(data, dtype=kind, count=count, offset=8 + length + begin).view(entry["shape"])
    return tensors, json.loads(metadata["plan"])


Answer = collections.namedtuple("Answer", "status output error seconds wall memory")

# A small process between, since Linux counts what the caller holds to the memory of what it starts.
LAUNCHER = """
import os, sys
process = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(process, 0)
with open(sys.argv[1], "w") as file:
    print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss, file=file)
"""


def run(*arguments):
    begin = time.monotonic()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with tempfile.NamedTemporaryFile("r") as report:
        command = [sys.executable, "-I", "-S", "-c", LAUNCHER, report.name, PROGRAM, *arguments]
        process = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
        status, seconds, memory = report.read().split()
    wall = time.monotonic() - begin
    scale = 1 if sys.platform == "darwin" else 1024
    return Answer(int(status), process.stdout, process.stderr, float(seconds), wall, int(memory) * scale)


class Checkpoints(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    @classmethod
    def setUpClass(cls):
        cls.start = run("--version").seconds

    def path(self, name):
        return os.path.join(self.folder, name)

    def accept(self, *arguments):
        answer = run(*arguments)
        self.assertEqual((answer.status, answer.error), (0, ""))
        print(f"  {arguments[0]} {os.path.basename(arguments[1])}: {answer.wall:.2f} s ({answer.seconds:.2f} s of the "
              f"processor), {answer.memory / 2**20:.0f} MiB")
        return answer

    def refuse(self, path, expected):
        """The program must name what is wrong, soon and in little memory, and leave nothing behind."""
        answer = run("convert", path, self.path("refused.safetensors"))
        self.assertEqual((answer.status, answer.output), (1, ""), answer)
        self.assertRegex(answer.error, r"\Asam-model: [^\n]+\n\Z")
        self.assertIn(expected, answer.error)
        self.assertLess(answer.seconds, self.start + SECONDS, answer)
        self.assertLess(answer.memory, MEMORY, answer)
        self.assertFalse([name for name in os.listdir(self.folder) if "refused" in name])

    def save(self, name, content, **options):
        torch.save(content, self.path(name), **options)
        return self.path(name)

    def check_conversion(self, path, tensors, *options):
        target = self.path("converted.safetensors")
        self.accept("convert", path, target, *options)
        found, plan = read_safetensors(target)
        self.assertEqual(found.keys(), tensors.keys())
        for name, tensor in tensors.items():
            self.assertTrue(torch.equal(found[name], tensor), name)
        self.accept("verify", target)
        return plan

    def check_published(self, letter, name="SAM", additions=None):
        tensors = fill(sam(*SIZES[letter]) | (additions or {}))
        path = self.save(f"vit_{letter.lower()}.pth", tensors)
        self.assertIn(f"{name} ViT-{letter}, recognized", self.accept("info", path).output)
        self.assertIn(f"OK, {name} ViT-{letter}, {len(tensors)} tensors", self.accept("verify", path).output)
        plan = self.check_conversion(path, tensors)
        self.assertEqual(plan["encoder"]["type"], f"vit_{letter.lower()}")
        self.assertEqual(plan["preprocessing"]["fit"], "longest_side")
        self.assertEqual(plan["driver"]["window"], [1024, 1024, 1])
        os.remove(self.path("converted.safetensors"))
        tensors["mask_decoder.iou_prediction_head.layers.2.bias"][-1] = float("nan")
        self.refuse(self.save(f"vit_{letter.lower()}.pth", tensors), "holds NaN or infinity")

    def test_vit_b(self):
        self.check_published("B")

    @unittest.skipUnless(os.environ.get("SEGMENTANYTHING_LARGE_CHECKPOINTS"),
                         "SEGMENTANYTHING_LARGE_CHECKPOINTS is not set")
    def test_vit_l_and_h(self):
        for letter in "LH":
            self.check_published(letter)

    def test_hq_vit_b(self):
        self.check_published("B", "HQ-SAM", high_quality(768))

    def test_medsam(self):
        tensors = fill(sam())
        path = self.path("medsam.safetensors")
        write_safetensors(path, tensors)
        plan = self.check_conversion(path, tensors, "--preprocessing", "medsam")
        self.assertEqual(plan["preprocessing"]["fit"], "square")
        self.assertEqual(plan["preprocessing"]["channels"][0]["normalization"], "min_max")

    def test_precisions(self):
        tensors = fill(SMALL)
        for precision in ("float16", "bfloat16"):
            rounded = {name: tensor.to(getattr(torch, precision)) for name, tensor in tensors.items()}
            self.check_conversion(self.save("small.pth", tensors), rounded, f"--precision={precision}")
            parallel = {"model": {"module." + name: tensor for name, tensor in rounded.items()}}
            back = {name: tensor.float() for name, tensor in rounded.items()}
            self.check_conversion(self.save("half.pth", parallel), back)

    def check_tiny(self, name, additions):
        tensors = fill(mobile_sam() | additions)
        path = self.save("tiny.pt", tensors)
        output = self.accept("info", path).output
        for part in (f"{name}, recognized", "widths 64, 128, 160, 320; depths 2, 2, 6, 2; heads 2, 4, 5, 10", "1024"):
            self.assertIn(part, output)
        unneeded = ("num_batches_tracked", "head.weight", "head.bias")
        kept = {name: tensor for name, tensor in tensors.items() if not name.endswith(unneeded)}
        kept |= {name: tensors[name] for name in tensors if "mask_decoder.iou_prediction_head" in name}
        self.accept("verify", path)
        plan = self.check_conversion(path, kept)
        self.assertEqual(plan["encoder"]["type"], "tiny_vit")
        self.assertEqual(plan["decoder"]["type"], "hq" if additions else "sam")

    def test_mobile_sam(self):
        self.check_tiny("MobileSAM", {})

    def test_light_hq_sam(self):
        self.check_tiny("Light HQ-SAM", high_quality(160))

    def test_views_and_training_files(self):
        tensors = fill(SMALL)
        names = [name for name in tensors if tensors[name].dim() == 2]
        # Views of one storage, and transposed ones.
        whole = torch.rand(1000)
        tensors["mask_decoder.iou_token.weight"] = whole[100:356].view(1, 256)
        tensors["prompt_encoder.no_mask_embed.weight"] = whole[200:456].view(1, 256)
        for name in names:
            if "mlp.lin1" in name:
                tensors[name] = tensors[name].t().contiguous().t()
        parameters = {name: torch.nn.Parameter(tensor) if tensor.is_floating_point() else tensor
                      for name, tensor in tensors.items()}
        optimizer = torch.optim.AdamW([whole.clone().requires_grad_()])
        content = {"epoch": 3, "best": 0.5, "model": parameters, "optimizer": optimizer.state_dict(), "big": 1 << 40}
        for protocol in (2, 4):
            path = self.save(f"training{protocol}.pth", content, pickle_protocol=protocol)
            self.accept("convert", path, self.path("converted.safetensors"))
            found, _ = read_safetensors(self.path("converted.safetensors"))
            for name in found:
                self.assertTrue(torch.equal(found[name], tensors[name]), name)

    def test_pickles_that_call_are_not_run(self):
        mark = self.path("was_run")

        class Call:
            def __init__(self, function, *arguments):
                self.value = (function, arguments)

            def __reduce__(self):
                return self.value

        self.refuse(self.save("system.pth", {"model": Call(os.system, f"touch {mark}")}), "system'")
        self.refuse(self.save("eval.pth", Call(eval, f"open({mark!r}, 'w')"), pickle_protocol=4), "eval'")
        self.assertFalse(os.path.exists(mark))
        arguments = (torch.rand(8).storage(), 0, (1 << 40, 1 << 20), (0, 0), False, collections.OrderedDict())
        self.refuse(self.save("huge.pth", {"a": Call(torch._utils._rebuild_tensor_v2, *arguments)}), "needs more bytes")

    def test_other_files(self):
        tensors = fill(SMALL)
        good = self.save("good.pth", tensors)
        bomb = self.path("bomb.pth")
        with zipfile.ZipFile(good) as source, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as target:
            for key in source.namelist():
                target.writestr(key, bytes(1 << 24) if "/data/" in key else source.read(key))
        self.refuse(bomb, "compressed")
        with open(good, "r+b") as file:
            file.truncate(os.path.getsize(good) // 2)
        self.refuse(good, "truncated")
        self.refuse(self.save("old.pth", tensors, _use_new_zipfile_serialization=False), "torch.save(")
        self.refuse(self.save("resnet.pth", {"conv1.weight": torch.rand(64, 3, 7, 7)}), "unknown architecture")
        scripted = self.path("script.pt")
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), scripted)
        self.refuse(scripted, "TorchScript")
        self.refuse(self.folder, "is a folder")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
