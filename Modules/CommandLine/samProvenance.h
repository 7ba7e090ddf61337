// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samProvenance_h
#define samProvenance_h

#include "itkSamModel.h"

#include "itkMetaDataDictionary.h"

#include <string>
#include <utility>
#include <vector>

/** By which version of this software and by which models a result was made. */
namespace sam
{
/** Of this software. */
std::string
GetVersion();

/** What md5sum answers to a file. \throws Error naming a file that cannot be read. */
std::string
ComputeMd5(const std::string & path);

/** Whether the format of an image file, by its name, has room for version and MD5: NRRD, MetaImage and NIfTI. */
bool
HoldsProvenance(const std::string & file);

/** Keep the MD5 of its file with a model that has just been read: it is computed once, before the file can change.
 * \throws Error naming a file that cannot be read. */
void
KeepMd5(itk::SamModel * model);

/** The same where the file to write has room for it: of a large model it takes seconds. */
void
KeepMd5For(const std::string & output, itk::SamModel * model);

/** What KeepMd5() kept of each model; empty texts where it was not called. */
std::vector<std::string>
GetMd5(const std::vector<itk::SamModel::ConstPointer> & models);

/** Version and MD5 of the models into the header of an image: SegmentAnything_Version, SegmentAnything_ModelMD5 (of
 * several models with spaces between). Files of NRRD, MetaImage and NIfTI keep them. */
void
DescribeProvenance(const std::vector<itk::SamModel::ConstPointer> & models, itk::MetaDataDictionary & dictionary);

/** These keys and their values, as far as the header has them. */
std::vector<std::pair<std::string, std::string>>
GetProvenance(const itk::MetaDataDictionary & dictionary);
} // namespace sam

#endif
