// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPreview_h
#define samPreview_h

#include "samLabelImage.h"
#include "samLabelTable.h"

#include "itkRGBPixel.h"

namespace sam
{
using PreviewImage = itk::Image<itk::RGBPixel<unsigned char>, 2>;

/** \class PreviewOptions
 * \brief How a preview is laid out. Lengths are picture pixels.
 */
struct PreviewOptions
{
  /** Height and width of a panel, less where the image ends; the longer side of the only panel of a 2-D image has 1.5
   * times as many. */
  unsigned int panelSize{ 400 };
  /** What is shown around the region, or around the labels when there is none, as a fraction of its longest side. */
  double margin{ 0.15 };
  /** Width of the outlines, which run inside of the labels. */
  unsigned int outlineWidth{ 2 };
  /** A further panel with the whole axial slice and a frame around what the others show, when they show a part. */
  bool context{ true };
  /** Letters for the directions, and a legend of the labels that are seen. */
  bool annotations{ true };
};

/** A picture of an image with the outlines of its labels: for each region, or once when there is none, an axial, a
 * coronal and a sagittal plane through the centroid of the labels, at the same scale. A 2-D image has one panel.
 *
 * Planes are those of the patient (LPS) whatever the direction of the image, seen as radiologists do: the right of the
 * patient, and in sagittal planes the front, is on the left of the picture. Gray values run from the 1st to the 99th
 * percentile of what a row of panels shows, or less where that is far from the gray values under the labels.
 *
 * Another label image \a focus, when given, says in place of \a labels which planes are shown and how much of them, so
 * that several label images of an image are seen alike.
 *
 * Only labels of the table are drawn; an empty table stands for all labels, in the colors of GetLabelColor(). The image
 * and the labels may lie on different grids. Throws sam::Error when an image is empty. */
template <typename TLabelImage>
PreviewImage::Pointer
MakePreview(const itk::Image<float, TLabelImage::ImageDimension> * image,
            const TLabelImage *                                    labels,
            const LabelTable &                                     table,
            const std::vector<Region> &                            regions = {},
            const PreviewOptions &                                 options = {},
            const TLabelImage *                                    focus = nullptr);

/** Writes the picture as PNG. Throws sam::Error naming the file when it cannot be written. */
void
WritePreview(const PreviewImage * picture, const std::string & path);
} // namespace sam

#endif
