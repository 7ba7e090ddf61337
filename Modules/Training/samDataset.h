// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samDataset_h
#define samDataset_h

#include "samSiteTable.h"

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sam
{
/** A value of the data set's label maps. */
struct DatasetLabel
{
  int64_t     value{ 0 };
  std::string name;
};

/** One image with its label map. */
struct DatasetCase
{
  std::string              name;        ///< file name without ending and without channel number
  std::string              patient;     ///< cases of one patient share it, see Dataset
  std::vector<std::string> images;      ///< paths: one per channel, or a single file that holds all channels
  std::string              label;       ///< path; empty: no label map, everything is background
  int64_t                  slices{ 0 }; ///< of the model's grid, evenly chosen, that are kept at most; 0: all
};

/** \class Dataset
 * \brief The training cases that a dataset.json lists, as of the Medical Segmentation Decathlon or of nnU-Net (1 and
 * 2).
 *
 * Channels are `channel_names` or `modality`; labels are {"name": value} or {"value": "name"}; "ignore" is nnU-Net's
 * label of voxels to leave out. Cases are the list `training` of {image, label}, nnU-Net's object `dataset` of
 * {case: {images, label}}, or, where neither is there, the files `imagesTr/<case>_0000<ending>`, _0001, ... with
 * `labelsTr/<case><ending>`. Cases are sorted by name.
 *
 * Patients are told apart by names: a name is cut at '_' and '-'; leading parts that all cases share are passed over;
 * the patient is the name up to the first of the remaining parts with a digit in it, or all of it where there is none.
 * So patient002_frame01 and patient002_frame02 are one patient, hippocampus_001 and hippocampus_003 are two. Where that
 * makes fewer than five groups of more than four cases each on average, as of s1_000 to s2_005, every case is a
 * patient.
 */
struct Dataset
{
  std::string               path; ///< of the dataset.json
  std::string               name;
  std::string               licence;   ///< as the dataset.json says; empty where it does not
  std::string               reference; ///< publication to cite, likewise
  std::vector<std::string>  channels;
  std::vector<DatasetLabel> labels; ///< by value, background (0) first, without the ignore label
  bool                      hasIgnoreLabel{ false };
  int64_t                   ignoreLabel{ -1 };
  std::string               fileEnding;
  std::vector<DatasetCase>  cases;
  std::string               patients; ///< how many were told apart, a line for the user
  std::vector<std::string>  warnings; ///< of files that are missing, lines for the user
  /** Site by case name of what KeepSites() left out. */
  std::map<std::string, std::string> otherSites;

  /** \a path is the dataset.json or the folder that holds it.
   * \throws Error naming the file and what is expected in it. Images and label maps are not opened and need not exist,
   * see RequireFiles(). */
  static Dataset
  Read(const std::string & path);

  /** \throws Error naming the image or label map of a case that is missing. */
  void
  RequireFiles(const DatasetCase & item) const;

  /** Forget the cases that are of none of these \a sites.
   * \throws Error naming the table and a case or site that is not in it, or a site that no case is of. */
  void
  KeepSites(const SiteTable & table, const std::vector<std::string> & sites);

  /** The values of a label map as indices into \c labels: int16, −1 for the ignore label; where none are listed, the
   * values themselves.
   * \a values holds any integers or integer-valued floats.
   * \throws Error naming \a file and the value that is not listed. */
  at::Tensor
  IndexLabels(const at::Tensor & values, const std::string & file) const;
};

/** Place of an image in space, for CheckSameGrid. */
struct ImageGrid
{
  std::vector<int64_t> size;      ///< voxels
  std::vector<double>  spacing;   ///< mm
  std::vector<double>  origin;    ///< mm
  std::vector<double>  direction; ///< row-major
};

/** \throws Error naming both files where sizes differ, spacing by more than a thousandth, origin by more than a
 * hundredth of a voxel, or direction cosines by more than 1e-3. */
void
CheckSameGrid(const std::string & imageFile,
              const ImageGrid &   image,
              const std::string & labelFile,
              const ImageGrid &   label);

/** Indices into Dataset::cases, ascending. */
struct DatasetSplit
{
  std::vector<size_t> training;
  std::vector<size_t> validation;
  std::vector<size_t> heldOut; ///< in neither
};

/** Hold out \a validationFraction of the patients (rounded; at least one if it is above 0), shuffled by \a seed.
 * \throws Error when the fraction is not in [0, 1) or no patient would be left to train on. */
DatasetSplit
SplitByFraction(const Dataset & dataset, double validationFraction, uint64_t seed);

/** Part \a fold of \a folds: patients are shuffled by \a seed and dealt out, so that every case is validated once.
 * \throws Error when there are fewer patients than folds, or no such fold. */
DatasetSplit
SplitByFold(const Dataset & dataset, int64_t fold, int64_t folds, uint64_t seed);

/** Fold \a fold of nnU-Net's splits_final.json, [{"train": [...], "val": [...]}, ...].
 * \throws Error naming the file and the fold or case that is not there, is of another site or is on both sides. */
DatasetSplit
ReadSplit(const Dataset & dataset, const std::string & path, int64_t fold);
} // namespace sam

#endif
