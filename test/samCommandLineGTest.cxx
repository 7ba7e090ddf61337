// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCommandLine.h"
#include "samError.h"
#include "samEvaluationTestImages.h"
#include "samMessage.h"
#include "samTextFile.h"

#include "itkMultiThreaderBase.h"

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <locale>

using namespace sam::test;

namespace
{
struct Outcome
{
  int         status;
  std::string output;
  std::string error;
};

int
Start(std::vector<std::string> arguments, const std::function<void(sam::CommandLine &)> & body)
{
  arguments.insert(arguments.begin(), "/somewhere/sam-test");
  std::vector<char *> pointers;
  for (auto & argument : arguments)
  {
    pointers.push_back(argument.data());
  }
  return sam::RunProgram("sam-test", "Tests the tests.", static_cast<int>(pointers.size()), pointers.data(), body);
}

Outcome
Call(const std::vector<std::string> & arguments, const std::function<void(sam::CommandLine &)> & body)
{
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.status = Start(arguments, body);
  outcome.output = ::testing::internal::GetCapturedStdout();
  outcome.error = ::testing::internal::GetCapturedStderr();
  return outcome;
}

class CommaDecimals : public std::numpunct<char>
{
protected:
  char
  do_decimal_point() const override
  {
    return ',';
  }
};
} // namespace

TEST(CommandLine, SharedOptionsAndBothSpellings)
{
  const auto threads = itk::MultiThreaderBase::GetGlobalDefaultNumberOfThreads();
  const auto maximum = itk::MultiThreaderBase::GetGlobalMaximumNumberOfThreads();
  const auto outcome = Call({ "--device=cuda:1", "--threads", "3", "--name", "a=b" }, [](sam::CommandLine & line) {
    TCLAP::ValueArg<std::string> name("", "name", "A name.", true, "", "NAME", line.GetParser());
    line.AddDevice();
    line.AddThreads();
    line.AddQuiet();
    line.Parse();
    EXPECT_EQ(name.getValue(), "a=b");
    EXPECT_EQ(line.GetDevice(), "cuda:1");
    EXPECT_EQ(line.GetThreads(), 3u);
    EXPECT_FALSE(line.GetQuiet());
    EXPECT_EQ(itk::MultiThreaderBase::GetGlobalDefaultNumberOfThreads(), 3u);
    line.Print("printed\n");
    line.Warn("two\nlines");
  });
  itk::MultiThreaderBase::SetGlobalMaximumNumberOfThreads(maximum);
  itk::MultiThreaderBase::SetGlobalDefaultNumberOfThreads(threads);
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.output, "printed\n");
  EXPECT_EQ(outcome.error, "sam-test: warning: two lines\n");
  EXPECT_EQ(Call({ "--quiet" },
                 [](sam::CommandLine & line) {
                   line.AddQuiet();
                   line.Parse();
                   line.Print("nothing");
                 })
              .output,
            "");
}

TEST(CommandLine, WordsThatLookLikeOptions)
{
  const auto parse = [](sam::CommandLine & line) {
    TCLAP::ValueArg<std::string>          name("", "name", "A name.", true, "", "NAME", line.GetParser());
    TCLAP::ValueArg<std::string>          other("", "other", "Another.", true, "", "NAME", line.GetParser());
    TCLAP::UnlabeledValueArg<std::string> first("first", "A file.", true, "", "FILE", line.GetParser());
    TCLAP::UnlabeledValueArg<std::string> second("second", "A file.", true, "", "FILE", line.GetParser());
    line.AddThreads();
    line.AddQuiet();
    line.Parse();
    std::cerr << name.getValue() + " " + other.getValue() + " " + first.getValue() + " " + second.getValue();
  };
  EXPECT_EQ(Call({ "--name", "--threads=2", "x=1", "--other=--quiet", "-" }, parse).error, "--threads=2 --quiet x=1 -");
  // TCLAP keeps what it has seen "--".
  EXPECT_EXIT(std::exit(Start({ "--name", "x", "--other=-y", "--", "--name=z", "-q" }, parse)),
              testing::ExitedWithCode(0),
              "x -y --name=z -q");
}

