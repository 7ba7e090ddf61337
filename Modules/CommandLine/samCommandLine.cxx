// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCommandLine.h"
#include "samDirectionRepair.h"
#include "samError.h"
#include "samManualPage.h"
#include "samMessage.h"
#include "samModuleDescription.h"
#include "samText.h"
#include "samTextFile.h"

#include "itkMultiThreaderBase.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <limits>
#include <list>
#include <locale>
#include <mutex>
#include <numeric>
#include <sstream>

#ifdef _WIN32
#  include <io.h>
#  include <process.h>
#else
#  include <unistd.h>
#endif

namespace sam
{
namespace
{
namespace fs = std::filesystem;

/** More of them have ended in crashes of what starts them. */
constexpr int maximumThreads = 1024;

/** Where the model is looked for when --model is left out. */
constexpr const char * modelVariable = "SEGMENTANYTHING_MODEL";

std::atomic<int> interrupt{ 0 };
static_assert(std::atomic<int>::is_always_lock_free, "the signal handler must not lock");

extern "C" void
HandleSignal(int number)
{
  if (interrupt.exchange(number) != 0)
  {
    std::signal(number, SIG_DFL);
    std::raise(number);
    return;
  }
  std::signal(number, HandleSignal);
}

bool
IsTerminal()
{
#ifdef _WIN32
  return _isatty(2) != 0;
#else
  return isatty(2) != 0;
#endif
}

int
ProcessNumber()
{
#ifdef _WIN32
  return _getpid();
#else
  return getpid();
#endif
}

std::string
GetFirstLine(const std::string & text)
{
  return text.substr(0, text.find('\n'));
}

/** "--name" out of TCLAP's "Argument: -n (--name)". */
std::string
GetOptionName(const std::string & id)
{
  const auto begin = id.find("--");
  return begin == std::string::npos ? "" : id.substr(begin, id.find_first_of(") ", begin) - begin);
}

std::vector<std::string>
Split(const std::string & text, char separator)
{
  std::vector<std::string> parts;
  std::size_t              begin = 0;
  while (true)
  {
    const auto end = text.find(separator, begin);
    parts.push_back(Trim(text.substr(begin, end - begin)));
    if (end == std::string::npos)
    {
      return parts;
    }
    begin = end + 1;
  }
}

int
ParseInteger(const std::string & option, const std::string & text, const std::string & whole)
{
  int        value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || result.ec != std::errc() || result.ptr != text.data() + text.size())
  {
    throw Error(option + ": '" + text + "' in '" + whole + "' is not an integer");
  }
  return value;
}

template <typename TUnsigned>
bool
Holds(const TCLAP::Arg & argument)
{
  return dynamic_cast<const TCLAP::ValueArg<TUnsigned> *>(&argument) != nullptr;
}

/** TCLAP reads "-3" as an unsigned number that is huge. */
void
CheckUnsigned(const TCLAP::Arg & argument, const std::vector<std::string> & words)
{
  const auto option = std::find(words.begin(), words.end(), "--" + argument.getName());
  if (words.end() - option > 1 && option[1].compare(0, 1, "-") == 0 &&
      (Holds<unsigned int>(argument) || Holds<unsigned long>(argument)))
  {
    throw Error("--" + argument.getName() + ": " + option[1] + ", expected 0 or more");
  }
}

/** What TCLAP says about an option, in words that name what was found and what was expected. */
std::string
Rephrase(const std::string & text, const TCLAP::Arg * argument)
{
  const std::string unreadable = "Couldn't read argument value from string ";
  if (text.compare(0, unreadable.size(), unreadable) == 0)
  {
    const bool isReal = argument != nullptr && Holds<double>(*argument);
    return text.substr(unreadable.size()) + (isReal ? ", expected a number" : ", expected a whole number");
  }
  if (text.find("already set") != std::string::npos)
  {
    return "is given more than once, expected once";
  }
  if (text.find("Missing a value") != std::string::npos)
  {
    return "has no value behind it, expected one";
  }
  return text;
}

bool
IsUnlabeled(const TCLAP::Arg * argument)
{
  return Trim(argument->longID()).compare(0, 1, "<") == 0;
}

/** How many letters must be changed, put in or left out to make one word of the other (Levenshtein). */
std::size_t
CountEdits(const std::string & from, const std::string & to)
{
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < from.size(); ++i)
  {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < to.size(); ++j)
    {
      const std::size_t changed = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({ changed, row[j] + 1, row[j + 1] + 1 });
    }
  }
  return row.back();
}

