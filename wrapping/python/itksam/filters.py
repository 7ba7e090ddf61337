# Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
"""The filters."""

from __future__ import annotations

import hashlib
import numbers
import threading
import warnings
from typing import Any, Callable, NamedTuple, Optional, Sequence, Union

import numpy as np

from ._arguments import Numbers, PathLike, boxes, floats, path as as_path, whole, wholes
from ._images import Picture, as_picture, as_picture_of
from ._library import _itksam
from ._process import ModelFilter
from .model import Model


class Window(NamedTuple):
    """Where one of a model's windows lies over an image: a part of the model's grid, axes x first."""

    number: int  #: in the order of EncoderImageFilter.SetWindow(), where there is at most one region of interest
    size: "tuple[int, ...]"  #: voxels
    spacing: "tuple[float, ...]"  #: mm
    origin: "tuple[float, ...]"  #: mm, the center of the first voxel
    direction: "tuple[float, ...]"  #: cosines, row by row


class SegmentationImageFilter(ModelFilter):
    """Turns an image into a label map on the same grid, with no prompt drawn by hand.

    The image is brought to the model's grid and intensities; windows are encoded, prompted and classified, and the label
    of the largest probability is written at each voxel of the image.
    """

    def __init__(self) -> None:
        super().__init__()
        self._added: "list[Union[str, Model]]" = []
        self._mirror_axes: "list[int]" = []
        self._regions: "list[tuple[list[float], list[float]]]" = []
        self._window_function: Optional[Callable[[Window], Any]] = None
        self._windows = 0
        self._probability_labels: "list[Union[str, int]]" = []
        self._compute_uncertainty = False
        self._maps: "dict[Any, Any]" = {}

    def AddModel(self, model: "Union[PathLike, Model]") -> None:
        """Average with the answers of another model of the same labels, preprocessing and window."""
        self._added.append(model if isinstance(model, Model) else as_path(model, "model"))

    def ClearAddedModels(self) -> None:
        """Forget the models that were added."""
        self._added = []

    def SetMirrorAxes(self, axes: Sequence[int]) -> None:
        """Set the axes (0 = x of the model's grid) along which windows are mirrored, for models that were trained so."""
        found = wholes(axes, "the mirror axes")
        if any(axis > 2 for axis in found):
            raise _itksam.Error(f"the mirror axes are {found}, expected some of 0, 1 and 2")
        self._mirror_axes = found

    def GetMirrorAxes(self) -> "list[int]":
        """The axes along which windows are mirrored."""
        return list(self._mirror_axes)

    def AddRegionOfInterest(self, center: Numbers, size: Numbers) -> None:
        """Segment a box along the axes of the physical space, center and size in mm. Default: the whole image."""
        self._regions += boxes([(center, size)])

    def ClearRegionsOfInterest(self) -> None:
        """Forget all regions."""
        self._regions = []

    def SetWindowFunction(self, function: Optional[Callable[[Window], Any]]) -> None:
        """Set what answers for each window instead of the network; None, the default: nothing.

        The function gets a Window and answers the probability of each label, as MaskClassificationImageFilter does for
        the window's embedding and prompts: an image on the window's grid with one component per label, maybe padded to
        whole tokens, or an array (z, y, x, label). Answers are blended and brought to the grid of the image, of which
        the grid alone counts then (and the black frame that a model may leave out); added models and mirror axes are no
        use. What the function raises ends the run.
        """
        self._window_function = function

    def SetProbabilityLabels(self, labels: "Union[str, int, Sequence[Union[str, int]]]") -> None:
        """Set names or values of labels, the background too, whose probabilities GetProbability() answers."""
        self._probability_labels = [labels] if isinstance(labels, (str, numbers.Integral)) else list(labels)

    def GetProbability(self, label: "Union[str, int]") -> Any:
        """The probability of a label in the last run, on the image's grid: what the label map was chosen by.

        It is the mean over models and mirrored windows, blended over windows. Those of all labels sum to one.
        """
        what = f"the probability of the label {label!r}, see SetProbabilityLabels()"
        return self._get_map(self._find_label(label), what)

    def SetComputeUncertainty(self, compute: bool) -> None:
        """Set whether GetUncertainty() answers. Default is no."""
        self._compute_uncertainty = bool(compute)

    def GetUncertainty(self) -> Any:
        """One minus the largest probability of all labels in the last run, on the image's grid."""
        return self._get_map("uncertainty", "the uncertainty, see SetComputeUncertainty()")

    def _get_map(self, key: Any, what: str) -> Any:
        if key not in self._maps:
            raise _itksam.Error(f"the last run did not compute {what}")
        return self._maps[key]

    def _find_label(self, label: "Union[str, int]") -> int:
        model = self.GetModel()._model
        for value, name in zip(model.label_values, model.label_names):
            if label in (value, str(value), name):
                return value
        names = ", ".join(f"{value} ({name})" for value, name in zip(model.label_values, model.label_names))
        raise _itksam.Error(f"{label!r} is no label of {model.path}, expected some of {names}")

    def GetNumberOfWindows(self) -> int:
        """Windows of the last run."""
        return self._windows

    def GetModels(self) -> "list[Model]":
        """The model, then those that were added."""
        first = self.GetModel()
        added = [
            model if isinstance(model, Model) else Model(model, first.device, first.precision) for model in self._added
        ]
        self._added = list(added)  # each is read once
        return [first, *added]

    def Execute(
        self,
        image: Any,
        *,
        spacing: Optional[Numbers] = None,
        origin: Optional[Numbers] = None,
        direction: Optional[Numbers] = None,
        is_vector: bool = False,
    ) -> Any:
        """The label map on the image's grid: 8 bits, or 16 where a value needs them. The keywords are for arrays."""
        picture = as_picture(image, spacing, origin, direction, is_vector)
        if self._window_function is not None:
            if self._probability_labels or self._compute_uncertainty:
                raise _itksam.Error("a window function leaves no probabilities or uncertainty, expected neither of them")
            return self._blend(picture, self._window_function)
        return self._segment(picture, (), False, 0.0, False)

    def _blend(self, picture: Picture, function: Callable[[Window], Any]) -> Any:
        def answer(number: int, size: Numbers, *geometry: Numbers) -> Picture:
            window = Window(number, tuple(int(extent) for extent in size), *(tuple(values) for values in geometry))
            found = function(window)
            if not isinstance(found, np.ndarray):
                return as_picture(found)
            spacing, origin, direction = geometry
            return as_picture(found.astype(np.float32, copy=False), spacing, origin, direction, True)

        self._maps = {}
        source = picture.image
        pixels = picture.array.astype(np.float32, copy=False)
        image = _itksam.Image(pixels, source.spacing, source.origin, source.direction, source.is_vector)
        result, self._windows = _itksam.segment_windows(
            self._process, image, self.GetModel()._model, answer, self._regions
        )
        return picture.like(result)

    def _segment(
        self, picture: Picture, labels: Sequence[int], largest_component: bool, minimum_size: float, fill_holes: bool
    ) -> Any:
        self._maps = {}
        keys: "list[Any]" = [self._find_label(label) for label in self._probability_labels]
        result, self._windows, maps = _itksam.segment(
            self._process,
            picture.image,
            [model._model for model in self.GetModels()],
            self._mirror_axes,
            self._regions,
            set(labels),
            largest_component,
            minimum_size,
            fill_holes,
            list(keys),
            self._compute_uncertainty,
        )
        if self._compute_uncertainty:
            keys.append("uncertainty")
        self._maps = {key: picture.make(parts) for key, parts in zip(keys, maps)}
        return picture.like(result)


