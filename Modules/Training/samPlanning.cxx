// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPlanning.h"

#include "samCheckpoint.h"
#include "samError.h"
#include "samOrientation.h"
#include "samPublishedDapsam.h"
#include "samPublishedMaskSam.h"
#include "samTextFile.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <locale>
#include <sstream>

namespace sam
{
namespace
{
constexpr double slicesAxisRatio = 1.5; // longer voxels than this make an axis the one of the slices
constexpr double anisotropy = 3.0;      // as nnU-Net
constexpr double sparseForeground = 0.002;

/** With this many times more rows and columns than slices, the finest resolutions are computed within slices. */
constexpr double  fewSlicesRatio = 16.0;
constexpr int64_t fewSlicesLevels = 2;

/** The background, then Okabe and Ito's colors, which the color-blind tell apart. */
constexpr std::array<std::array<uint8_t, 3>, 9> labelColors{ { { 0, 0, 0 },
                                                               { 230, 159, 0 },
                                                               { 86, 180, 233 },
                                                               { 0, 158, 115 },
                                                               { 240, 228, 66 },
                                                               { 0, 114, 178 },
                                                               { 213, 94, 0 },
                                                               { 204, 121, 167 },
                                                               { 150, 150, 150 } } };

/** Writes numbers as people do: three digits. */
class Line
{
public:
  Line()
  {
    m_Text.imbue(std::locale::classic());
    m_Text.precision(3);
  }

  template <typename T>
  Line &
  operator<<(const T & value)
  {
    m_Text << value;
    return *this;
  }

  template <typename T>
  Line &
  operator<<(const std::array<T, 3> & values)
  {
    m_Text << values[0] << " x " << values[1] << " x " << values[2];
    return *this;
  }

