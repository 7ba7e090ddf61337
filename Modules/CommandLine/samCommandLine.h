// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samCommandLine_h
#define samCommandLine_h

#include "samRegion.h"

#include <tclap/CmdLine.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sam
{
/** \class CommandLine
 * \brief The options of one program: its own, added to GetParser(), and those that programs share.
 *
 * Every program also answers --xml with MakeModuleDescription() and --manual, which --help does not list, with
 * MakeManualPage(), and reports its progress to 3D Slicer.
 *
 * \code
 * int
 * main(int argc, char * argv[])
 * {
 *   return sam::RunProgram("sam-x", "Does x.", argc, argv, [](sam::CommandLine & line) {
 *     TCLAP::ValueArg<std::string> input("", "input", "The image.", true, "", "FILE", line.GetParser());
 *     line.AddThreads();
 *     line.Parse();
 *     sam::WriteAtomically("out.nrrd", [&](const std::string & temporary) { ... });
 *   });
 * }
 * \endcode
 */
class CommandLine
{
public:
  CommandLine(const std::string & program, const std::string & description, int argc, char * argv[]);
  ~CommandLine();
  CommandLine(const CommandLine &) = delete;
  void
  operator=(const CommandLine &) = delete;

  /** Where a program adds its own options. */
  TCLAP::CmdLine &
  GetParser();

  /** --model FILE; where it is left out the environment variable SEGMENTANYTHING_MODEL counts, as for every program
   * that requires an option of this name. \a explanation: what kind of model. */
  void
  AddModel(const std::string & explanation = "The model file (.safetensors).");
  /** --device auto|cpu|cuda|cuda:N, default auto. */
  void
  AddDevice();
  /** The same, or several with commas between, for programs that do several things at a time. */
  void
  AddDevices();
  /** --precision float32|bfloat16|int8|auto, default float32. */
  void
  AddPrecision();
  /** --threads N, default 0: as many as there are processors. Parse() sets it for ITK; LibTorch is the program's. */
  void
  AddThreads();
  /** --fix-direction, of programs that read images: from Parse() on there is a DirectionRepair, with a warning for
   * each file. */
  void
  AddFixDirection();
  /** --quiet: no table, no bar of progress. Warnings and errors remain. */
  void
  AddQuiet();

  /** Reads the arguments; both "--option value" and "--option=value" are understood. Throws sam::Error on a mistake;
   * ends the program through RunProgram() after --help and --version. */
  void
  Parse();

  std::string
  GetModel() const;
  std::string
  GetDevice() const;
  std::vector<std::string>
  GetDevices() const;
  std::string
  GetPrecision() const;
  unsigned int
  GetThreads() const;
  bool
  GetQuiet() const;

  /** Writes to standard output, unless --quiet. */
  void
  Print(const std::string & text) const;
  /** Writes "program: warning: text" to standard error. */
  void
  Warn(const std::string & text) const;
  /** Tells a fraction from 0 to 1, and what is being done, as --progress says: on the current line of the terminal
   * (nothing when standard error is none, or with --quiet), or for another program to read. */
  void
  ShowProgress(double fraction, const std::string & text);

private:
  struct Implementation;
  std::unique_ptr<Implementation> m_Implementation;
};

/** \class Interrupted
 * \brief Thrown to leave a program after Ctrl-C or a request to end.
 */
class Interrupted : public std::exception
{
public:
  const char *
  what() const noexcept override
  {
    return "interrupted";
  }
};

/** Runs a program: everything that is thrown becomes one line "program: message" on standard error. Answers the exit
 * status: 0, 1 after a mistake, 128 + signal after an interruption. Installs the handler of SIGINT and SIGTERM. */
int
RunProgram(const std::string &                                    program,
           const std::string &                                    description,
           int                                                    argc,
           char *                                                 argv[],
           const std::function<void(CommandLine & commandLine)> & body);

/** The exception that is being handled, as the one line that a program ends with. */
std::string
DescribeException();

/** Whether Ctrl-C was pressed or the program was asked to end. To be asked wherever work can be given up. A second
 * Ctrl-C ends the program at once. */
bool
InterruptRequested();

/** Throws Interrupted when InterruptRequested(). */
void
ThrowIfInterrupted();

/** Throws sam::Error unless the path names a file in a folder that exists: to be asked before the work, not after. */
void
CheckOutput(const std::string & path);

/** Has a file written under a temporary name, with the same extension and in the same folder, and moves it to its
 * place when that went well: what is there is complete, and remains untouched after a failure or an interruption. The
 * temporary file has the final name in a folder of its own, so that formats of two files (.mhd with .raw) work; all
 * files in it are moved. Throws sam::Error when the folder is missing or cannot be written, and what \c write throws.
 */
void
WriteAtomically(const std::string & path, const std::function<void(const std::string & temporary)> & write);

/** Numbers separated by commas, with a decimal point in every locale. Errors name the option. */
std::vector<double>
ParseNumbers(const std::string & option, const std::string & text);

/** Integers separated by commas. */
std::vector<int>
ParseIntegers(const std::string & option, const std::string & text);

/** Axes separated by commas, 0 or more. */
std::vector<unsigned int>
ParseAxes(const std::string & option, const std::string & text);

/** Pairs of integers such as "1=1,2=1". */
std::map<int, int>
ParseLabelMap(const std::string & option, const std::string & text);

/** A box "cx,cy,cz,sx,sy,sz" in mm (LPS), for a 2-D image "cx,cy,sx,sy". */
Region
ParseRegion(const std::string & option, const std::string & text);

/** What ParseRegion() reads. */
std::string
DescribeRegion(const Region & region, unsigned int dimension);
} // namespace sam

#endif
