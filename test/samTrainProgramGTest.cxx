// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samRandomStream.h"
#include "samSafetensors.h"
#include "samTrainingTestData.h"

#ifndef _WIN32
#  include <chrono>
#  include <csignal>
#  include <cstdlib>
#  include <fcntl.h>
#  include <sys/resource.h>
#  include <sys/wait.h>
#  include <thread>
#  include <unistd.h>

namespace
{
namespace fs = std::filesystem;
using sam::test::ReadFile;
using Environment = std::vector<std::pair<std::string, std::string>>;

class SamTrainProgram : public testing::Test
{
protected:
  /** Start sam-train; both streams go to \a output.txt. Files may become \a fileSize bytes large. Answers the process.
   */
  pid_t
  Start(const std::string &      output,
        std::vector<std::string> arguments,
        const Environment &      environment = {},
        rlim_t                   fileSize = RLIM_INFINITY) const
  {
    const std::string program = SEGMENTANYTHING_PROGRAMS "/sam-train";
    const std::string log = (m_Data.folder / (output + ".txt")).string();
    for (const auto & argument : { std::string("--dataset"),
                                   (m_Data.folder / "data").string(),
                                   std::string("--plan"),
                                   (m_Data.folder / "plan.json").string(),
                                   std::string("--threads"),
                                   std::string("1"),
                                   std::string("--device"),
                                   std::string("cpu"),
                                   std::string("--validation-interval"),
                                   std::string("10") })
    {
      arguments.push_back(argument);
    }
    arguments.insert(arguments.begin(), program);
    std::vector<char *> pointers;
    for (auto & argument : arguments)
    {
      pointers.push_back(argument.data());
    }
    pointers.push_back(nullptr);
    const pid_t process = fork();
    if (process == 0)
    {
      setenv("OMP_NUM_THREADS", "1", 1);
      std::signal(SIGXFSZ, SIG_DFL);
      rlimit limit{};
      getrlimit(RLIMIT_FSIZE, &limit);
      limit.rlim_cur = std::min(fileSize, limit.rlim_max);
      setrlimit(RLIMIT_FSIZE, &limit);
      for (const auto & [name, value] : environment)
      {
        setenv(name.c_str(), value.c_str(), 1);
      }
      const int file = open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
      dup2(file, STDOUT_FILENO);
      dup2(file, STDERR_FILENO);
      execv(program.c_str(), pointers.data());
      _exit(127);
    }
    return process;
  }