  operator std::string() const { return m_Text.str(); }

private:
  std::ostringstream m_Text;
};

/** Value of one axis over all cases. */
std::vector<double>
OfAxis(const std::vector<std::array<double, 3>> & values, size_t axis)
{
  std::vector<double> result;
  for (const auto & value : values)
  {
    result.push_back(value[axis]);
  }
  return result;
}

/** The member that most cases have or are near to, never one that no case has. */
double
Quantile(std::vector<double> values, double fraction)
{
  const auto place = static_cast<std::ptrdiff_t>(fraction * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + place, values.end());
  return values[static_cast<size_t>(place)];
}

int64_t
RoundUp(int64_t value, int64_t multiple)
{
  return (value + multiple - 1) / multiple * multiple;
}

/** The color of label \a number, 1 or more: after the first eight the same ones darker, lighter, ... */
std::array<uint8_t, 3>
ColorOfLabel(size_t number)
{
  constexpr std::array<double, 8> lightness{ 0.0, -0.35, 0.45, -0.6, 0.7, -0.18, 0.25, -0.75 }; // −1 black, 1 white

  const auto   colors = labelColors.size() - 1;
  const double change = lightness[(number - 1) / colors % lightness.size()];
  auto         color = labelColors[1 + (number - 1) % colors];
  for (auto & value : color)
  {
    value = static_cast<uint8_t>(std::lround(value + change * (change > 0.0 ? 255 - value : value)));
  }
  return color;
}

/** Whether all images have one voxel along an axis of LPS. */
bool
AreSingle(const DatasetFingerprint & fingerprint, size_t axis)
{
  for (size_t k = 0; k < fingerprint.spacings.size(); ++k)
  {
    if (!HasOneVoxel(fingerprint.extents[k][axis], fingerprint.spacings[k][axis]))
    {
      return false;
    }
  }
  return true;
}

/** Whether the images are single slices, as photographs and X-rays are. */
bool
AreSlices(const DatasetFingerprint & fingerprint)
{
  return AreSingle(fingerprint, 0) || AreSingle(fingerprint, 1) || AreSingle(fingerprint, 2);
}

/** Axes of the plan in terms of those of LPS, the axis of the slices last. */
std::array<size_t, 3>
OrderAxes(const DatasetFingerprint & fingerprint, const std::array<double, 3> & spacing)
{
  for (const size_t axis : { 2, 1, 0 })
  {
    if (AreSingle(fingerprint, axis))
    {
      return { axis == 0 ? size_t{ 1 } : size_t{ 0 }, axis == 2 ? size_t{ 1 } : size_t{ 2 }, axis };
    }
  }
  for (size_t axis = 0; axis < 2; ++axis)
  {
    const size_t other = 1 - axis;
    if (spacing[axis] > slicesAxisRatio * std::max(spacing[other], spacing[2]))
    {
      return { other, 2, axis };
    }
  }
  return { 0, 1, 2 };
}

/** An orientation by which oblique images keep their own axes, so that thick slices are never cut anew. */
std::string
KeepingAxes(const std::string & orientation)
{
  return nearestPrefix + GetOrientationLetters(orientation);
}

/** Voxels of a large slice along its two axes. */
std::array<double, 2>
CountPlaneVoxels(const DatasetFingerprint & fingerprint, const std::string & orientation)
{
  const std::string     axes = GetOrientationLetters(orientation);
  std::array<double, 2> result{};
  for (size_t axis = 0; axis < 2; ++axis)
  {
    const size_t        place = std::string("LPS").find(axes[axis]);
    std::vector<double> counts;
    for (size_t k = 0; k < fingerprint.spacings.size(); ++k)
    {
      counts.push_back(fingerprint.extents[k][place] / fingerprint.spacings[k][place]);
    }
    result[axis] = Quantile(std::move(counts), 0.95);
  }
  return result;
}

void
SetPatch(Plan & plan, int64_t patch)
{
  plan.patch = patch;
  // Full, half, ... resolution down to twice the patch: the embedding does the last doubling.
  plan.stemWidths = { 16, 32 };
  plan.ladder = { 64, 32, 16 };
  plan.skips = { { 0, 1 }, {} };
  for (int64_t size = 8; size <= patch; size *= 2)
  {
    plan.stemWidths.push_back(64);
    plan.ladder.insert(plan.ladder.begin() + 1, 64);
    plan.skips.push_back({});
  }
  plan.upscalingSteps = patch > 4 ? 2 : 1;
}

/** Window, patch and grid. \a voxels is the size of a large image on the plan's grid. */
void
ChooseWindow(Planning &                                    planning,
             const std::array<double, 3> &                 voxels,
             const PlanningLimits &                        limits,
             const std::optional<std::array<int64_t, 3>> & asked)
{
  Plan & plan = planning.plan;
  bool   isTiled = false;
  for (size_t axis = 0; axis < 2; ++axis)
  {
    const auto wanted = std::max<int64_t>(16, static_cast<int64_t>(std::ceil(voxels[axis])));
    plan.window[axis] = asked ? (*asked)[axis] : std::min(wanted, limits.planeSize);
    isTiled = isTiled || wanted > plan.window[axis];
  }
  const auto longest = std::max(plan.window[0], plan.window[1]);
  int64_t    patch = 4;
  while (longest > patch * limits.tokens && patch < 16)
  {
    patch *= 2;
  }
  SetPatch(plan, patch);
  for (size_t axis = 0; axis < 2; ++axis)
  {
    // A multiple of twice the patch, so that the grid halves evenly.
    plan.window[axis] = RoundUp(plan.window[axis], 2 * patch);
    plan.grid[axis] = plan.window[axis] / patch;
  }
  const int64_t plane = plan.window[0] * plan.window[1];
  const auto    there = std::max<int64_t>(1, std::llround(voxels[2]));
  const auto    affordable = std::max<int64_t>(1, limits.voxels / plane);
  plan.slices = asked ? (*asked)[2] : std::min({ there, limits.slices, affordable });
  plan.window[2] = plan.slices;
  for (size_t axis = 0; axis < 3; ++axis)
  {
    if (plan.window[axis] < 1 || plan.window[axis] > 4096)
    {
      throw Error("window of " + std::to_string(plan.window[axis]) + " voxels, expected 1 to 4096");
    }
  }

  Line line;
  line << "window " << plan.window << " voxels: ";
  if (asked)
  {
    line << "as asked for";
  }
  else
  {
    line << "95 of 100 images have up to "
         << std::array<int64_t, 3>{ std::llround(voxels[0]), std::llround(voxels[1]), there };
    if (isTiled)
    {
      line << ", larger planes are tiled";
    }
    if (plan.slices < std::min(there, limits.slices))
    {
      line << ", more slices would exceed " << limits.voxels << " voxels per window";
    }
  }
  planning.decisions.push_back(line);
  planning.decisions.push_back(Line() << "patch " << patch << ": " << plan.grid[0] << " x " << plan.grid[1]
                                      << " tokens per slice, " << limits.tokens << " per axis at most");
}

void
ChooseChannels(Planning & planning, const DatasetFingerprint & fingerprint, const Dataset & dataset)
{
  planning.plan.channels.clear();
  for (size_t k = 0; k < dataset.channels.size(); ++k)
  {
    ChannelPlan channel{ dataset.channels[k] };
    Line        line;
    line << "channel " << channel.name << ": ";
    const auto intensity = k < fingerprint.intensities.size() ? fingerprint.intensities[k] : ForegroundIntensity();
    if (!HasAbsoluteIntensities(channel.name))
    {
      line << "mean 0, deviation 1 in each image; its values are not absolute as those of a channel named CT";
    }
    else if (intensity.samples == 0 || !(intensity.lower < intensity.upper) || !(intensity.deviation > 0.0))
    {
      line << "mean 0, deviation 1 in each image; it has too little foreground to measure its range";
    }
    else
    {
      channel.normalization = "clip";
      channel.lower = intensity.lower;
      channel.upper = intensity.upper;
      channel.mean = intensity.mean;
      channel.deviation = intensity.deviation;
      line << "clipped to " << channel.lower << " .. " << channel.upper
           << ", 0.5th and 99.5th percentile of the foreground, then minus " << channel.mean << ", divided by "
           << channel.deviation;
    }
    planning.plan.channels.push_back(channel);
    planning.decisions.push_back(line);
  }
}
} // namespace

PlanningLimits
PlanningLimits::OfDevice(bool hasAccelerator)
{
  PlanningLimits limits;
  limits.fineVoxels = int64_t{ 1 } << (hasAccelerator ? 20 : 15);
  limits.voxels = int64_t{ 1 } << (hasAccelerator ? 19 : 18);
  return limits;
}

Planning
PlanMaskSam(const DatasetFingerprint &                    fingerprint,
            const Dataset &                               dataset,
            const PlanningLimits &                        limits,
            const std::optional<std::array<int64_t, 3>> & window)
{
  if (fingerprint.spacings.empty())
  {
    throw Error("the data set has no training case to plan a network for");
  }
  Planning planning;
  Plan &   plan = planning.plan;

  std::array<double, 3> median{};
  for (size_t axis = 0; axis < 3; ++axis)
  {
    median[axis] = Quantile(OfAxis(fingerprint.spacings, axis), 0.5);
  }
  const auto        order = OrderAxes(fingerprint, median);
  const bool        isSingle = AreSingle(fingerprint, order[2]);
  const std::string letters = "LPS";
  plan.orientation = { letters[order[0]], letters[order[1]], letters[order[2]] };
  Line slices;
  if (isSingle && order[2] == 2)
  {
    slices << "slices: each image is a single one";
  }
  else
  {
    slices << "slices across "
           << (order[2] == 0   ? "left-right"
               : order[2] == 1 ? "anterior-posterior"
                               : "inferior-superior")
           << ": "
           << (isSingle        ? "images have one voxel along it"
               : order[2] == 2 ? "no other axis has clearly longer voxels"
                               : "voxels are longest along it");
  }
  planning.decisions.push_back(slices << ", median " << median << " mm");

  std::array<double, 3> voxels{};
  for (size_t axis = 0; axis < 3; ++axis)
  {
    plan.spacing[axis] = median[order[axis]];
    voxels[axis] = Quantile(OfAxis(fingerprint.extents, order[axis]), 0.5) / plan.spacing[axis];
  }
  Line reason;
  reason << "median of " << fingerprint.spacings.size() << " cases";
  const double finer = std::max(plan.spacing[0], plan.spacing[1]);
  if (fingerprint.oblique > 0 || (!isSingle && plan.spacing[2] > slicesAxisRatio * finer))
  {
    plan.orientation = KeepingAxes(plan.orientation);
    planning.decisions.push_back(Line() << "the images' own axes are kept, so that slices are not cut anew: "
                                        << (fingerprint.oblique > 0
                                              ? std::to_string(fingerprint.oblique) + " images are oblique"
                                              : "slices are thick"));
  }
  if (!isSingle && plan.spacing[2] > anisotropy * finer && voxels[2] < std::max(voxels[0], voxels[1]) / anisotropy)
  {
    plan.spacing[2] = std::max(Quantile(OfAxis(fingerprint.spacings, order[2]), 0.1), finer);
    reason << ", 10th percentile across the thick slices";
  }
  planning.decisions.push_back(Line() << "spacing " << plan.spacing << " mm: " << std::string(reason));
  for (size_t axis = 0; axis < 3; ++axis)
  {
    voxels[axis] = Quantile(OfAxis(fingerprint.extents, order[axis]), 0.95) / plan.spacing[axis];
  }

  double inPlane = finer;
  for (plan.planarLevels = 0; plan.planarLevels < 3 && plan.spacing[2] > 2.0 * inPlane; ++plan.planarLevels)
  {
    inPlane *= 2.0;
  }
  // Files whose spacing was lost say 1 mm everywhere.
  const bool isStack =
    plan.planarLevels < fewSlicesLevels && voxels[2] * fewSlicesRatio < std::min(voxels[0], voxels[1]);
  plan.planarLevels = isStack ? fewSlicesLevels : plan.planarLevels;
  if (plan.planarLevels > 0 && !isSingle)
  {
    Line line;
    line << "convolutions within a slice at the " << plan.planarLevels << " finest resolutions: ";
    if (isStack)
    {
      line << voxels[2] << " slices of " << voxels[0] << " x " << voxels[1]
           << " voxels are a stack of thick slices whatever their spacing";
    }
    else
    {
      line << "slices are " << plan.spacing[2] / finer << " times as far apart as voxels in them";
    }
    planning.decisions.push_back(line);
  }

  plan.stem = "pyramid";
  plan.encoder = "vit";
  plan.width = 96;
  plan.depth = 4;
  plan.heads = 4;
  plan.attentionWindow = 5;
  plan.globalBlocks = { 1, 3 };
  plan.neck = 64;
  ChooseWindow(planning, voxels, limits, window);
  plan.adaptation = { "depth_convolution", "depth_mlp" };
  plan.queries = std::max<int64_t>(4, static_cast<int64_t>(dataset.labels.size()) + 1);
  plan.decoderHeads = 4;
  plan.decoderMlpWidth = 256;
  plan.refinesMasks = true;
  planning.decisions.push_back(Line() << plan.queries << " queries per slice: " << dataset.labels.size()
                                      << " labels with the background, and one more, 4 at least");
  ChooseChannels(planning, fingerprint, dataset);
  for (const auto & label : dataset.labels)
  {
    plan.labels.push_back(
      { label.value, label.name, plan.labels.empty() ? labelColors.front() : ColorOfLabel(plan.labels.size()) });
  }
  return planning;
}

namespace
{
constexpr int64_t tokensOfSlice = 16;    // along the longer side, at most
constexpr double  framedFraction = 0.05; // of an image that a frame takes, to count
constexpr double  framedCases = 0.05;    // of the cases that have one, to remove it

/** Size, preprocessing and labels of slices that are stretched to a window; \a adapted is what PlanMaskSam() makes of
 * the data. Every window is a multiple of \a multiple. */
void
ChooseSlices(Planning &                 planning,
             const Planning &           adapted,
             const DatasetFingerprint & fingerprint,
             const PlanningLimits &     limits,
             const PlanningWishes &     wishes,
             int64_t                    multiple)
{
  Plan & plan = planning.plan;
  plan.orientation = KeepingAxes(adapted.plan.orientation);
  plan.labels = adapted.plan.labels;
  plan.channels = adapted.plan.channels;
  for (auto & channel : plan.channels)
  {
    channel.normalization = channel.normalization == "z_score" ? "slice_z_score" : channel.normalization;
  }
  plan.fit = "window";
  plan.spacing = { 0.0, 0.0, 0.0 };
  plan.overlap = { 0.5, 0.5, 0.0 };
  plan.slices = 1;
  plan.planarLevels = 8; // all there may be
  planning.decisions.push_back(adapted.decisions.front());

  const auto voxels = CountPlaneVoxels(fingerprint, plan.orientation);
  const auto longest = std::max(voxels[0], voxels[1]);
  const auto scale = std::min(1.0, static_cast<double>(limits.planeSize) / longest);
  for (size_t axis = 0; axis < 2; ++axis)
  {
    const auto wanted = std::llround(scale * voxels[axis]);
    plan.window[axis] = RoundUp(std::max<int64_t>(wishes.window ? (*wishes.window)[axis] : wanted, 1), multiple);
    if (plan.window[axis] > 4096)
    {
      throw Error("window of " + std::to_string(plan.window[axis]) + " voxels, expected 1 to 4096");
    }
  }
  plan.window[2] = 1;
  if (wishes.window && (*wishes.window)[2] != 1)
  {
    throw Error("window of " + std::to_string((*wishes.window)[2]) + " slices, expected 1 for a network of slices");
  }
  planning.decisions.push_back(
    Line() << "window " << plan.window << " voxels, to which each slice is stretched: "
           << std::string(wishes.window ? std::string("as asked for")
                                        : std::string(Line() << "95 of 100 have up to " << std::llround(voxels[0])
                                                             << " x " << std::llround(voxels[1]) << ", "
                                                             << limits.planeSize << " at most")));
  plan.finestStride = plan.window[0] * plan.window[1] > limits.fineVoxels ? 2 : 1;
  planning.decisions.push_back(Line() << "finest features at " << (plan.finestStride > 1 ? "half" : "full")
                                      << " resolution: a plane of " << plan.window[0] * plan.window[1]
                                      << " voxels, at full resolution up to " << limits.fineVoxels);
  for (const auto & channel : plan.channels)
  {
    planning.decisions.push_back("channel " + channel.name + ": " +
                                 (channel.normalization == "clip"
                                    ? "clipped to the foreground's range, which is absolute"
                                    : "mean 0, deviation 1 in each slice, so that scanners become alike"));
  }
  PlanFrame(planning, fingerprint, wishes.frame);
}

/** The window's longer side in multiples of \a base voxels doubled until it has no more than \a limit of them. */
int64_t
ChoosePatch(const DatasetFingerprint &                    fingerprint,
            const std::string &                           orientation,
            const PlanningLimits &                        limits,
            const std::optional<std::array<int64_t, 3>> & window)
{
  const auto voxels = CountPlaneVoxels(fingerprint, orientation);
  const auto longest = window ? static_cast<double>(std::max((*window)[0], (*window)[1]))
                              : std::min(std::max(voxels[0], voxels[1]), static_cast<double>(limits.planeSize));
  int64_t    patch = 8;
  while (longest > static_cast<double>(patch * tokensOfSlice) && patch < 64)
  {
    patch *= 2;
  }
  return patch;
}
} // namespace

void
PlanFrame(Planning & planning, const DatasetFingerprint & fingerprint, const std::string & wish)
{
  if (wish != "auto" && wish != "remove" && wish != "keep")
  {
    throw Error("frame '" + wish + "' is not known, expected auto, remove or keep");
  }
  const auto & contents = fingerprint.contents;
  const auto   framed =
    std::count_if(contents.begin(), contents.end(), [](double content) { return content <= 1.0 - framedFraction; });
  const bool isFramed = static_cast<double>(framed) > framedCases * static_cast<double>(contents.size());
  const bool removes = wish == "remove" || (wish == "auto" && isFramed && planning.plan.window[2] == 1);
  if (removes && planning.plan.window[2] != 1)
  {
    throw Error("a black frame is removed from slices alone, but the planned network's window has " +
                std::to_string(planning.plan.window[2]) + " slices");
  }
  planning.plan.frame = removes ? "black" : "none";
  Line line;
  line << "black frames are " << (removes ? "removed" : "kept") << ": ";
  if (wish != "auto")
  {
    line << "as asked for";
  }
  if (!contents.empty())
  {
    line << (wish != "auto" ? ", " : "") << framed << " of " << contents.size() << " images have one that takes "
         << 100.0 * framedFraction << " % of them or more";
  }
  else if (wish == "auto")
  {
    line << "images of several slices are not searched for them, which --frame remove leaves out";
  }
  planning.decisions.push_back(line);
}

Planning
PlanDapsam(const DatasetFingerprint & fingerprint,
           const Dataset &            dataset,
           const PlanningLimits &     limits,
           const PlanningWishes &     wishes)
{
  const auto adapted = PlanMaskSam(fingerprint, dataset, limits);
  Planning   planning;
  Plan &     plan = planning.plan;
  plan.patch = ChoosePatch(fingerprint, adapted.plan.orientation, limits, wishes.window);
  ChooseSlices(planning, adapted, fingerprint, limits, wishes, plan.patch);
  for (size_t axis = 0; axis < 2; ++axis)
  {
    plan.grid[axis] = plan.window[axis] / plan.patch;
  }
  plan.stem = "pyramid";
  // Down to twice as fine as the tokens: the embedding does the last doubling.
  for (int64_t size = plan.finestStride, width = 16; size < plan.patch;
       size *= 2, width = std::min<int64_t>(2 * width, 64))
  {
    plan.stemWidths.push_back(width);
  }
  plan.width = 96;
  plan.depth = 4;
  plan.heads = 4;
  plan.globalBlocks = { 0, 1, 2, 3 };
  plan.neck = 96;
  plan.positions = "relative";
  plan.adaptation = wishes.hasAdapters ? std::vector<std::string>{ "low_level_attention" } : std::vector<std::string>();
  plan.promptSource = wishes.hasPrototypes ? "prototype" : "none";
  if (wishes.hasPrototypes)
  {
    plan.prototypes = 64;
    plan.addressing = "cosine";
    plan.temperature = 0.1;
    plan.prototypeDiversityWeight = 0.1;
  }
  plan.decoder = "semantic";
  plan.decoderHeads = 4;
  plan.decoderMlpWidth = 192;
  plan.refinesMasks = true;
  planning.decisions.push_back(Line() << "patch " << plan.patch << ": " << plan.grid[0] << " x " << plan.grid[1]
                                      << " tokens per slice, " << tokensOfSlice << " per axis at most; features of "
                                      << plan.stemWidths.size() << " finer resolutions refine the masks");
  planning.decisions.push_back(std::string("relative positions alone: they stay as they are where a frame or another "
                                           "field of view shifts the anatomy"));
  planning.decisions.push_back(wishes.hasAdapters ? "low-level adapters in front of and within each block"
                                                  : "without low-level adapters, as asked for");
  planning.decisions.push_back(wishes.hasPrototypes
                                 ? std::string(Line() << plan.prototypes << " prototypes, addressed by cosines / "
                                                      << plan.temperature << " and kept apart with the weight "
                                                      << plan.prototypeDiversityWeight)
                                 : std::string("without prototypes, as asked for"));
  return planning;
}

Planning
PlanUnet(const DatasetFingerprint & fingerprint,
         const Dataset &            dataset,
         const PlanningLimits &     limits,
         const PlanningWishes &     wishes)
{
  const auto resolutions = [](const Plan & plan) {
    const int64_t longest = std::max(plan.window[0], plan.window[1]) / plan.finestStride;
    size_t        count = 2;
    while (count < 6 && (longest >> count) >= 8)
    {
      ++count;
    }
    return count;
  };
  Planning planning;
  Plan &   plan = planning.plan;
  if (AreSlices(fingerprint))
  {
    constexpr int64_t coarsest = 32;
    ChooseSlices(planning, PlanMaskSam(fingerprint, dataset, limits), fingerprint, limits, wishes, coarsest);
  }
  else
  {
    planning = PlanMaskSam(fingerprint, dataset, limits, wishes.window);
    // Of the window, spacing, channels and labels; what is said of tokens and queries does not apply.
    auto & lines = planning.decisions;
    lines.erase(std::remove_if(lines.begin(),
                               lines.end(),
                               [](const std::string & line) {
                                 return line.rfind("patch", 0) == 0 || line.find("queries") != std::string::npos;
                               }),
                lines.end());
    const Plan volume = plan;
    plan = Plan();
    plan.window = volume.window;
    plan.overlap = volume.overlap;
    plan.slices = volume.slices;
    plan.planarLevels = volume.planarLevels;
    plan.orientation = volume.orientation;
    plan.spacing = volume.spacing;
    plan.channels = volume.channels;
    plan.labels = volume.labels;
    if (wishes.frame != "auto")
    {
      PlanFrame(planning, fingerprint, wishes.frame);
    }
  }
  plan.encoder = plan.decoder = "unet";
  plan.promptSource = "none";
  plan.globalBlocks.clear();
  plan.stageWidths.clear();
  const size_t count = resolutions(plan);
  for (size_t k = 0; k < count; ++k)
  {
    plan.stageWidths.push_back(std::min<int64_t>(10 << k, 160));
  }
  plan.patch = plan.finestStride << (count - 1);
  plan.neck = plan.stageWidths.back();
  for (size_t axis = 0; axis < 2; ++axis)
  {
    plan.window[axis] = RoundUp(plan.window[axis], plan.patch);
  }
  planning.decisions.push_back(Line() << "U-Net of " << count << " resolutions with " << plan.stageWidths.front()
                                      << " to " << plan.stageWidths.back() << " channels, window " << plan.window);
  return planning;
}

Plan
ReadPlanFile(const std::string & path)
{
  if (std::filesystem::path(path).extension() != ".safetensors")
  {
    return Plan::FromJson(ReadTextFile(path), path);
  }
  Plan plan = OpenModel(path).plan;
  plan.provenance = Plan().provenance;
  return plan;
}

bool
IsPlanName(const std::string & word)
{
  const auto isOneOf = [&word](const std::vector<std::string> & words) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  return word == "masksam" || word == "dapsam" || word == "unet" || isOneOf(GetPublishedMaskSamWords()) ||
         isOneOf(GetPublishedDapsamWords());
}

namespace
{
Planning
PlanWord(const std::string &        word,
         const DatasetFingerprint & fingerprint,
         const Dataset &            dataset,
         const PlanningLimits &     limits,
         const PlanningWishes &     wishes)
{
  if (word != "dapsam" && !(wishes.hasAdapters && wishes.hasPrototypes))
  {
    throw Error("plan '" + word + "' has no parts that can be left out, expected dapsam");
  }
  if (word == "dapsam" || word == "unet")
  {
    return (word == "dapsam" ? PlanDapsam : PlanUnet)(fingerprint, dataset, limits, wishes);
  }
  auto adapted = PlanMaskSam(fingerprint, dataset, limits, word == "masksam" ? wishes.window : std::nullopt);
  if (word == "masksam")
  {
    if (wishes.frame != "auto")
    {
      PlanFrame(adapted, fingerprint, wishes.frame);
    }
    return adapted;
  }
  Planning   planning;
  const bool isDapsam = word.rfind("dapsam", 0) == 0;
  planning.plan = isDapsam ? PublishedDapsamPlan(word) : PublishedMaskSamPlan(word);
  const auto normalization = planning.plan.channels.front().normalization;
  planning.plan.channels = adapted.plan.channels;
  if (isDapsam)
  {
    const size_t channels = planning.plan.channels.size();
    if (channels != 1 && channels != 3)
    {
      throw Error("plan '" + word + "' takes 1 or 3 channels, the data set has " + std::to_string(channels));
    }
    planning.plan.stem = channels == 1 ? "gray_rgb" : "none";
    for (auto & channel : planning.plan.channels)
    {
      channel = { channel.name, normalization };
    }
  }
  planning.plan.labels = adapted.plan.labels;
  planning.plan.orientation = isDapsam ? KeepingAxes(adapted.plan.orientation) : adapted.plan.orientation;
  planning.plan.spacing = isDapsam ? planning.plan.spacing : adapted.plan.spacing;
  planning.decisions.push_back(word + ": the published sizes, window " + std::string(Line() << planning.plan.window) +
                               " voxels");
  for (const auto & line : adapted.decisions)
  {
    for (const std::string begin : { "slices", "spacing", "channel" })
    {
      if (line.rfind(begin, 0) == 0 && !(isDapsam && begin != "slices"))
      {
        planning.decisions.push_back(line);
      }
    }
  }
  if (wishes.frame != "auto")
  {
    PlanFrame(planning, fingerprint, wishes.frame);
  }
  return planning;
}
} // namespace

Planning
PlanByName(const std::string &        word,
           const DatasetFingerprint & fingerprint,
           const Dataset &            dataset,
           const PlanningLimits &     limits,
           const PlanningWishes &     wishes)
{
  auto planning = PlanWord(word, fingerprint, dataset, limits, wishes);
  if (wishes.nestsLabels)
  {
    if (planning.plan.decoder == "mask_classification")
    {
      throw Error("plan '" + word +
                  "' cannot nest labels, of which it gives one to each voxel, expected dapsam or unet");
    }
    planning.plan.nestsLabels = true;
    planning.decisions.push_back("labels are nested, as asked for: each one holds those after it");
  }
  return planning;
}

double
PlanForegroundShare(double foregroundFraction)
{
  return foregroundFraction < sparseForeground ? 0.5 : 1.0 / 3.0;
}
} // namespace sam