/** The option that a word such as --name is. \throws Error when there is none, with the nearest one. */
const TCLAP::Arg &
FindOption(const std::list<TCLAP::Arg *> & options, const std::string & word)
{
  const TCLAP::Arg * nearest = nullptr;
  std::size_t        edits = word.size() / 2;
  for (const TCLAP::Arg * option : options)
  {
    if (IsUnlabeled(option) || option->getName() == TCLAP::Arg::ignoreNameString())
    {
      continue;
    }
    const bool        isFlag = !option->getFlag().empty() && word == "-" + option->getFlag();
    const std::size_t count = isFlag ? 0 : CountEdits(word, "--" + option->getName());
    if (count < edits)
    {
      nearest = option;
      edits = count;
    }
  }
  if (nearest == nullptr || edits > 0)
  {
    throw Error(word + ": no such option" + (nearest == nullptr ? "" : ", did you mean --" + nearest->getName()) +
                "; see --help");
  }
  return *nearest;
}

/** The words with "--name=value" as two. TCLAP takes a misspelled option for the next file, and nothing behind "--" is
 * too much for it. */
std::vector<std::string>
SeparateWords(const std::list<TCLAP::Arg *> & options, const std::vector<std::string> & words)
{
  std::vector<std::string> separated{ words.front() };
  auto                     places = std::count_if(options.begin(), options.end(), IsUnlabeled);
  const bool               takesMore = std::any_of(options.begin(), options.end(), [](TCLAP::Arg * option) {
    return IsUnlabeled(option) && option->acceptsMultipleValues();
  });
  bool                     areFiles = false; // behind "--"
  for (std::size_t k = 1; k < words.size(); ++k)
  {
    const std::string & word = words[k];
    separated.push_back(word);
    if (word == "--" && !areFiles)
    {
      areFiles = true;
      continue;
    }
    if (areFiles || word.size() < 2 || word[0] != '-')
    {
      if (places-- == 0 && !takesMore)
      {
        throw Error("'" + word + "' is one argument too many; see --help");
      }
      continue;
    }
    const auto         equals = word.find('=');
    const TCLAP::Arg & option = FindOption(options, word.substr(0, equals));
    if (equals != std::string::npos)
    {
      separated.back() = word.substr(0, equals);
      separated.push_back(word.substr(equals + 1));
      if (!option.isValueRequired())
      {
        throw Error(separated[separated.size() - 2] + ": '" + separated.back() + "', expected no value; see --help");
      }
    }
    else if (option.isValueRequired() && k + 1 < words.size())
    {
      separated.push_back(words[++k]);
    }
  }
  return separated;
}

