// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samHtmlPage_h
#define samHtmlPage_h

#include "samPreview.h"

#include <array>
#include <string>

/** What our HTML pages are made of. A page needs no other file, and follows the reader's choice of light or dark. */
namespace sam
{
/** The page up to its first heading, which is the title. Styles are there for tables, figures and drawings (SVG). */
std::string
BeginHtmlPage(const std::string & title);

std::string
EndHtmlPage();

/** A number with some significant digits, with a decimal point in every locale. */
std::string
FormatNumber(double value, int digits = 4);

/** A color as CSS writes it. */
std::string
ToCss(const std::array<unsigned char, 3> & color);

/** Bytes as base64 (RFC 4648). */
std::string
ToBase64(const std::string & bytes);

/** A picture as the source of an HTML image: PNG. It passes through a file in \a folder, which is removed.
 * \throws Error when that cannot be written. */
std::string
ToDataUri(const PreviewImage * picture, const std::string & folder);
} // namespace sam

#endif