class SliceFilter(ModelFilter):
    """A filter that shows slices of an image to a promptable model: SAM, MobileSAM, MedSAM, HQ-SAM."""

    def __init__(self) -> None:
        super().__init__()
        self._axis = 2
        self._window: "list[float]" = []

    def SetAxis(self, axis: int) -> None:
        """Set the axis across the slices. Default is 2; images of two dimensions ignore it."""
        self._axis = whole(axis, "axis")

    def GetAxis(self) -> int:
        """The axis across the slices."""
        return self._axis

    def SetWindow(self, lower: float, upper: float) -> None:
        """Set the intensities that become black and white. Default: 8 bits as they are, else percentiles 0.5 and 99.5."""
        self._window = floats([lower, upper], "the window of intensities")

    def ClearWindow(self) -> None:
        """Back to the default."""
        self._window = []


class SliceEncoderImageFilter(SliceFilter):
    """The heavy stage of a promptable model: the embedding of slices, for PromptedSegmentationImageFilter."""

    def __init__(self) -> None:
        super().__init__()
        self._slices: "list[int]" = []

    def SetSliceRange(self, first: int, last: int) -> None:
        """Set the slices to look at, as indices along the axis. Default is all."""
        self._slices = wholes([first, last], "the range of slices", None)

    def ClearSliceRange(self) -> None:
        """Look at all slices."""
        self._slices = []

    def Execute(self, image: Any, **geometry: Any) -> Any:
        """The embedding. The keywords are those of SegmentationImageFilter."""
        picture = as_picture(image, **geometry)
        return picture.make(
            _itksam.encode_slices(
                self._process, picture.image, self.GetModel()._model, self._axis, self._window, self._slices
            )
        )