fs::path
GetFolder(const fs::path & file)
{
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

/** As far as the system tells before something is written. */
bool
IsWritable(const fs::path & folder)
{
#ifdef _WIN32
  return fs::is_directory(folder);
#else
  return access(folder.c_str(), W_OK | X_OK) == 0;
#endif
}

/** What is required comes first, what every program has last. */
int
GetRank(const TCLAP::Arg * argument)
{
  const auto & name = argument->getName();
  const bool   isEverywhere = name == "help" || name == "version" || name == "xml" || name == "progress";
  return argument->isRequired() ? 0 : isEverywhere ? 2 : 1;
}

/** The arguments in the order in which they are explained. */
std::vector<TCLAP::Arg *>
OrderArguments(TCLAP::CmdLineInterface & line)
{
  // TCLAP keeps the last option first, behind the options what stands without one, in order.
  std::vector<TCLAP::Arg *> arguments(line.getArgList().rbegin(), line.getArgList().rend());
  std::reverse(arguments.begin(),
               std::find_if_not(arguments.begin(), arguments.end(), [](TCLAP::Arg * a) { return IsUnlabeled(a); }));
  arguments.erase(std::remove_if(arguments.begin(),
                                 arguments.end(),
                                 [](TCLAP::Arg * a) { return a->getName() == TCLAP::Arg::ignoreNameString(); }),
                  arguments.end());
  std::stable_sort(
    arguments.begin(), arguments.end(), [](TCLAP::Arg * a, TCLAP::Arg * b) { return GetRank(a) < GetRank(b); });
  return arguments;
}

/** "--threads N", of what stands without an option "FILE". */
std::string
GetSynopsis(TCLAP::Arg * argument)
{
  // TCLAP's "--threads <N>", for unlabeled arguments "<FILE>".
  std::string text = argument->longID();
  if (const auto alternative = text.find(",  "); alternative != std::string::npos)
  {
    text.erase(0, alternative + 3);
  }
  text = Trim(text);
  const auto open = text.find('<');
  const auto close = text.find('>');
  if (open != std::string::npos && close != std::string::npos)
  {
    text = text.substr(0, open) + text.substr(open + 1, close - open - 1) + text.substr(close + 1);
  }
  return text;
}

/** Writes --help and --version; mistakes are left to RunProgram(). */
class Output : public TCLAP::StdOutput
{
public:
  Output(std::string program, std::string description)
    : m_Program(std::move(program))
    , m_Description(std::move(description))
  {}

  void
  usage(TCLAP::CmdLineInterface & line) override
  {
    std::string required;
    bool        optional = false;
    const auto  arguments = OrderArguments(line);
    for (TCLAP::Arg * argument : arguments)
    {
      if (argument->isRequired())
      {
        required += " " + GetSynopsis(argument);
      }
      optional = optional || !argument->isRequired();
    }
    std::cout << "Usage: " << m_Program << required << (optional ? " [options]" : "") << "\n\n";
    spacePrint(std::cout, m_Description, 80, 0, 0);
    std::cout << '\n';
    for (TCLAP::Arg * argument : arguments)
    {
      std::cout << "  " << GetSynopsis(argument) << '\n';
      spacePrint(std::cout, GetExplanation(*argument), 80, 6, 0);
    }
    std::cout.flush();
  }

  void
  version(TCLAP::CmdLineInterface & line) override
  {
    std::cout << m_Program << ' ' << line.getVersion() << std::endl;
  }

  void
  failure(TCLAP::CmdLineInterface &, TCLAP::ArgException & exception) override
  {
    throw exception;
  }

private:
  std::string m_Program;
  std::string m_Description;
};
} // namespace

struct CommandLine::Implementation
{
  Implementation(const std::string & name, const std::string & text)
    : program(name)
    , description(text)
    , output(name, text)
    , parser(text, ' ', SegmentAnything_VERSION)
    , xml("", "xml", "Print a description of the program for 3D Slicer and end.", parser)
    , progressWords({ "bar", "json", "slicer", "none" })
    , knownProgress(progressWords)
    , progress("",
               "progress",
               "How the program tells how far it is: bar, on a terminal; json, a line {\"progress\": 0.42, \"text\": "
               "\"...\"} on standard error for each percent; slicer, tags on standard output, as 3D Slicer reads them; "
               "or none. Default: bar, slicer where 3D Slicer starts the program.",
               false,
               std::getenv("SLICER_HOME") != nullptr ? "slicer" : "bar",
               &knownProgress,
               parser)
  {
    parser.setOutput(&output);
    parser.setExceptionHandling(false);
  }

  void
  AddDevice(const std::string & explanation, const std::string & type)
  {
    device = std::make_unique<TCLAP::ValueArg<std::string>>(
      "", "device", explanation + " Default: auto.", false, "auto", type, parser);
  }

  std::string                                   program;
  std::string                                   description;
  std::vector<std::string>                      arguments;
  Output                                        output;
  TCLAP::CmdLine                                parser;
  TCLAP::SwitchArg                              xml;
  std::vector<std::string>                      progressWords;
  TCLAP::ValuesConstraint<std::string>          knownProgress;
  TCLAP::ValueArg<std::string>                  progress;
  bool                                          hasFilterStarted{ false }; ///< as 3D Slicer was told
  int                                           reportedPercent{ -1 };
  std::chrono::steady_clock::time_point         start{ std::chrono::steady_clock::now() };
  std::unique_ptr<TCLAP::ValueArg<std::string>> model;
  std::unique_ptr<TCLAP::ValueArg<std::string>> device;
  bool                                          takesDevices{ false };
  std::unique_ptr<TCLAP::ValueArg<std::string>> precision;
  std::unique_ptr<TCLAP::ValueArg<int>>         threads;
  std::unique_ptr<TCLAP::SwitchArg>             quiet;
  std::unique_ptr<TCLAP::SwitchArg>             fixDirection;
  std::unique_ptr<DirectionRepair>              directionRepair;
  std::size_t                                   progressLength{ 0 };
  std::mutex                                    lineMutex; ///< of the current line of the terminal
};