TEST(CommandLine, MistakesAreOneLineAndStatusOne)
{
  const auto parse = [](sam::CommandLine & line) {
    TCLAP::ValueArg<std::string>   name("", "name", "A name.", true, "", "NAME", line.GetParser());
    TCLAP::ValueArg<unsigned long> seed("", "seed", "A seed.", false, 0, "N", line.GetParser());
    TCLAP::ValueArg<unsigned int>  axis("", "axis", "An axis.", false, 2, "N", line.GetParser());
    TCLAP::ValueArg<double>        size("", "size", "A size.", false, 1.0, "MM", line.GetParser());
    line.AddDevice();
    line.AddThreads();
    line.AddQuiet();
    line.Parse();
  };
  const std::vector<std::pair<std::vector<std::string>, std::string>> mistakes{
    { {}, "sam-test: Required argument missing: name; see --help\n" },
    { { "--name", "x", "--threads", "many" }, "sam-test: --threads: 'many', expected a whole number; see --help\n" },
    { { "--name", "x", "--threads", "1.5" }, "sam-test: --threads: '1.5', expected a whole number; see --help\n" },
    { { "--name", "x", "--size", "2mm" }, "sam-test: --size: '2mm', expected a number; see --help\n" },
    { { "--name", "x", "--threads", "-1" }, "sam-test: --threads: -1, expected 0 to 1024\n" },
    { { "--name", "x", "--threads", "100000" }, "sam-test: --threads: 100000, expected 0 to 1024\n" },
    { { "--name", "x", "--seed", "-3" }, "sam-test: --seed: -3, expected 0 or more\n" },
    { { "--name", "x", "--axis=-1" }, "sam-test: --axis: -1, expected 0 or more\n" },
    { { "--name", "x", "--seed", "three" }, "sam-test: --seed: 'three', expected a whole number; see --help\n" },
    { { "--name", "x", "--device", "gpu" }, "sam-test: --device: 'gpu', expected auto, cpu, cuda or cuda:N\n" },
    { { "--name", "x", "--device", "cuda:" }, "expected auto" },
    { { "--name", "x", "--unknown", "1" }, "sam-test: --unknown: no such option; see --help\n" },
    { { "--name", "x", "--thread", "1" }, "sam-test: --thread: no such option, did you mean --threads; see --help\n" },
    { { "--name", "x", "--sed=1" }, "sam-test: --sed: no such option, did you mean --seed; see --help\n" },
    { { "--name", "x", "-axis", "1" }, "sam-test: -axis: no such option, did you mean --axis; see --help\n" },
    { { "--name", "x", "y.nii" }, "sam-test: 'y.nii' is one argument too many; see --help\n" },
    { { "--name", "x", "--", "y.nii" }, "sam-test: 'y.nii' is one argument too many; see --help\n" },
    { { "--name", "x", "--quiet=1" }, "sam-test: --quiet: '1', expected no value; see --help\n" },
    { { "--name", "x", "--ignore_rest" }, "sam-test: --ignore_rest: no such option; see --help\n" },
    { { "--name" }, "sam-test: --name: has no value behind it, expected one; see --help\n" },
    { { "--name", "x", "--name", "y" }, "sam-test: --name: is given more than once, expected once; see --help\n" },
  };
  for (const auto & [arguments, expected] : mistakes)
  {
    const auto outcome = Call(arguments, parse);
    EXPECT_EQ(outcome.status, 1);
    EXPECT_TRUE(Contains(outcome.error, expected)) << outcome.error;
    EXPECT_EQ(outcome.error.rfind("sam-test: ", 0), 0u) << outcome.error;
    EXPECT_EQ(std::count(outcome.error.begin(), outcome.error.end(), '\n'), 1) << outcome.error;
    EXPECT_EQ(outcome.output, "");
  }
}

