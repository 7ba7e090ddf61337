// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samConformance.h"
#include "samSplineResize.h"

namespace sam
{
void
CheckSplineResize(Recording & recording)
{
  for (const auto & name : recording.Outputs("out/"))
  {
    const auto image = recording.Get("in/" + name).permute({ 2, 0, 1 });
    const auto expected = recording.Get("out/" + name);
    const auto resized = ResizeSpline(image, { expected.size(0), expected.size(1) });
    recording.Compare("out/" + name, resized.permute({ 1, 2, 0 }));
  }
}
} // namespace sam