CommandLine::CommandLine(const std::string & program, const std::string & description, int argc, char * argv[])
  : m_Implementation(std::make_unique<Implementation>(program, description))
{
  m_Implementation->arguments.assign(argv, argv + argc);
}

CommandLine::~CommandLine()
{
  if (m_Implementation->hasFilterStarted)
  {
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - m_Implementation->start;
    std::cout << "<filter-end>\n<filter-name>" << m_Implementation->program << "</filter-name>\n<filter-time>"
              << time.count() << "</filter-time>\n</filter-end>" << std::endl;
  }
  if (m_Implementation->progressLength > 0)
  {
    std::cerr << '\r' << std::string(m_Implementation->progressLength, ' ') << '\r' << std::flush;
  }
}

TCLAP::CmdLine &
CommandLine::GetParser()
{
  return m_Implementation->parser;
}

void
CommandLine::AddModel(const std::string & explanation)
{
  m_Implementation->model = std::make_unique<TCLAP::ValueArg<std::string>>(
    "", "model", explanation, true, "", "FILE", m_Implementation->parser);
}

void
CommandLine::AddDevice()
{
  m_Implementation->AddDevice("Where the network runs: auto (a GPU when there is one), cpu, cuda or cuda:N.", "DEVICE");
}

void
CommandLine::AddDevices()
{
  m_Implementation->AddDevice(
    "Where the network runs: auto (a GPU when there is one), cpu, cuda or cuda:N. Several with commas between, such as "
    "cuda:0,cuda:1, share the images of a folder or list: each works on one at a time, with the model in its own "
    "memory.",
    "DEVICE,...");
  m_Implementation->takesDevices = true;
}

void
CommandLine::AddPrecision()
{
  m_Implementation->precision = std::make_unique<TCLAP::ValueArg<std::string>>(
    "",
    "precision",
    "What the encoder computes with: float32, bfloat16 or int8 (faster, a little less exact; int8 on the cpu alone), "
    "or "
    "auto: bfloat16 where a short measurement finds it faster. Default: float32.",
    false,
    "float32",
    "WORD",
    m_Implementation->parser);
}

void
CommandLine::AddThreads()
{
  m_Implementation->threads =
    std::make_unique<TCLAP::ValueArg<int>>("",
                                           "threads",
                                           "Number of threads; 0: one for each processor. Default: 0.",
                                           false,
                                           0,
                                           "N",
                                           m_Implementation->parser);
}

void
CommandLine::AddQuiet()
{
  m_Implementation->quiet = std::make_unique<TCLAP::SwitchArg>(
    "", "quiet", "Print nothing but warnings and errors.", m_Implementation->parser, false);
}

void
CommandLine::AddFixDirection()
{
  m_Implementation->fixDirection =
    std::make_unique<TCLAP::SwitchArg>("",
                                       "fix-direction",
                                       "NIfTI files whose axes are not perpendicular, which are refused otherwise: "
                                       "take the nearest perpendicular axes and "
                                       "say by which angle they were turned. What is written gets them, too.",
                                       m_Implementation->parser,
                                       false);
}