TEST(CommandLine, SeveralFiles)
{
  const auto outcome = Call({ "a", "--quiet", "b", "c" }, [](sam::CommandLine & line) {
    TCLAP::UnlabeledMultiArg<std::string> files("files", "Files.", true, "FILE...", line.GetParser());
    line.AddQuiet();
    line.Parse();
    EXPECT_EQ(files.getValue(), (std::vector<std::string>{ "a", "b", "c" }));
  });
  EXPECT_EQ(outcome.status, 0) << outcome.error;
}

TEST(CommandLine, ExceptionsAreOneLine)
{
  auto outcome = Call({}, [](sam::CommandLine &) { throw sam::Error("x.nii: is bad"); });
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.error, "sam-test: x.nii: is bad\n");
  outcome = Call({}, [](sam::CommandLine &) { itkGenericExceptionMacro("first\nsecond"); });
  EXPECT_EQ(outcome.error, "sam-test: first second\n");
  outcome = Call({}, [](sam::CommandLine &) {
    throw itk::ExceptionObject("file", 1, "itk::ERROR: Reader(0x55d0): cannot read\n it", "here");
  });
  EXPECT_EQ(outcome.error, "sam-test: cannot read it\n");
  outcome = Call({}, [](sam::CommandLine &) { throw std::runtime_error("message\nframe 0\nframe 1"); });
  EXPECT_EQ(outcome.error, "sam-test: message\n");
  outcome = Call({}, [](sam::CommandLine &) { throw std::bad_alloc(); });
  EXPECT_EQ(outcome.error, "sam-test: not enough memory\n");
  EXPECT_EQ(outcome.status, 1);
}

TEST(CommandLine, MessagesOfItkHaveNoAddresses)
{
  EXPECT_EQ(sam::ToOneLine("itk::ERROR: MetaImageIO(0x55d1f0): File cannot be read:\n a b.mha.\nReason: Success\n"),
            "File cannot be read: a b.mha.");
  EXPECT_EQ(sam::ToOneLine("a.nrrd: ITK ERROR: VectorImage(0x1): Bad direction"), "a.nrrd: Bad direction");
  EXPECT_EQ(sam::ToOneLine("Reason: No such file"), "Reason: No such file");
  EXPECT_EQ(sam::ToOneLine(" \n"), "failed without a message");
}

TEST(CommandLine, HelpAndVersionAreNoMistakes)
{
  bool       reached = false;
  const auto body = [&reached](sam::CommandLine & line) {
    TCLAP::ValueArg<std::string> name("", "name", "What it is called.", true, "", "NAME", line.GetParser());
    line.AddThreads();
    TCLAP::UnlabeledValueArg<std::string> input("input", "What is read.", true, "", "IN", line.GetParser());
    TCLAP::UnlabeledValueArg<std::string> output("output", "What is written.", true, "", "OUT", line.GetParser());
    line.Parse();
    reached = true;
  };
  auto outcome = Call({ "--help" }, body);
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.error, "");
  EXPECT_TRUE(Contains(outcome.output, "Usage: sam-test IN OUT --name NAME [options]")) << outcome.output;
  EXPECT_TRUE(Contains(outcome.output, "What it is called."));
  EXPECT_TRUE(Contains(outcome.output, "--threads N"));
  outcome = Call({ "--version" }, body);
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.output.rfind("sam-test ", 0), 0u);
  EXPECT_FALSE(reached);
}

