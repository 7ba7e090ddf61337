// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samHtmlPage.h"

#include "samMarkup.h"
#include "samTextFile.h"

#include <itksys/Base64.h>

#include <filesystem>
#include <locale>
#include <sstream>

namespace sam
{
std::string
BeginHtmlPage(const std::string & title)
{
  const std::string style =
    ":root{color-scheme:light dark;--text:#222;--faint:#666;--line:#ddd;--panel:#f6f6f6;--bar:#cfe3f1;--page:#fff}"
    "@media(prefers-color-scheme:dark){:root{--text:#ddd;--faint:#999;--line:#444;--panel:#2a2a2a;--bar:#27465c;"
    "--page:#1b1b1b}}"
    "body{font:14px sans-serif;margin:2em auto;padding:0 1em;max-width:1000px;color:var(--text);"
    "background:var(--page)}"
    "h1{font-size:22px}h2{font-size:17px;margin-top:1.6em}.faint{color:var(--faint)}"
    ".pair img{width:49%;margin-right:.5%}svg{margin:1em 1em 0 0;max-width:100%}svg "
    "text{font-size:11px;fill:var(--faint)}"
    "svg .title{font-size:13px;font-weight:bold}svg .end{text-anchor:end}svg .grid{stroke:var(--line)}"
    "svg polyline,svg .ring{fill:none;stroke-width:1.5}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "td,th{padding:3px 10px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}"
    "th{font-weight:600}th[colspan]{text-align:center}td:first-child,th:first-child,.name{text-align:left}"
    "td[rowspan]{vertical-align:top}.total td{font-weight:600;border-bottom-color:var(--faint)}"
    ".bar{background:linear-gradient(to right,var(--bar) var(--share),transparent var(--share))}"
    ".swatch{display:inline-block;width:.8em;height:.8em;margin-right:.4em;border-radius:2px}"
    "figure{margin:1.2em 0}figcaption{margin-bottom:.4em}figure img{max-width:100%;vertical-align:top}"
    "pre{white-space:pre-wrap;background:var(--panel);padding:1em}";
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
         "content=\"width=device-width\"><title>" +
         EscapeMarkup(title) + "</title>\n<style>" + style + "</style></head><body>\n<h1>" + EscapeMarkup(title) +
         "</h1>\n";
}

std::string
EndHtmlPage()
{
  return "</body></html>\n";
}

std::string
FormatNumber(double value, int digits)
{
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text.precision(digits);
  text << value;
  return text.str();
}

std::string
ToCss(const std::array<unsigned char, 3> & color)
{
  return "rgb(" + std::to_string(color[0]) + "," + std::to_string(color[1]) + "," + std::to_string(color[2]) + ")";
}

std::string
ToBase64(const std::string & bytes)
{
  // At most four letters for three bytes that have begun.
  std::string text((bytes.size() + 2) / 3 * 4, '\0');
  const auto  length = itksysBase64_Encode(reinterpret_cast<const unsigned char *>(bytes.data()),
                                          bytes.size(),
                                          reinterpret_cast<unsigned char *>(text.data()),
                                          0);
  text.resize(length);
  return text;
}

std::string
ToDataUri(const PreviewImage * picture, const std::string & folder)
{
  const auto file = (std::filesystem::path(folder) / "report.part.png").string();
  WritePreview(picture, file);
  const auto bytes = ReadTextFile(file);
  std::filesystem::remove(file);
  return "data:image/png;base64," + ToBase64(bytes);
}
} // namespace sam