void
CommandLine::Parse()
{
  const auto & arguments = m_Implementation->arguments;
  auto &       parser = m_Implementation->parser;
  if (arguments.size() == 2 && arguments[1] == "--xml")
  {
    std::cout << MakeModuleDescription(
      m_Implementation->program, m_Implementation->description, OrderArguments(parser));
    throw TCLAP::ExitException(0);
  }
  if (arguments.size() == 2 && arguments[1] == "--manual")
  {
    std::vector<ManualEntry> entries;
    for (TCLAP::Arg * option : OrderArguments(parser))
    {
      entries.push_back(
        { GetSynopsis(option), GetExplanation(*option), option->isRequired(), option->acceptsMultipleValues() });
    }
    std::cout << MakeManualPage(m_Implementation->program, m_Implementation->description, entries);
    throw TCLAP::ExitException(0);
  }
  auto separated = SeparateWords(parser.getArgList(), arguments);
  for (const TCLAP::Arg * option : parser.getArgList())
  {
    CheckUnsigned(*option, separated);
  }
  const char * const defaultModel = std::getenv(modelVariable);
  for (const TCLAP::Arg * option : parser.getArgList())
  {
    if (option->getName() == "model" && option->isRequired() && !IsUnlabeled(option) && defaultModel != nullptr &&
        *defaultModel != 0 && std::count(separated.begin(), separated.end(), "--model") == 0)
    {
      separated.insert(separated.begin() + 1, { "--model", defaultModel });
      break;
    }
  }
  try
  {
    parser.parse(separated);
  }
  catch (const TCLAP::ArgException & exception)
  {
    std::string        option = GetOptionName(exception.argId());
    const TCLAP::Arg * wrong = nullptr;
    bool               isWithoutModel = false;
    for (const TCLAP::Arg * argument : parser.getArgList())
    {
      if (option == "--" + argument->getName())
      {
        wrong = argument;
      }
      isWithoutModel = isWithoutModel || (argument->getName() == "model" && argument->isRequired() &&
                                          !argument->isSet() && !IsUnlabeled(argument));
    }
    if (wrong != nullptr && IsUnlabeled(wrong))
    {
      option = wrong->getName();
    }
    const std::string text = Rephrase(ToOneLine(exception.error()), wrong);
    isWithoutModel = isWithoutModel && text.find("missing: model") != std::string::npos;
    throw Error((option.empty() ? "" : option + ": ") + text +
                (isWithoutModel ? ", and " + std::string(modelVariable) + " is not set" : "") + "; see --help");
  }
  for (TCLAP::Arg * argument : parser.getArgList())
  {
    // What an unset variable of a script leaves. Options may be empty: 3D Slicer passes those that are not filled in.
    auto * const text = dynamic_cast<TCLAP::UnlabeledValueArg<std::string> *>(argument);
    if (text != nullptr && text->isSet() && text->getValue().empty())
    {
      throw Error(argument->getName() + ": '' is empty, expected a file or folder");
    }
  }
  m_Implementation->hasFilterStarted = m_Implementation->progress.getValue() == "slicer";
  if (m_Implementation->hasFilterStarted)
  {
    std::cout << "<filter-start>\n<filter-name>" << m_Implementation->program
              << "</filter-name>\n<filter-comment></filter-comment>\n</filter-start>" << std::endl;
  }
  if (m_Implementation->device)
  {
    const auto devices = this->GetDevices();
    if (devices.size() > 1 && !m_Implementation->takesDevices)
    {
      throw Error("--device: '" + m_Implementation->device->getValue() + "', expected one device");
    }
    for (const auto & device : devices)
    {
      const bool number = device.size() > 5 && device.compare(0, 5, "cuda:") == 0 &&
                          device.find_first_not_of("0123456789", 5) == std::string::npos;
      if (device != "auto" && device != "cpu" && device != "cuda" && !number)
      {
        throw Error("--device: '" + device + "', expected auto, cpu, cuda or cuda:N");
      }
    }
  }
  if (m_Implementation->fixDirection && m_Implementation->fixDirection->getValue())
  {
    m_Implementation->directionRepair =
      std::make_unique<DirectionRepair>([this](const std::string & text) { this->Warn(text); });
  }
  if (m_Implementation->threads)
  {
    const int threads = m_Implementation->threads->getValue();
    if (threads < 0 || threads > maximumThreads)
    {
      throw Error("--threads: " + std::to_string(threads) + ", expected 0 to " + std::to_string(maximumThreads));
    }
    if (threads > 0)
    {
      itk::MultiThreaderBase::SetGlobalMaximumNumberOfThreads(static_cast<itk::ThreadIdType>(threads));
      itk::MultiThreaderBase::SetGlobalDefaultNumberOfThreads(static_cast<itk::ThreadIdType>(threads));
    }
  }
}

std::string
CommandLine::GetModel() const
{
  return m_Implementation->model ? m_Implementation->model->getValue() : "";
}

std::string
CommandLine::GetDevice() const
{
  return this->GetDevices().front();
}

std::vector<std::string>
CommandLine::GetDevices() const
{
  return m_Implementation->device ? Split(m_Implementation->device->getValue(), ',')
                                  : std::vector<std::string>{ "auto" };
}

std::string
CommandLine::GetPrecision() const
{
  return m_Implementation->precision ? m_Implementation->precision->getValue() : "float32";
}

unsigned int
CommandLine::GetThreads() const
{
  return m_Implementation->threads ? static_cast<unsigned int>(m_Implementation->threads->getValue()) : 0;
}

bool
CommandLine::GetQuiet() const
{
  return m_Implementation->quiet && m_Implementation->quiet->getValue();
}

