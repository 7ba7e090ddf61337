// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samMarkup_h
#define samMarkup_h

#include <string>

namespace sam
{
/** Text as it stands between the tags, and in the attributes, of HTML and XML. */
std::string
EscapeMarkup(const std::string & text);
} // namespace sam

#endif
