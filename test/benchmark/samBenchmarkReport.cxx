// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samBenchmarkReport.h"

#include "samError.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <fstream>
#include <functional>
#include <iomanip>
#include <set>
#include <sstream>

namespace sam
{
namespace
{
using Json = nlohmann::ordered_json;

bool
IsDecoder(const BenchmarkResult & result)
{
  return result.oneByOneSeconds > 0.0;
}

Json
Describe(const BenchmarkResult & result)
{
  const auto & setting = result.setting;
  Json         json{ { "benchmark", IsDecoder(result) ? "prompts" : "encoder" },
                     { "architecture", setting.architecture },
                     { "weights", setting.weights.empty() ? "random" : setting.weights },
                     { "precision", setting.precision },
                     { "device", setting.device },
                     { "size", setting.size },
                     { "slices", setting.slices },
                     { "threads", setting.threads },
                     { "repeats", setting.repeats },
                     { "seconds", result.seconds } };
  if (IsDecoder(result))
  {
    json["prompts"] = setting.prompts;
    json["one_by_one_seconds"] = result.oneByOneSeconds;
  }
  if (result.floorSeconds > 0.0)
  {
    json["floor_seconds"] = result.floorSeconds;
  }
  if (result.peakBytes >= 0)
  {
    json["peak_bytes"] = result.peakBytes;
  }
  json["weight_bytes"] = result.weightBytes;
  return json;
}

/** Points "x y" of the measurements that differ from the largest image in one setting alone. */
std::string
MakeCurve(const std::vector<BenchmarkResult> &                   results,
          const std::function<bool(const BenchmarkResult &)> &   isOn,
          const std::function<int64_t(const BenchmarkCase &)> &  x,
          const std::function<double(const BenchmarkResult &)> & y)
{
  std::ostringstream text;
  text.imbue(std::locale::classic());
  std::set<std::pair<int64_t, double>> points;
  for (const auto & result : results)
  {
    if (isOn(result))
    {
      points.emplace(x(result.setting), y(result));
    }
  }
  for (const auto & [place, value] : points)
  {
    text << place << ' ' << value << '\n';
  }
  return text.str() + "e\n";
}
} // namespace

std::string
ToJson(const BenchmarkResult & result)
{
  return Describe(result).dump(1) + "\n";
}

std::string
ToJson(const std::vector<BenchmarkResult> & results)
{
  Json list = Json::array();
  for (const auto & result : results)
  {
    list.push_back(Describe(result));
  }
  return list.dump(1) + "\n";
}

std::string
ToMarkdown(const std::vector<BenchmarkResult> & results)
{
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text << std::fixed
       << "| what | architecture | precision | size | slices | threads | prompts | seconds | floor | one by one | peak "
          "MiB |\n"
          "|---|---|---|---|---|---|---|---|---|---|---|\n";
  const auto seconds = [&text](double value) {
    if (value > 0.0)
    {
      text << std::setprecision(value < 1.0 ? 3 : 2) << value;
    }
    text << " | ";
  };
  for (const auto & result : results)
  {
    const auto & setting = result.setting;
    text << "| " << (IsDecoder(result) ? "prompts" : "encoder") << " | " << setting.architecture << " | "
         << setting.precision << " | " << setting.size << " | " << setting.slices << " | " << setting.threads << " | "
         << (IsDecoder(result) ? std::to_string(setting.prompts) : "") << " | ";
    seconds(result.seconds);
    seconds(result.floorSeconds);
    seconds(result.oneByOneSeconds);
    text << (result.peakBytes >= 0 ? std::to_string(result.peakBytes >> 20) : "") << " |\n";
  }
  return text.str();
}

void
WritePlot(const std::vector<BenchmarkResult> & results, const std::string & path)
{
  const bool    isVector = path.size() > 4 && path.compare(path.size() - 4, 4, ".svg") == 0;
  int           threads = 1;
  const int64_t sideSize = 512; // of the measurements with other slices and threads
  for (const auto & result : results)
  {
    threads = std::max(threads, result.setting.threads);
  }
  const auto isEncoder = [threads](const BenchmarkResult & r) {
    return !IsDecoder(r) && r.setting.slices == 1 && r.setting.threads == threads;
  };
  const auto seconds = [](const BenchmarkResult & r) { return r.seconds; };
  const auto floor = [](const BenchmarkResult & r) { return r.floorSeconds; };

  std::ostringstream script;
  script
    << "set terminal " << (isVector ? "svg size 1000,700" : "pngcairo size 1000,700") << "\nset output '" << path
    << "'\nset multiplot layout 2,2\nset style data linespoints\nset grid\nset key top left\n"
    << "set yrange [0:*]\nset offsets graph 0.05, graph 0.05, 0, 0\nset ylabel 'seconds'\n"
    << "set xlabel 'pixels per axis'\nset title 'encoder, one slice'\nplot '-' title 'encoder', '-' title 'floor'\n"
    << MakeCurve(
         results, isEncoder, [](const BenchmarkCase & c) { return c.size; }, seconds)
    << MakeCurve(
         results, isEncoder, [](const BenchmarkCase & c) { return c.size; }, floor)
    << "set xtics 1\nset xlabel 'slices'\nset title 'encoder, " << sideSize << " pixels'\nplot '-' title 'encoder'\n"
    << MakeCurve(
         results,
         [=](const BenchmarkResult & r) {
           return !IsDecoder(r) && r.setting.size == sideSize && r.setting.threads == threads;
         },
         [](const BenchmarkCase & c) { return c.slices; },
         seconds)
    << "set xlabel 'threads'\nplot '-' title 'encoder'\n"
    << MakeCurve(
         results,
         [=](const BenchmarkResult & r) {
           return !IsDecoder(r) && r.setting.size == sideSize && r.setting.slices == 1;
         },
         [](const BenchmarkCase & c) { return int64_t{ c.threads }; },
         seconds)
    << "set xtics autofreq\nset xlabel 'prompts'\nset title 'decoder, one embedding'\n"
    << "plot '-' title 'together', '-' title 'one by one'\n"
    << MakeCurve(
         results, IsDecoder, [](const BenchmarkCase & c) { return c.prompts; }, seconds)
    << MakeCurve(
         results,
         IsDecoder,
         [](const BenchmarkCase & c) { return c.prompts; },
         [](const BenchmarkResult & r) { return r.oneByOneSeconds; })
    << "unset multiplot\n";

#ifdef _WIN32
  FILE * const pipe = _popen("gnuplot", "w");
#else
  FILE * const pipe = popen("gnuplot", "w");
#endif
  const std::string text = script.str();
  const bool        isSent = pipe != nullptr && std::fwrite(text.data(), 1, text.size(), pipe) == text.size();
#ifdef _WIN32
  const int status = pipe != nullptr ? _pclose(pipe) : -1;
#else
  const int status = pipe != nullptr ? pclose(pipe) : -1;
#endif
  if (!isSent || status != 0)
  {
    throw Error(path + ": gnuplot could not draw it; is gnuplot installed (Debian: gnuplot-nox)?");
  }
}

void
WriteText(const std::string & path, const std::string & text)
{
  std::ofstream stream(path);
  stream << text;
  if (!stream.flush())
  {
    throw Error(path + ": cannot be written");
  }
}
} // namespace sam