void
CommandLine::Print(const std::string & text) const
{
  if (!this->GetQuiet())
  {
    std::cout << text << std::flush;
  }
}

void
CommandLine::Warn(const std::string & text) const
{
  const std::lock_guard<std::mutex> lock(m_Implementation->lineMutex);
  if (m_Implementation->progressLength > 0)
  {
    std::cerr << '\r' << std::string(m_Implementation->progressLength, ' ') << '\r';
  }
  std::cerr << m_Implementation->program << ": warning: " << ToOneLine(text) << std::endl;
}

void
CommandLine::ShowProgress(double fraction, const std::string & text)
{
  const std::lock_guard<std::mutex> lock(m_Implementation->lineMutex);
  const auto &                      way = m_Implementation->progress.getValue();
  const int                         percent = static_cast<int>(100.0 * std::clamp(fraction, 0.0, 1.0));
  if (way == "json" || way == "slicer")
  {
    if (percent == m_Implementation->reportedPercent)
    {
      return;
    }
    m_Implementation->reportedPercent = percent;
    if (way == "slicer")
    {
      std::cout << "<filter-progress>" << percent / 100.0 << "</filter-progress>" << std::endl;
      return;
    }
    const nlohmann::ordered_json report{ { "progress", percent / 100.0 }, { "text", text } };
    std::cerr << report.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << std::endl;
    return;
  }
  if (way == "none" || this->GetQuiet() || !IsTerminal())
  {
    return;
  }
  const std::string line = std::to_string(percent) + "% " + text;
  const std::string blanks(
    m_Implementation->progressLength > line.size() ? m_Implementation->progressLength - line.size() : 0, ' ');
  std::cerr << '\r' << line << blanks << std::flush;
  m_Implementation->progressLength = line.size();
}

std::string
DescribeException()
{
  std::string message;
  try
  {
    throw;
  }
  catch (const itk::ExceptionObject & exception)
  {
    message = exception.GetDescription();
  }
  catch (const Error & exception)
  {
    message = exception.what();
  }
  catch (const std::bad_alloc &)
  {
    message = "not enough memory";
  }
  catch (const std::exception & exception)
  {
    // LibTorch adds the stack below the first line.
    message = GetFirstLine(exception.what());
  }
  return ToOneLine(message);
}

int
RunProgram(const std::string &                                    program,
           const std::string &                                    description,
           int                                                    argc,
           char *                                                 argv[],
           const std::function<void(CommandLine & commandLine)> & body)
{
  interrupt = 0;
  std::signal(SIGINT, HandleSignal);
  std::signal(SIGTERM, HandleSignal);
#ifdef SIGXFSZ
  std::signal(SIGXFSZ, SIG_IGN); // a file that becomes too large is an error like a full disk
#endif
  std::string message;
  try
  {
    int status = 0;
    try
    {
      CommandLine commandLine(program, description, argc, argv);
      body(commandLine);
    }
    catch (const TCLAP::ExitException & exception)
    {
      status = exception.getExitStatus();
    }
    if (!std::cout.flush())
    {
      throw Error("standard output cannot be written");
    }
    return status;
  }
  catch (const Interrupted & exception)
  {
    message = exception.what();
  }
  catch (...)
  {
    message = DescribeException();
  }
  const int signal = interrupt;
  std::cerr << program << ": " << (signal != 0 ? "interrupted" : message) << std::endl;
  return signal != 0 ? 128 + signal : 1;
}

bool
InterruptRequested()
{
  return interrupt != 0;
}

void
ThrowIfInterrupted()
{
  if (InterruptRequested())
  {
    throw Interrupted();
  }
}

void
CheckOutput(const std::string & path)
{
  const fs::path target(path);
  if (!target.has_filename())
  {
    throw Error("'" + path + "': expected the name of a file to write");
  }
  const fs::path folder = GetFolder(FindFileToReplace(path));
  if (!fs::is_directory(folder))
  {
    throw Error(path + ": cannot be written: there is no folder " + folder.string());
  }
  if (fs::is_directory(target))
  {
    throw Error(path + ": is a folder, expected the name of a file to write");
  }
  if (!IsWritable(folder))
  {
    throw Error(path + ": cannot be written: no permission to write into " + folder.string());
  }
}

