// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samError_h
#define samError_h

#include <stdexcept>

namespace sam
{
/** \class Error
 * \brief A mistake in what the user gave: the message is one line that names the file or option, what was found and
 * what was expected.
 */
class Error : public std::runtime_error
{
public:
  using std::runtime_error::runtime_error;
};
} // namespace sam

#endif
