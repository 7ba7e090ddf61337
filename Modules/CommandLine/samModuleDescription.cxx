// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samModuleDescription.h"

#include "samMarkup.h"

#include <algorithm>
#include <cctype>
#include <locale>
#include <sstream>

namespace sam
{
namespace
{
std::string
Element(const std::string & name, const std::string & text)
{
  return "      <" + name + ">" + EscapeMarkup(text) + "</" + name + ">\n";
}

/** "largest-component" as "Largest component". */
std::string
ToLabel(std::string name)
{
  std::replace(name.begin(), name.end(), '-', ' ');
  name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
  return name;
}

/** The word for the value: FILE of "--model <FILE>". */
std::string
ValueWord(const TCLAP::Arg & argument)
{
  const auto text = argument.longID();
  const auto open = text.find('<');
  const auto close = text.find('>', open == std::string::npos ? 0 : open);
  return close == std::string::npos ? "" : text.substr(open + 1, close - open - 1);
}

template <typename TValue>
std::string
ToText(const TValue & value)
{
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text << value;
  return text.str();
}

/** The value where none is given of an argument of this type; empty when it has another type. */
template <typename TValue>
std::string
InitialOf(TCLAP::Arg & argument)
{
  auto * typed = dynamic_cast<TCLAP::ValueArg<TValue> *>(&argument);
  return typed != nullptr ? ToText(typed->getValue()) : std::string();
}

/** The attribute with the endings that a file may have: those of its word, such as FILE.json|FILE.csv, or a model's. */
std::string
FindExtensions(const TCLAP::Arg & argument, const std::string & word)
{
  std::string        extensions = argument.getName() == "model" && word == "FILE" ? ".safetensors,.pth,.pt" : "";
  std::istringstream alternatives(word);
  for (std::string alternative; std::getline(alternatives, alternative, '|');)
  {
    if (const auto point = alternative.find('.'); point != std::string::npos)
    {
      extensions += (extensions.empty() ? "" : ",") + alternative.substr(point);
    }
  }
  return extensions.empty() ? "" : " fileExtensions=\"" + extensions + "\"";
}

/** What Slicer makes of an argument. */
struct Kind
{
  std::string element; ///< with its attributes
  std::string channel; ///< input, output or nothing
  std::string initial; ///< the value where none is given
};

Kind
FindKind(const TCLAP::Arg & argument, const std::string & explanation)
{
  if (dynamic_cast<const TCLAP::SwitchArg *>(&argument) != nullptr)
  {
    return { "boolean", "", "false" };
  }
  // getValue() is no const function in all versions of TCLAP.
  auto &      changeable = const_cast<TCLAP::Arg &>(argument);
  std::string integer = InitialOf<int>(changeable) + InitialOf<long>(changeable) + InitialOf<unsigned int>(changeable) +
                        InitialOf<unsigned long>(changeable);
  if (!integer.empty())
  {
    return { "integer", "", integer };
  }
  if (auto number = InitialOf<double>(changeable); !number.empty())
  {
    return { "double", "", number };
  }
  auto *            single = dynamic_cast<TCLAP::ValueArg<std::string> *>(&changeable);
  const std::string initial = single != nullptr ? single->getValue() : "";
  const std::string multiple = single == nullptr ? " multiple=\"true\"" : "";
  const auto        word = ValueWord(argument);
  const bool        isWritten = explanation.rfind("Where ", 0) == 0 || word.rfind("OUT", 0) == 0;
  if (word == "IMAGE")
  {
    return { "image", "input", "" };
  }
  if (word == "OUT")
  {
    return { "image type=\"label\"", "output", "" };
  }
  if (word == "EMBEDDING")
  {
    return { "image type=\"vector\"", explanation.rfind("The ", 0) == 0 ? "output" : "input", "" };
  }
  if (word == "DIR")
  {
    return { "directory" + multiple, isWritten ? "output" : "input", initial };
  }
  const auto extensions = FindExtensions(argument, word);
  if (word.find(".fcsv") != std::string::npos)
  {
    return { "pointfile coordinateSystem=\"lps\"" + extensions, "input", initial };
  }
  // Slicer has no list of strings that is passed as one option each, and nothing for a name with a file (LABEL=FILE).
  const bool isFile = word.find("FILE") != std::string::npos && word.find('=') == std::string::npos;
  if (isFile || word.rfind("OUT", 0) == 0)
  {
    return { "file" + multiple + extensions, isWritten ? "output" : "input", initial };
  }
  return { "string", "", initial };
}
} // namespace

std::string
GetExplanation(const TCLAP::Arg & argument)
{
  auto              text = argument.getDescription();
  const std::string mark = "(required)";
  if (const auto found = text.find(mark); found != std::string::npos)
  {
    text.erase(found, mark.size());
  }
  return text.erase(0, text.find_first_not_of(' '));
}

std::string
MakeModuleDescription(const std::string &               program,
                      const std::string &               explanation,
                      const std::vector<TCLAP::Arg *> & arguments)
{
  std::string required;
  std::string optional;
  int         index = 0;
  for (const TCLAP::Arg * argument : arguments)
  {
    const auto & name = argument->getName();
    if (name == "help" || name == "version" || name == "xml")
    {
      continue;
    }
    const auto  text = GetExplanation(*argument);
    const auto  kind = FindKind(*argument, text);
    const bool  hasFlag = argument->longID().find("--" + name) != std::string::npos;
    std::string identifier = name;
    std::replace(identifier.begin(), identifier.end(), '-', '_');
    // Slicer reads how far a program is from tags on its standard output.
    const std::string initial = name == "progress" ? "slicer" : kind.initial;
    std::string       element = "    <" + kind.element + (name == "progress" ? " hidden=\"true\"" : "") + ">\n";
    element += Element("name", identifier);
    element += hasFlag ? Element("longflag", "--" + name) : Element("index", std::to_string(index++));
    element += Element("label", ToLabel(name));
    element += Element("description", text);
    if (!kind.channel.empty())
    {
      element += Element("channel", kind.channel);
    }
    if (!initial.empty())
    {
      element += Element("default", initial);
    }
    element += "    </" + kind.element.substr(0, kind.element.find(' ')) + ">\n";
    (argument->isRequired() ? required : optional) += element;
  }
  const auto group = [](const std::string & label, const std::string & text, const std::string & elements) {
    return elements.empty() ? std::string()
                            : "  <parameters>\n    <label>" + label + "</label>\n    <description>" + text +
                                "</description>\n" + elements + "  </parameters>\n";
  };
  const auto head = [](const std::string & name, const std::string & text) {
    return "  <" + name + ">" + EscapeMarkup(text) + "</" + name + ">\n";
  };
  return "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<executable>\n" +
         head("category", "Segmentation.Segment Anything") + head("title", program) + head("description", explanation) +
         head("version", SegmentAnything_VERSION) + head("license", "Apache-2.0") +
         head("contributor", "the ITKSegmentAnything authors") + group("Required", "What the program needs", required) +
         group("Options", "What can be changed", optional) + "</executable>\n";
}
} // namespace sam