void
WriteAtomically(const std::string & path, const std::function<void(const std::string & temporary)> & write)
{
  CheckOutput(path);
  const fs::path target(path);
  const fs::path replaced(FindFileToReplace(path));
  const fs::path folder = GetFolder(replaced);

  struct TemporaryFolder
  {
    fs::path path;
    ~TemporaryFolder()
    {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
  };
  static std::atomic<unsigned int> counter{ 0 };
  std::error_code                  error;
  const TemporaryFolder temporary{ folder / ("." + target.filename().string() + "." + std::to_string(ProcessNumber()) +
                                             "." + std::to_string(counter++)) };
  if (!fs::create_directory(temporary.path, error))
  {
    throw Error(path + ": cannot be written: " + (error ? error.message() : "a temporary folder is in the way"));
  }
  ThrowIfInterrupted();
  write((temporary.path / target.filename()).string());
  ThrowIfInterrupted();
  if (!fs::exists(temporary.path / target.filename()))
  {
    throw Error(path + ": was not written");
  }
  // The named file last: it refers to the others.
  std::vector<fs::path> others;
  for (const auto & entry : fs::directory_iterator(temporary.path))
  {
    if (entry.path().filename() != target.filename())
    {
      others.push_back(entry.path().filename());
    }
  }
  others.push_back(target.filename());
  for (const auto & name : others)
  {
    const auto place = name == target.filename() ? replaced : folder / name;
    fs::rename(temporary.path / name, place, error);
    if (error)
    {
      throw Error(place.string() + ": cannot be written: " + error.message());
    }
  }
}

std::vector<double>
ParseNumbers(const std::string & option, const std::string & text)
{
  std::vector<double> numbers;
  for (const auto & part : Split(text, ','))
  {
    std::istringstream stream(part);
    stream.imbue(std::locale::classic());
    double number = 0.0;
    if (!(stream >> number) || stream.peek() != std::istringstream::traits_type::eof())
    {
      throw Error(option + ": '" + part + "' in '" + text + "' is not a number");
    }
    numbers.push_back(number);
  }
  return numbers;
}

std::vector<int>
ParseIntegers(const std::string & option, const std::string & text)
{
  std::vector<int> numbers;
  for (const auto & part : Split(text, ','))
  {
    numbers.push_back(ParseInteger(option, part, text));
  }
  return numbers;
}

std::vector<unsigned int>
ParseAxes(const std::string & option, const std::string & text)
{
  std::vector<unsigned int> axes;
  for (const int axis : ParseIntegers(option, text))
  {
    if (axis < 0)
    {
      throw Error(option + ": '" + text + "', expected axes from 0 on, such as 0,1");
    }
    axes.push_back(static_cast<unsigned int>(axis));
  }
  return axes;
}

std::map<int, int>
ParseLabelMap(const std::string & option, const std::string & text)
{
  std::map<int, int> map;
  for (const auto & part : Split(text, ','))
  {
    const auto sides = Split(part, '=');
    if (sides.size() != 2)
    {
      throw Error(option + ": '" + part + "' in '" + text + "', expected pairs such as 37=1,38=2");
    }
    const int from = ParseInteger(option, sides[0], text);
    const int to = ParseInteger(option, sides[1], text);
    if (!map.emplace(from, to).second)
    {
      throw Error(option + ": " + sides[0] + " is given twice in '" + text + "'");
    }
  }
  return map;
}

Region
ParseRegion(const std::string & option, const std::string & text)
{
  const auto numbers = ParseNumbers(option, text);
  if (numbers.size() != 6 && numbers.size() != 4)
  {
    throw Error(option + ": '" + text + "' has " + std::to_string(numbers.size()) +
                " numbers, expected center and size in mm: cx,cy,cz,sx,sy,sz (cx,cy,sx,sy for a 2-D image)");
  }
  const std::size_t dimension = numbers.size() / 2;
  Region            region;
  for (std::size_t d = 0; d < dimension; ++d)
  {
    region.center[d] = numbers[d];
    region.size[d] = numbers[dimension + d];
    if (!(region.size[d] > 0.0))
    {
      throw Error(option + ": '" + text + "' has a size that is not positive, expected the lengths of a box in mm");
    }
  }
  return region;
}

std::string
DescribeRegion(const Region & region, unsigned int dimension)
{
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text.precision(std::numeric_limits<double>::digits10);
  for (const auto * const numbers : { &region.center, &region.size })
  {
    for (unsigned int d = 0; d < dimension; ++d)
    {
      text << (text.tellp() > 0 ? "," : "") << (*numbers)[d];
    }
  }
  return text.str();
}
} // namespace sam