TEST(CommandLine, NumbersInAnyLocale)
{
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new CommaDecimals));
  EXPECT_EQ(sam::ParseNumbers("--x", "1.5, -2e1,.25"), (std::vector<double>{ 1.5, -20.0, 0.25 }));
  const auto region = sam::ParseRegion("--region", "25.5,20.5,-8.5,40,56,40");
  std::locale::global(before);
  EXPECT_EQ(region.center, (std::array<double, 3>{ 25.5, 20.5, -8.5 }));
  EXPECT_EQ(region.size, (std::array<double, 3>{ 40.0, 56.0, 40.0 }));
  const auto flat = sam::ParseRegion("--region", "1,2,3,4");
  EXPECT_EQ(flat.center[1], 2.0);
  EXPECT_EQ(flat.size[0], 3.0);
  EXPECT_EQ(sam::ParseIntegers("--labels", "1,-2, 3"), (std::vector<int>{ 1, -2, 3 }));
  EXPECT_EQ(sam::ParseLabelMap("--map", "37=1,38=1"), (std::map<int, int>{ { 37, 1 }, { 38, 1 } }));

  const auto message = [](const auto & parse, const std::string & text) {
    return GetMessage<sam::Error>([&] { parse("--x", text); });
  };
  for (const char * text : { "", "1,", "1;2", "1.5x", "abc", "1,5,,2", "0x10", "nan" })
  {
    EXPECT_TRUE(Contains(message(sam::ParseNumbers, text), "--x: ")) << text;
  }
  for (const char * text : { "", "1.5", "1,", "99999999999", "+1" })
  {
    EXPECT_TRUE(Contains(message(sam::ParseIntegers, text), "is not an integer")) << text;
  }
  EXPECT_EQ(sam::ParseAxes("--mirror", "0,2"), (std::vector<unsigned int>{ 0, 2 }));
  EXPECT_TRUE(Contains(message(sam::ParseAxes, "0,-1"), "'0,-1', expected axes from 0 on"));
  EXPECT_TRUE(Contains(message(sam::ParseLabelMap, "37"), "expected pairs"));
  EXPECT_TRUE(Contains(message(sam::ParseLabelMap, "37=1,37=2"), "37 is given twice"));
  EXPECT_TRUE(Contains(message(sam::ParseRegion, "1,2,3"), "has 3 numbers"));
  EXPECT_TRUE(Contains(message(sam::ParseRegion, "1,2,3,4,5,0"), "not positive"));
}

TEST(CommandLine, FilesAppearWholeOrNotAtAll)
{
  const TemporaryFolder folder;
  const std::string     path = (folder / "out.txt").string();
  sam::WriteAtomically(path, [&](const std::string & temporary) {
    EXPECT_EQ(std::filesystem::path(temporary).extension(), ".txt");
    EXPECT_NE(temporary, path);
    WriteText(temporary, "first");
    EXPECT_FALSE(std::filesystem::exists(path));
  });
  EXPECT_EQ(ReadText(path), "first");
  sam::WriteAtomically(path, [](const std::string & temporary) { WriteText(temporary, "second"); });
  EXPECT_EQ(ReadText(path), "second");

  EXPECT_THROW(sam::WriteAtomically(path,
                                    [](const std::string & temporary) {
                                      WriteText(temporary, "half");
                                      throw std::runtime_error("disk full");
                                    }),
               std::runtime_error);
  EXPECT_EQ(ReadText(path), "second");
  EXPECT_EQ(folder.CountEntries(), 1u);

  // Two files that refer to each other by name.
  const auto image = MakeImage<itk::Image<unsigned char, 3>>({ 3, 3, 3 }, { 1.0, 1.0, 1.0 });
  sam::WriteAtomically((folder / "out.mhd").string(),
                       [&](const std::string & temporary) { Write(image.GetPointer(), temporary); });
  EXPECT_EQ(folder.CountEntries(), 3u);
  EXPECT_EQ(sam::ReadImageDimension((folder / "out.mhd").string()), 3u);
  EXPECT_NO_THROW(sam::ReadLabelImage<3>((folder / "out.mhd").string()));

  // A link is followed, within other folders too, and a device is left alone.
  const auto elsewhere = folder.MakeFolder("elsewhere") / "real.txt";
  WriteText(elsewhere.string(), "old");
  std::filesystem::create_symlink(elsewhere, folder / "link.txt");
  sam::WriteAtomically((folder / "link.txt").string(),
                       [](const std::string & temporary) { WriteText(temporary, "through the link"); });
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link.txt"));
  EXPECT_EQ(ReadText(elsewhere.string()), "through the link");
  sam::WriteTextFile((folder / "link.txt").string(), "text");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link.txt"));
  EXPECT_EQ(ReadText(elsewhere.string()), "text");
  std::filesystem::remove(elsewhere);
  std::filesystem::create_symlink("elsewhere/real.txt", folder / "relative.txt");
  sam::WriteAtomically((folder / "relative.txt").string(),
                       [](const std::string & temporary) { WriteText(temporary, "to come"); });
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "relative.txt"));
  EXPECT_EQ(ReadText(elsewhere.string()), "to come");
