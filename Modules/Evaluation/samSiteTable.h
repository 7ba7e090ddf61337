// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samSiteTable_h
#define samSiteTable_h

#include <map>
#include <string>
#include <vector>

namespace sam
{
/** \class SiteTable
 * \brief Which site (hospital, scanner, any group) each case of a data set is from, by a table such as
 *
 *     file,site,finding
 *     CHNCXR_0001_0.png,shenzhen,normal
 *
 * One column names the file or the case: file, filename, image, case, case_id, name or id; one the site: site, center,
 * centre, hospital, institution, scanner, domain or group; of several the first in this order. Letters may be large or
 * small there. Further columns do not matter. Files may have folders, extensions and nnU-Net's number of the channel.
 */
class SiteTable
{
public:
  /** \throws Error naming the file, what was found and what was expected: a column that is not there, a line without
   * case or site, or a case that has two sites. */
  static SiteTable
  Read(const std::string & path);

  /** The site of a case, by its name or that of its file, which has \a ending behind.
   * \throws Error naming the case that has no line. */
  const std::string &
  GetSite(const std::string & name, const std::string & ending = {}) const;

  /** \throws Error naming a site that is not in the table, and those that are. */
  void
  CheckSite(const std::string & site) const;

  const std::string &
  GetPath() const
  {
    return m_Path;
  }

private:
  std::string                        m_Path;
  std::map<std::string, std::string> m_Sites; ///< by case
};

/** "a, b, c" */
std::string
JoinNames(const std::vector<std::string> & names);
} // namespace sam

#endif
