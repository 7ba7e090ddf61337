// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samCsvFile_h
#define samCsvFile_h

#include <cstddef>
#include <string>
#include <vector>

namespace sam
{
/** \class CsvFile
 * \brief The fields of a text table, by RFC 4180: quoted fields may hold delimiters, line breaks and doubled quotes.
 *
 * Whichever of comma, semicolon and tab is most frequent in the first line separates the fields. Blanks around fields,
 * empty lines, a byte order mark and carriage returns are passed over.
 */
struct CsvFile
{
  struct Row
  {
    std::size_t              line{ 0 }; ///< of the file, from 1
    std::vector<std::string> fields;
  };

  std::vector<std::string> columns; ///< the first row
  std::vector<Row>         rows;    ///< the others

  /** \throws Error naming the file when it cannot be read, is empty or ends within a quoted field. */
  static CsvFile
  Read(const std::string & path);
};

/** The fields between commas of one line, the \a number-th of a file. \throws Error naming both when it ends within a
 * quoted field. */
std::vector<std::string>
SplitCsvLine(const std::string & path, std::size_t number, const std::string & line);

/** A field of a text table; in quotes where it has to be, whichever delimiter CsvFile takes. */
std::string
QuoteCsvField(const std::string & field);
} // namespace sam

#endif
