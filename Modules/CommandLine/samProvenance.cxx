// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samProvenance.h"

#include "samCommandLine.h"
#include "samError.h"

#include "itkMetaDataObject.h"

#include <itksys/MD5.h>
#include <itksys/SystemTools.hxx>

#include <algorithm>
#include <fstream>
#include <memory>

namespace sam
{
namespace
{
constexpr const char * modelKey = "SegmentAnything_ModelMD5";
constexpr const char * versionKey = "SegmentAnything_Version";
} // namespace

std::string
GetVersion()
{
  return SegmentAnything_VERSION;
}

std::string
ComputeMd5(const std::string & path)
{
  std::ifstream stream(path, std::ios::binary);
  if (!stream)
  {
    throw Error(path + ": cannot be read");
  }
  const std::unique_ptr<itksysMD5, void (*)(itksysMD5 *)> md5(itksysMD5_New(), itksysMD5_Delete);
  itksysMD5_Initialize(md5.get());
  std::vector<char> buffer(1u << 20);
  while (stream.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || stream.gcount() > 0)
  {
    ThrowIfInterrupted();
    itksysMD5_Append(
      md5.get(), reinterpret_cast<const unsigned char *>(buffer.data()), static_cast<int>(stream.gcount()));
  }
  constexpr size_t digits = 32;
  std::string      text(digits, '0');
  itksysMD5_FinalizeHex(md5.get(), text.data());
  return text;
}

bool
HoldsProvenance(const std::string & file)
{
  const auto name = itksys::SystemTools::LowerCase(file);
  const auto endings = { ".nrrd", ".nhdr", ".mha", ".mhd", ".nii", ".nii.gz" };
  return std::any_of(endings.begin(), endings.end(), [&name](const char * ending) {
    return itksys::SystemTools::StringEndsWith(name, ending);
  });
}

void
KeepMd5(itk::SamModel * model)
{
  itk::EncapsulateMetaData<std::string>(model->GetMetaDataDictionary(), modelKey, ComputeMd5(model->GetFileName()));
}

void
KeepMd5For(const std::string & output, itk::SamModel * model)
{
  if (HoldsProvenance(output))
  {
    KeepMd5(model);
  }
}

std::vector<std::string>
GetMd5(const std::vector<itk::SamModel::ConstPointer> & models)
{
  std::vector<std::string> hashes(models.size());
  for (size_t k = 0; k < models.size(); ++k)
  {
    itk::ExposeMetaData<std::string>(models[k]->GetMetaDataDictionary(), modelKey, hashes[k]);
  }
  return hashes;
}

void
DescribeProvenance(const std::vector<itk::SamModel::ConstPointer> & models, itk::MetaDataDictionary & dictionary)
{
  std::string text;
  for (const auto & hash : GetMd5(models))
  {
    text += (text.empty() ? "" : " ") + (hash.empty() ? "unknown" : hash);
  }
  itk::EncapsulateMetaData<std::string>(dictionary, versionKey, GetVersion());
  itk::EncapsulateMetaData<std::string>(dictionary, modelKey, text);
}

std::vector<std::pair<std::string, std::string>>
GetProvenance(const itk::MetaDataDictionary & dictionary)
{
  std::vector<std::pair<std::string, std::string>> entries;
  for (const char * const key : { versionKey, modelKey })
  {
    std::string value;
    if (itk::ExposeMetaData<std::string>(dictionary, key, value))
    {
      entries.emplace_back(key, value);
    }
  }
  return entries;
}
} // namespace sam
