// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samManualPage.h"

namespace sam
{
namespace
{
/** Text that man(7) takes as it is. */
std::string
Escape(const std::string & text)
{
  std::string result;
  for (const char letter : text)
  {
    // A plain minus would become a hyphen, which cannot be copied to a shell.
    result += letter == '\\' ? "\\e" : letter == '-' ? "\\-" : std::string(1, letter);
  }
  return !result.empty() && (result[0] == '.' || result[0] == '\'') ? "\\&" + result : result;
}

/** "--threads N" as "\fB--threads\fR \fIN\fR". */
std::string
Highlight(const std::string & synopsis)
{
  const auto blank = synopsis.find(' ');
  if (synopsis.rfind("--", 0) != 0)
  {
    return "\\fI" + Escape(synopsis) + "\\fR";
  }
  const auto option = "\\fB" + Escape(synopsis.substr(0, blank)) + "\\fR";
  return blank == std::string::npos ? option : option + " \\fI" + Escape(synopsis.substr(blank + 1)) + "\\fR";
}

std::string
FirstSentence(const std::string & text)
{
  const auto end = text.find_first_of(".:(");
  auto       sentence = text.substr(0, end);
  while (!sentence.empty() && sentence.back() == ' ')
  {
    sentence.pop_back();
  }
  return sentence;
}
} // namespace

std::string
MakeManualPage(const std::string & program, const std::string & description, const std::vector<ManualEntry> & entries)
{
  std::string page = ".\\\" Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0\n"
                     ".\\\" Printed by " +
                     program + " --manual.\n.TH \"" + Escape(program) +
                     "\" 1 \"\" \"SegmentAnything " SegmentAnything_VERSION "\" \"User Commands\"\n.SH NAME\n" +
                     Escape(program) + " \\- " + Escape(FirstSentence(description)) + "\n.SH SYNOPSIS\n\\fB" +
                     Escape(program) + "\\fR";
  bool takesModel = false;
  for (const auto & entry : entries)
  {
    page += entry.isRequired ? " " + Highlight(entry.synopsis) + (entry.isRepeated ? " ..." : "") : "";
    takesModel = takesModel || (entry.isRequired && entry.synopsis.rfind("--model ", 0) == 0);
  }
  page += " [options]\n.SH DESCRIPTION\n" + Escape(description) + "\n.SH OPTIONS\n";
  for (const auto & entry : entries)
  {
    page += ".TP\n" + Highlight(entry.synopsis) + "\n" + Escape(entry.explanation) + "\n";
  }
  page += ".SH EXIT STATUS\n.TP\n0\nAll went well.\n.TP\n1\nA mistake, of which one line on standard error tells. What "
          "is written is complete or not there.\n.TP\n130, 143\nInterrupted, or asked to end.\n";
  if (takesModel)
  {
    page += ".SH ENVIRONMENT\n.TP\n\\fBSEGMENTANYTHING_MODEL\\fR\nThe model file where \\fB\\-\\-model\\fR is left "
            "out.\n";
  }
  page += ".SH SEE ALSO\n";
  const std::vector<std::string> programs{ "sam-auto-prompt", "sam-classify",   "sam-encode",
                                           "sam-evaluate",    "sam-everything", "sam-model",
                                           "sam-pretrain",    "sam-prompt",     "sam-prototype-prompt",
                                           "sam-report",      "sam-resample",   "sam-segment",
                                           "sam-train" };
  std::string                    others;
  for (const auto & other : programs)
  {
    others += other == program ? "" : (others.empty() ? "" : ",\n") + ("\\fB" + Escape(other) + "\\fR(1)");
  }
  return page + others + "\n";
}
} // namespace sam