  static bool
  EndsWell(pid_t process)
  {
    int status = 0;
    waitpid(process, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

  std::string
  Folder(const std::string & name) const
  {
    return (m_Data.folder / name).string();
  }

  std::string
  Said(const std::string & output) const
  {
    return ReadFile(m_Data.folder / (output + ".txt"));
  }

  std::map<std::string, at::Tensor>
  StateOf(const std::string & output) const
  {
    return sam::ReadSafetensors((m_Data.folder / output / "resume.safetensors").string()).tensors;
  }

  sam::test::TrainingTestData m_Data{ 6 };
};
} // namespace

TEST_F(SamTrainProgram, KilledAtAnyMomentEndsWithTheSameWeights)
{
  const std::vector<std::string> recipe{ "--epochs", "1", "--seed", "3", "--cache", Folder("cache") };
  auto                           arguments = recipe;
  arguments.insert(arguments.end(), { "--output", Folder("whole") });
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(EndsWell(Start("whole", arguments))) << Said("whole");
  const auto duration =
    std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count();

  arguments = recipe;
  arguments.insert(arguments.end(), { "--output", Folder("killed"), "--resume", "--save-interval", "0" });
  sam::RandomStream random(static_cast<uint64_t>(getpid()));
  int               kills = 0;
  bool              isDone = false;
  for (int k = 0; k < 4 && !isDone; ++k)
  {
    const pid_t process = Start("killed", arguments);
    const auto  wait = random.Integer(duration / 10, duration * 6 / 10);
    std::this_thread::sleep_for(std::chrono::milliseconds(wait));
    kill(process, SIGKILL);
    int status = 0;
    waitpid(process, &status, 0);
    isDone = WIFEXITED(status);
    kills += isDone ? 0 : 1;
  }
  EXPECT_GT(kills, 0);
  ASSERT_TRUE(EndsWell(Start("killed", arguments))) << Said("killed");
  const auto whole = StateOf("whole");
  const auto killed = StateOf("killed");
  ASSERT_EQ(whole.size(), killed.size());
  for (const auto & [name, tensor] : whole)
  {
    EXPECT_TRUE(tensor.equal(killed.at(name))) << name << ", seed of the moments " << getpid();
  }
  EXPECT_TRUE(fs::exists(m_Data.folder / "killed" / "model.safetensors"));
}

TEST_F(SamTrainProgram, OptimizerIsAsTold)
{
  const auto start = [this](const std::string & output, const std::vector<std::string> & more) {
    std::vector<std::string> arguments{ "--steps", "2", "--cache", Folder("cache"), "--output", Folder(output) };
    arguments.insert(arguments.end(), more.begin(), more.end());
    return EndsWell(Start(output, arguments));
  };
  // Almost no gradient: weights change by their decay alone. The average that forgets everything is the weights.
  ASSERT_TRUE(start("plain", { "--averaging-decay", "0", "--weight-decay", "0", "--learning-rate", "1e-30" }));
  ASSERT_TRUE(start("decayed", { "--averaging-decay", "0", "--weight-decay", "1e29", "--learning-rate", "1e-30" }));
  const std::string name = "image_encoder.blocks.0.mlp.lin1.weight";
  const auto        plain = StateOf("plain");
  const auto        decayed = StateOf("decayed");
  EXPECT_TRUE(decayed.at("weight/" + name).equal(decayed.at("average/" + name)));
  const auto ratio =
    decayed.at("weight/" + name).norm().item<double>() / plain.at("weight/" + name).norm().item<double>();
  EXPECT_LT(ratio, 0.999) << "weights fall by the learning rate times the decay";
  EXPECT_GT(ratio, 0.5);
  for (const auto & [option, value] : { std::pair{ "--gradient-norm", "0" },
                                        std::pair{ "--averaging-decay", "1" },
                                        std::pair{ "--weight-decay=-1", "" } })
  {
    const std::string output = std::string("bad") + option;
    auto              arguments = std::vector<std::string>{ option };
    if (*value != '\0')
    {
      arguments.emplace_back(value);
    }
    EXPECT_FALSE(start(output, arguments)) << option;
    EXPECT_NE(Said(output).find("expected"), std::string::npos) << Said(output);
    EXPECT_FALSE(std::filesystem::exists(m_Data.folder / output / "resume.safetensors"));
  }
}

TEST_F(SamTrainProgram, TwoProcessesTrainAsOneWithTheDoubledBatch)
{
  // Losses at fewer random points than a slice has pixels: with others they differ by 2e-4.
  const std::vector<std::string> recipe{ "--epochs",        "2",
                                         "--learning-rate", "0.001",
                                         "--change-plan",   R"({"training": {"loss_points": 64}})",
                                         "--fold",          "0/2" };
  auto                           arguments = recipe;
  arguments.insert(arguments.end(), { "--output", Folder("one"), "--batch", "2" });
  ASSERT_TRUE(EndsWell(Start("one", arguments))) << Said("one");

  arguments = recipe;
  arguments.insert(arguments.end(), { "--output", Folder("two"), "--batch", "1" });
  const std::string port = std::to_string(20000 + (getpid() + 10000) % 20000);
  const auto        place = [&port](const char * rank) {
    return Environment{
             { "RANK", rank }, { "WORLD_SIZE", "2" }, { "MASTER_ADDR", "127.0.0.1" }, { "MASTER_PORT", port }
    };
  };
  const pid_t first = Start("two", arguments, place("0"));
  const pid_t second = Start("two", arguments, place("1"));
  const bool  isFirstWell = EndsWell(first);
  ASSERT_TRUE(EndsWell(second) && isFirstWell) << Said("two");
  const auto said = Said("two");
  const auto last = said.find("best validation Dice");
  EXPECT_NE(last, std::string::npos) << said;
  EXPECT_EQ(said.find("best validation Dice", last + 1), std::string::npos) << "one of them tells: " << said;

  const auto losses = [this](const std::string & run) {
    std::istringstream  log(ReadFile(m_Data.folder / run / "log.csv"));
    std::vector<double> result;
    std::string         line;
    std::getline(log, line);
    while (std::getline(log, line))
    {
      std::istringstream fields(line);
      std::string        field;
      for (int k = 0; k < 5; ++k)
      {
        std::getline(fields, field, ',');
      }
      result.push_back(std::stod(field));
    }
    return result;
  };
  const auto one = losses("one");
  const auto two = losses("two");
  ASSERT_EQ(one.size(), 2u);
  ASSERT_EQ(two.size(), 2u);
  const auto report = ReadFile(m_Data.folder / "two" / "report.html");
  EXPECT_NE(report.find("ball_"), std::string::npos);
  int figures = 0;
  for (auto found = report.find("<figure>"); found != std::string::npos; found = report.find("<figure>", found + 1))
  {
    ++figures;
  }
  EXPECT_EQ(figures, 3) << "the worst cases of all processes";
  EXPECT_NEAR(two[0], one[0], 3e-5 * one[0]);
  EXPECT_NEAR(two[1], one[1], 1e-4 * one[1]);
}

TEST_F(SamTrainProgram, SignalsEndIt)
{
  const std::vector<std::string> arguments{ "--output", Folder("run"), "--epochs", "10000", "--resume" };
  const auto                     stop = [this](const std::string & log, const std::vector<std::string> & words) {
    const pid_t process = Start(log, words);
    for (int k = 0; k < 600 && Said(log).find("of them prepared now") == std::string::npos; ++k)
    {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    kill(process, SIGTERM);
    int status = 0;
    waitpid(process, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  EXPECT_EQ(stop("run", arguments), 128 + SIGTERM) << Said("run");
  EXPECT_NE(Said("run").find("stopped in epoch"), std::string::npos) << Said("run");
  EXPECT_TRUE(fs::exists(m_Data.folder / "run" / "resume.safetensors"));
  // The options of the first call may be given again, others not.
  auto other = arguments;
  other.insert(other.end(), { "--batch", "2" });
  EXPECT_EQ(stop("again", other), 128 + SIGTERM) << Said("again");
  other.insert(other.end(), { "--fold", "1/5" });
  EXPECT_FALSE(EndsWell(Start("other", other)));
  EXPECT_EQ(Said("other"),
            "sam-train: " + Folder("run") +
              "/resume.safetensors: --fold is 1/5, this run began with none, expected the " + "same or no --fold\n");
}

TEST_F(SamTrainProgram, FilesThatBecomeTooLargeAreAnError)
{
  EXPECT_FALSE(EndsWell(Start("run", { "--output", Folder("run"), "--steps", "1", "--cache", "none" }, {}, 8192)));
  const auto said = Said("run");
  EXPECT_NE(said.find("\nsam-train: " + Folder("run")), std::string::npos) << said;
  EXPECT_NE(said.find("cannot be written (File too large)\n"), std::string::npos) << said;
  for (const auto & entry : fs::directory_iterator(m_Data.folder / "run"))
  {
    EXPECT_EQ(entry.path().string().find(".part"), std::string::npos) << entry.path();
  }
}

TEST_F(SamTrainProgram, MistakesEndWithOneLine)
{
  const auto said = [this](const std::string & name, std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), { "--output", Folder(name) });
    EXPECT_FALSE(EndsWell(Start(name, arguments)));
    return Said(name);
  };
  EXPECT_EQ(said("minutes", { "--max-minutes", "0" }), "sam-train: --max-minutes: 0, expected more than 0\n");
  EXPECT_EQ(said("fold", { "--fold", "1" }), "sam-train: --fold '1', expected K/N without --split, such as 0/5\n");
  EXPECT_EQ(said("window", { "--window", "64,64" }),
            "sam-train: --window '64,64', expected three sizes, such as 256,256,8\n");
  EXPECT_EQ(said("precision", { "--precision", "int8" }),
            "sam-train: precision 'int8' is not known, expected float32 or bfloat16\n");
}
#endif