class Score(NamedTuple):
    """One mask of a prompted run."""

    object: int
    slice: int
    mask: int  #: its number among the masks of this object and slice
    score: float  #: overlap (IoU) with the truth that the model expects
    is_chosen: bool  #: whether it went into the label map


class PromptedSegmentationImageFilter(SliceFilter):
    """Segments what points, boxes and masks point at, with a promptable model.

    Prompts belong to objects, which are the values of the label map. Points and corners are physical, in mm. The
    embedding of the prompted slices is kept: prompts on an image with the same pixels are answered at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._points: "list[tuple[list[float], bool, int]]" = []
        self._boxes: "list[tuple[list[float], list[float], int]]" = []
        self._prompt_files: "list[str]" = []
        self._mask: Any = None
        self._logits: Any = None
        self._embedding: Any = None
        self._multimask = False
        self._hq_token_only = False
        self._cache_size = 32
        self._filter = _itksam.PromptedFilter()
        self._lock = threading.RLock()  # of the filter, which keeps what it has encoded
        self._pixels = b""
        self._picture: Optional[Picture] = None

    def AddPoint(self, point: Numbers, is_foreground: bool = True, object: int = 1) -> None:
        """Add a point in the foreground or background of an object."""
        self._points.append((floats(point, "point"), bool(is_foreground), whole(object, "object", 1)))

    def AddBox(self, corner: Numbers, opposite_corner: Numbers, object: int = 1) -> None:
        """Add a box around an object."""
        corners = floats(corner, "a corner"), floats(opposite_corner, "a corner")
        self._boxes.append((*corners, whole(object, "object", 1)))

    def AddPromptFile(self, path: PathLike) -> None:
        """Add the points and boxes of a file, in mm of the image that is executed, as sam-prompt --prompts does: JSON with
        "objects", or what 3D Slicer wrote (.mrk.json of point lists and ROIs, .fcsv). It is read by Execute(), which
        warns of what is left out."""
        self._prompt_files.append(as_path(path, "path"))

    def ClearPrompts(self) -> None:
        """Forget all points, boxes and files of them."""
        self._points = []
        self._boxes = []
        self._prompt_files = []

    def SetMaskPrompt(self, labels: Any) -> None:
        """Set a label map on the image's grid whose objects are mask prompts; None: none."""
        self._mask = labels

    def SetLogitsPrompt(self, logits: Any) -> None:
        """Set what GetLogits() answered to a former run; None: none."""
        self._logits = logits

    def SetEmbedding(self, embedding: Any) -> None:
        """Set what SliceEncoderImageFilter answered to this image; None: the image is encoded."""
        self._embedding = embedding

    def SetMultimask(self, multimask: bool) -> None:
        """Set whether the model answers several masks, of which the best is taken. Suits one ambiguous point."""
        self._multimask = bool(multimask)

    def SetHqTokenOnly(self, hq_token_only: bool) -> None:
        """Set whether HQ-SAM's mask is that of its own token alone."""
        self._hq_token_only = bool(hq_token_only)

    def SetCacheSize(self, slices: int) -> None:
        """Set for how many slices the embedding is kept. Default is 32."""
        self._cache_size = whole(slices, "slices")

    def GetNumberOfEncodedSlices(self) -> int:
        """Slices that were encoded for the current image."""
        return self._filter.encoded_slices

    def Execute(self, image: Any, **geometry: Any) -> Any:
        """The label map on the image's grid. The keywords are those of SegmentationImageFilter.

        Threads that share the filter wait for each other."""
        with self._lock:
            return self._execute(as_picture(image, **geometry))

    def _execute(self, picture: Picture) -> Any:
        # An image can change in place, so that only its pixels say whether it is the same.
        pixels = hashlib.blake2b(picture.array.data).digest()
        given = {
            "mask": None if self._mask is None else as_picture_of(self._mask, np.uint16, picture, "mask prompt"),
            "logits": None if self._logits is None else as_picture(self._logits),
            "embedding": None if self._embedding is None else as_picture(self._embedding),
        }
        points, prompt_boxes = list(self._points), list(self._boxes)
        for file in self._prompt_files:
            read_points, read_boxes, notices = _itksam.read_prompts(file, picture.image)
            points += read_points
            prompt_boxes += read_boxes
            for notice in notices:
                warnings.warn(notice, stacklevel=3)
        result = self._filter.run(
            self._process,
            picture.image,
            pixels == self._pixels,
            self.GetModel()._model,
            self._axis,
            self._window,
            points,
            prompt_boxes,
            multimask=self._multimask,
            hq_token_only=self._hq_token_only,
            cache_size=self._cache_size,
            **{name: value.image if value else None for name, value in given.items()},  # type: ignore[arg-type]
        )
        self._pixels = pixels
        self._picture = picture
        return picture.like(result)

    def GetScores(self) -> "list[Score]":
        """The masks of the last run with their scores, by slice, object and number."""
        with self._lock:
            return [Score(*values) for values in self._filter.scores()]

    def GetMasks(self) -> Any:
        """All masks of the last run on the image's grid as components, object by object."""
        with self._lock:
            masks = self._filter.masks()
            return self._picture.make(masks)  # type: ignore[union-attr]

    def GetLogits(self) -> Any:
        """Logits of the chosen masks of the last run, one component per object: for SetLogitsPrompt()."""
        with self._lock:
            logits = self._filter.logits()
            return self._picture.make(logits)  # type: ignore[union-attr]