#ifdef __linux__
  std::filesystem::create_symlink("/dev/null", folder / "device.txt");
  EXPECT_THROW(sam::CheckOutput((folder / "device.txt").string()), sam::Error);
  EXPECT_THROW(sam::WriteTextFile((folder / "device.txt").string(), "text"), sam::Error);
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
#endif

  const auto message = [](const std::string & target) {
    return GetMessage<sam::Error>([&] { sam::WriteAtomically(target, [](const std::string &) {}); });
  };
  EXPECT_TRUE(Contains(message((folder / "missing/out.txt").string()), "there is no folder"));
  EXPECT_TRUE(Contains(message(folder.MakeFolder("inner").string()), "is a folder"));
  EXPECT_TRUE(Contains(message((folder / "never.txt").string()), "was not written"));
  EXPECT_TRUE(Contains(message(""), "expected the name of a file"));
  EXPECT_NO_THROW(sam::CheckOutput(path));
  EXPECT_THROW(sam::CheckOutput((folder / "missing/out.txt").string()), sam::Error);
}

TEST(CommandLine, AnEmptyNameIsRefused)
{
  const auto parse = [](sam::CommandLine & line) {
    TCLAP::UnlabeledValueArg<std::string> output("output", "The output.", true, "", "OUT", line.GetParser());
    TCLAP::ValueArg<std::string>          other("", "other", "Another.", false, "", "FILE", line.GetParser());
    line.Parse();
  };
  const auto outcome = Call({ "" }, parse);
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.error, "sam-test: output: '' is empty, expected a file or folder\n");
  EXPECT_EQ(Call({ "--other", "", "out.nrrd" }, parse).status, 0) << "3D Slicer passes options that are not filled in";
}

TEST(CommandLine, TextThatCannotBePrintedIsAnError)
{
  const auto print = [](sam::CommandLine & line) { line.Print("a table\n"); };
  EXPECT_EQ(Call({}, print).status, 0);
  std::cout.setstate(std::ios::badbit); // as on a full disk
  const auto outcome = Call({}, print);
  const auto help = Call({ "--help" }, [](sam::CommandLine & line) { line.Parse(); });
  std::cout.clear();
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.error, "sam-test: standard output cannot be written\n");
  EXPECT_EQ(help.status, 1);
}

TEST(CommandLine, AnInterruptionLeavesNothingBehind)
{
  const TemporaryFolder folder;
  const auto            outcome = Call({}, [&folder](sam::CommandLine &) {
    EXPECT_FALSE(sam::InterruptRequested());
    sam::WriteAtomically((folder / "out.txt").string(), [](const std::string & temporary) {
      WriteText(temporary, "whole");
      std::raise(SIGINT);
      EXPECT_TRUE(sam::InterruptRequested());
    });
    FAIL() << "the file must not be there";
  });
  EXPECT_EQ(outcome.status, 128 + SIGINT);
  EXPECT_EQ(outcome.error, "sam-test: interrupted\n");
  EXPECT_EQ(folder.CountEntries(), 0u);
  // The next program of this process starts afresh.
  EXPECT_EQ(Call({}, [](sam::CommandLine &) { sam::ThrowIfInterrupted(); }).status, 0);
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}
