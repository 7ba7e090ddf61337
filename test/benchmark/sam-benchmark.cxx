// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samBenchmark.h"
#include "samBenchmarkReport.h"
#include "samCommandLine.h"
#include "samError.h"

#include <ATen/Parallel.h>

#include <thread>

namespace
{
/** The encoder against image size, slices and threads, the decoder against prompts: one change at a time. */
std::vector<sam::BenchmarkResult>
MeasureAll(const sam::BenchmarkCase & given, sam::CommandLine & line)
{
  const auto                        checkpoint = [] { sam::ThrowIfInterrupted(); };
  std::vector<sam::BenchmarkResult> results;
  std::vector<sam::BenchmarkCase>   encoders;
  for (const int64_t size : { 256, 512, 768, 1024 })
  {
    auto setting = given;
    setting.size = size;
    encoders.push_back(setting);
  }
  for (const int64_t slices : { 2, 4 })
  {
    auto setting = given;
    setting.size = 512;
    setting.slices = slices;
    encoders.push_back(setting);
  }
  for (int threads = 1; threads <= given.threads; threads *= 2)
  {
    auto setting = given;
    setting.size = 512;
    setting.threads = threads;
    if (threads != given.threads)
    {
      encoders.push_back(setting);
    }
  }
  double done = 0.0;
  for (const auto & setting : encoders)
  {
    line.ShowProgress(done++ / static_cast<double>(encoders.size() + 4), "encoder");
    results.push_back(sam::MeasureEncoder(*sam::MakeBenchmarkNetwork(setting), setting, checkpoint));
  }
  const auto network = sam::MakeBenchmarkNetwork(given);
  for (const int64_t prompts : { 1, 4, 16, 64 })
  {
    line.ShowProgress(done++ / static_cast<double>(encoders.size() + 4), "prompts");
    auto setting = given;
    setting.prompts = prompts;
    results.push_back(sam::MeasurePrompts(*network, setting, checkpoint));
  }
  return results;
}
} // namespace

int
main(int argc, char * argv[])
{
  const std::string description =
    "Measures seconds and memory of SAM's encoder ('encoder'), of its decoder for many prompts on one embedding "
    "('prompts'), or of both against image size, slices, threads and prompts ('all'). Seconds are the smallest of the "
    "repeats. The encoder's floor, measured in the same run, is the time of its linear layers and of fused attention "
    "without position terms, by LibTorch's own functions.";
  return sam::RunProgram("sam-benchmark", description, argc, argv, [](sam::CommandLine & line) {
    auto &                                parser = line.GetParser();
    const sam::BenchmarkCase              standard;
    TCLAP::UnlabeledValueArg<std::string> what("what", "encoder, prompts or all.", true, "", "WHAT", parser);
    TCLAP::ValueArg<std::string>          architecture("",
                                              "architecture",
                                              "vit_b, vit_l, vit_h or tiny_vit. Default: vit_b.",
                                              false,
                                              standard.architecture,
                                              "NAME",
                                              parser);
    TCLAP::ValueArg<std::string>          weights(
      "", "weights", "A model file or a published checkpoint. Default: random weights.", false, "", "FILE", parser);
    TCLAP::ValueArg<int> size("",
                              "size",
                              "Pixels of a slice along both axes. Default: 1024.",
                              false,
                              static_cast<int>(standard.size),
                              "N",
                              parser);
    TCLAP::ValueArg<int> slices("", "slices", "Slices encoded in one call. Default: 1.", false, 1, "N", parser);
    TCLAP::ValueArg<int> prompts(
      "", "prompts", "Prompts on one embedding. Default: 64.", false, static_cast<int>(standard.prompts), "N", parser);
    TCLAP::ValueArg<int>         repeats("", "repeats", "Runs, the fastest counts. Default: 3.", false, 3, "N", parser);
    TCLAP::ValueArg<std::string> json("", "json", "Where the figures go, as JSON.", false, "", "FILE.json", parser);
    TCLAP::ValueArg<std::string> table("", "table", "Where they go as a Markdown table.", false, "", "FILE.md", parser);
    TCLAP::ValueArg<std::string> plot(
      "", "plot", "Where a plot of 'all' goes; gnuplot draws it.", false, "", "FILE.png|FILE.svg", parser);
    line.AddDevice();
    line.AddPrecision();
    line.AddThreads();
    line.AddQuiet();
    line.Parse();

    sam::BenchmarkCase setting;
    setting.architecture = architecture.getValue();
    setting.weights = weights.getValue();
    setting.precision = line.GetPrecision();
    setting.device = line.GetDevice();
    const auto positive = [](const TCLAP::ValueArg<int> & option, int most) {
      if (option.getValue() < 1 || option.getValue() > most)
      {
        throw sam::Error("--" + option.getName() + ": " + std::to_string(option.getValue()) + ", expected 1 to " +
                         std::to_string(most));
      }
      return option.getValue();
    };
    setting.size = positive(size, 16384);
    setting.slices = positive(slices, 4096);
    setting.prompts = positive(prompts, 65536);
    setting.repeats = positive(repeats, 1000);
    setting.threads = line.GetThreads() > 0 ? static_cast<int>(line.GetThreads())
                                            : static_cast<int>(std::thread::hardware_concurrency());
    for (const auto & path : { json.getValue(), table.getValue(), plot.getValue() })
    {
      if (!path.empty())
      {
        sam::CheckOutput(path);
      }
    }
    at::set_num_threads(setting.threads);

    const auto                        checkpoint = [] { sam::ThrowIfInterrupted(); };
    std::vector<sam::BenchmarkResult> results;
    if (what.getValue() == "encoder")
    {
      results.push_back(sam::MeasureEncoder(*sam::MakeBenchmarkNetwork(setting), setting, checkpoint));
    }
    else if (what.getValue() == "prompts")
    {
      results.push_back(sam::MeasurePrompts(*sam::MakeBenchmarkNetwork(setting), setting, checkpoint));
    }
    else if (what.getValue() == "all")
    {
      results = MeasureAll(setting, line);
    }
    else
    {
      throw sam::Error("'" + what.getValue() + "', expected encoder, prompts or all");
    }
    if (!plot.getValue().empty() && what.getValue() != "all")
    {
      throw sam::Error("--plot: there is a curve only of 'all', not of '" + what.getValue() + "'");
    }
    line.Print(sam::ToMarkdown(results));
    const auto write = [](const std::string & path, const std::string & text) {
      if (!path.empty())
      {
        sam::WriteAtomically(path, [&](const std::string & temporary) { sam::WriteText(temporary, text); });
      }
    };
    write(json.getValue(), what.getValue() == "all" ? sam::ToJson(results) : sam::ToJson(results.front()));
    write(table.getValue(), sam::ToMarkdown(results));
    if (!plot.getValue().empty())
    {
      sam::WriteAtomically(plot.getValue(), [&](const std::string & temporary) { sam::WritePlot(results, temporary); });
    }
  });
}