class AutomaticMask(NamedTuple):
    """A mask of everything mode. Columns and rows are those of the slice as the model sees it."""

    label: int  #: its number in the label map
    slice: int
    runs: "list[int]"  #: lengths down the columns: background first, then in turns (COCO)
    area: int  #: pixels
    box: "list[int]"  #: first column and row, last column and row
    predicted_iou: float
    stability_score: float
    point: "list[float]"  #: column and row of the prompt
    crop_box: "list[int]"


class AutomaticMaskImageFilter(SliceFilter):
    """Finds the masks of everything on an image or on slices, with the published generator's parameters and defaults."""

    #: options of the published generator with its defaults, for SetOptions()
    OPTIONS = {
        "points_per_side": 32,
        "points_per_batch": 64,
        "pred_iou_thresh": 0.88,
        "stability_score_thresh": 0.95,
        "stability_score_offset": 1.0,
        "box_nms_thresh": 0.7,
        "crop_n_layers": 0,
        "crop_nms_thresh": 0.7,
        "crop_overlap_ratio": 512 / 1500,
        "crop_n_points_downscale_factor": 1,
        "min_mask_region_area": 0,
    }

    def __init__(self) -> None:
        super().__init__()
        self._slices: "list[int]" = []
        self._options = dict(self.OPTIONS)
        self._masks: "list[AutomaticMask]" = []

    def SetSliceRange(self, first: int, last: int) -> None:
        """Set the slices to look at, as indices along the axis. Default is all."""
        self._slices = wholes([first, last], "the range of slices", None)

    def ClearSliceRange(self) -> None:
        """Look at all slices."""
        self._slices = []

    def SetOptions(self, **options: float) -> None:
        """Set options of the published generator, such as points_per_side=16; OPTIONS has their defaults."""
        for name, value in options.items():
            if name not in self.OPTIONS:
                raise _itksam.Error(f"'{name}' is no option, expected one of {', '.join(self.OPTIONS)}")
            is_whole = isinstance(self.OPTIONS[name], int)
            self._options[name] = whole(value, name) if is_whole else floats([value], name)[0]

    def GetOptions(self) -> "dict[str, float]":
        """The options of the published generator."""
        return dict(self._options)

    def Execute(self, image: Any, **geometry: Any) -> Any:
        """The label map of all masks, smaller ones over larger ones. The keywords are those of SegmentationImageFilter."""
        picture = as_picture(image, **geometry)
        result, masks = _itksam.find_masks(
            self._process,
            picture.image,
            self.GetModel()._model,
            self._axis,
            self._window,
            self._slices,
            **self._options,  # type: ignore[arg-type]
        )
        self._masks = [AutomaticMask(*values) for values in masks]
        return picture.like(result)

    def GetMasks(self) -> "list[AutomaticMask]":
        """The masks of the last run; number k of the label map is entry k - 1."""
        return self._masks
