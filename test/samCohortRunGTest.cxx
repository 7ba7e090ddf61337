// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCohortRun.h"
#include "samTestProgram.h"

#include "itkSamTestModel.h"

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <set>

using namespace sam::test;

namespace
{
using Volume = itk::Image<short, 3>;
using Labels = itk::Image<unsigned char, 3>;
using Models = std::vector<itk::SamModel::ConstPointer>;

/** Four copies of a volume, and models that label it differently. */
class SamCohortRun : public testing::Test
{
protected:
  SamCohortRun()
  {
    const auto volume = MakeImage<Volume>({ 20, 18, 6 }, { 0.9, 1.1, 1.3 }, { -11.3, 4.7, 21.9 });
    for (itk::ImageRegionIteratorWithIndex<Volume> it(volume, volume->GetBufferedRegion()); !it.IsAtEnd(); ++it)
    {
      it.Set(static_cast<short>((37 * it.GetIndex()[0] + 11 * it.GetIndex()[1] * it.GetIndex()[2]) % 101));
    }
    for (const std::string name : { "a", "b", "c", "d" })
    {
      Write(volume.GetPointer(), folder / (name + ".mha"));
      sam::SegmentationJob job;
      job.image = (folder / (name + ".mha")).string();
      job.output = (folder / (name + ".nrrd")).string();
      jobs.push_back(job);
    }
    for (const uint64_t seed : { 10, 5 })
    {
      itk::SamTestModelOptions options;
      options.isSharp = true;
      options.seed = seed;
      ofDevices.push_back({ itk::MakeSamTestModel(options).GetPointer() });
    }
  }

  /** Messages on standard error go to \c output. */
  sam::CohortOutcome
  Run(const std::vector<Models> & devices, const std::function<bool(const sam::SegmentationJob &)> & isSkipped)
  {
    sam::CohortOutcome outcome;
    std::string        program = "sam-test";
    char *             arguments[] = { program.data() };
    testing::internal::CaptureStderr();
    sam::RunProgram("sam-test", "Tests the tests.", 1, arguments, [&](sam::CommandLine & line) {
      line.AddQuiet();
      line.Parse();
      sam::CohortReport report("", devices.front(), {});
      outcome = sam::SegmentCohort(line, devices, jobs, isSkipped, report);
    });
    output = testing::internal::GetCapturedStderr();
    return outcome;
  }

  std::vector<unsigned char>
  GetLabels(const sam::SegmentationJob & job)
  {
    return ReadPixels<Labels>(job.output);
  }

  TemporaryFolder                   folder;
  std::vector<sam::SegmentationJob> jobs;
  std::vector<Models>               ofDevices;
  std::string                       output;
};
} // namespace

TEST_F(SamCohortRun, EachDeviceTakesTheNextCase)
{
  const auto                              never = [](const sam::SegmentationJob &) { return false; };
  std::vector<std::vector<unsigned char>> expected;
  for (const auto & models : ofDevices)
  {
    const auto outcome = this->Run({ models }, never);
    EXPECT_EQ(outcome.failed, 0u) << output;
    EXPECT_GT(outcome.peak.first, 0u);
    EXPECT_EQ(this->GetLabels(jobs.front()), this->GetLabels(jobs.back())) << "the same image";
    expected.push_back(this->GetLabels(jobs.front()));
  }
  ASSERT_NE(expected[0], expected[1]);

  // The first case of one device is not begun before that of the other.
  std::mutex              mutex;
  std::condition_variable changed;
  int                     begun = 0;
  const auto              waits = [&](const sam::SegmentationJob &) {
    std::unique_lock lock(mutex);
    ++begun;
    changed.notify_all();
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::minutes(1), [&] { return begun >= 2; }));
    return false;
  };
  const auto outcome = this->Run(ofDevices, waits);
  EXPECT_EQ(outcome.failed, 0u) << output;
  EXPECT_EQ(outcome.peak.first, 0u) << "memory is counted by program";
  EXPECT_EQ(begun, 4) << "each case once";
  std::set<size_t> devices;
  for (const auto & job : jobs)
  {
    const auto labels = this->GetLabels(job);
    ASSERT_TRUE(labels == expected[0] || labels == expected[1]) << job.output;
    devices.insert(labels == expected[0] ? 0 : 1);
  }
  EXPECT_EQ(devices.size(), 2u);
}

TEST_F(SamCohortRun, ABrokenCaseIsAWarning)
{
  std::filesystem::resize_file(jobs[1].image, 100);
  const auto outcome =
    this->Run(ofDevices, [&](const sam::SegmentationJob & job) { return job.image == jobs[3].image; });
  EXPECT_EQ(outcome.failed, 1u);
  EXPECT_NE(output.find("sam-test: warning: " + jobs[1].image), std::string::npos) << output;
  for (const size_t k : { 0, 1, 2, 3 })
  {
    EXPECT_EQ(std::filesystem::exists(jobs[k].output), k == 0 || k == 2) << k;
  }
}
