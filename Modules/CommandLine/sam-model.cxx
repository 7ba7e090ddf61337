// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samColorTable.h"
#include "samCommandLine.h"
#include "samError.h"
#include "samImagePrototypeUse.h"
#include "samNetwork.h"
#include "samSteps.h"

#include <ATen/Parallel.h>

#include <nlohmann/json.hpp>

#include <iomanip>
#include <set>
#include <sstream>

namespace
{
template <typename TValues>
std::string
Join(const TValues & values, const std::string & separator)
{
  std::ostringstream text;
  for (size_t k = 0; k < values.size(); ++k)
  {
    text << (k == 0 ? "" : separator) << values[k];
  }
  return text.str();
}

/** Numbers of parameters by part of the network, then all of them; the types they are stored in. */
std::string
DescribeParameters(const sam::TensorFile & file)
{
  std::map<std::string, int64_t> parts;
  std::set<std::string>          types;
  int64_t                        all = 0;
  for (const auto & [name, tensor] : file.GetTensors())
  {
    int64_t count = 1;
    for (const int64_t extent : tensor.shape)
    {
      count *= extent;
    }
    parts[name.substr(0, name.find('.'))] += count;
    all += count;
    types.insert(c10::toString(tensor.type));
  }
  std::string text = std::to_string(all) + " in " + std::to_string(file.GetTensors().size()) + " tensors of " +
                     Join(std::vector<std::string>(types.begin(), types.end()), ", ");
  for (const auto & [part, count] : parts)
  {
    text += "\n" + part + " " + std::to_string(count);
  }
  return text;
}

std::string
DescribeEncoder(const sam::Plan & plan)
{
  std::string text = plan.encoder;
  if (plan.encoder == "tiny_vit")
  {
    text += ": widths " + Join(plan.stageWidths, ", ") + "; depths " + Join(plan.stageDepths, ", ") + "; heads " +
            Join(plan.stageHeads, ", ") + "; windows " + Join(plan.stageWindows, ", ");
  }
  else if (plan.encoder == "unet")
  {
    text += ": widths " + Join(plan.stageWidths, ", ") + ", finest features of " + std::to_string(plan.finestStride) +
            (plan.finestStride == 1 ? " voxel" : " voxels");
    return text + ", coarsest of " + std::to_string(plan.patch);
  }
  else
  {
    text += ": width " + std::to_string(plan.width) + ", depth " + std::to_string(plan.depth) + ", heads " +
            std::to_string(plan.heads) + ", windows of " + std::to_string(plan.attentionWindow) +
            " tokens, global blocks " + (plan.globalBlocks.empty() ? "none" : Join(plan.globalBlocks, ", "));
  }
  text += "\n" + std::to_string(plan.patch) + " voxels per token, grid of " + Join(plan.grid, " x ") +
          " tokens, neck " + std::to_string(plan.neck);
  if (plan.stem != "none")
  {
    text += "\nstem " + plan.stem + (plan.stemWidths.empty() ? "" : " of widths " + Join(plan.stemWidths, ", ")) +
            (plan.finestStride > 1 ? ", finest features of " + std::to_string(plan.finestStride) + " voxels" : "");
  }
  if (plan.positions != "both")
  {
    text += "\npositions " + plan.positions;
  }
  if (!plan.adaptation.empty())
  {
    text += "\nadaptation " + Join(plan.adaptation, ", ") +
            (plan.slices > 1 ? " for " + std::to_string(plan.slices) + " slices" : "");
  }
  return text;
}

std::string
DescribePrompts(const sam::Plan & plan)
{
  return plan.promptSource == "manual" ? "manual: points, boxes and masks that are given"
         : plan.promptSource == "none" ? "none"
         : plan.promptSource == "prototype"
           ? "prototype: a dense prompt from " + std::to_string(plan.prototypes) + " prototypes" +
               (plan.addressing == "cosine" ? ", addressed by cosines" : "")
           : plan.promptSource + ": " + std::to_string(plan.queries) + " queries";
}

std::string
DescribeDecoder(const sam::Plan & plan)
{
  if (plan.decoder == "unet")
  {
    return plan.decoder + ": the expanding path";
  }
  std::string text = plan.decoder + ": depth " + std::to_string(plan.decoderDepth) + ", heads " +
                     std::to_string(plan.decoderHeads) + ", MLP width " + std::to_string(plan.decoderMlpWidth);
  if (plan.promptSource == "manual")
  {
    text += ", " + std::to_string(plan.multimasks) + " masks of an ambiguous answer" +
            (plan.decoder == "hq" ? ", of which the best is taken, and one of high quality" : "");
  }
  text += plan.refinesMasks ? ", masks refined by fine features" : "";
  return text;
}

std::string
DescribePreprocessing(const sam::Plan & plan)
{
  const bool         isKept = plan.spacing == std::array<double, 3>{ { 0.0, 0.0, 0.0 } };
  std::ostringstream text;
  text << "fit " << plan.fit << ", orientation " << plan.orientation << ", spacing "
       << (isKept ? "kept" : Join(plan.spacing, " x ") + " mm")
       << (plan.promptSource == "manual" ? "" : ", interpolation " + plan.interpolation)
       << (plan.frame == "black" ? ", without the black frame" : "");
  for (const auto & channel : plan.channels)
  {
    text << "\nchannel " << channel.name << ": " << channel.normalization;
    if (channel.normalization == "clip")
    {
      text << " to " << channel.lower << " .. " << channel.upper;
    }
    if (channel.normalization == "clip" || channel.normalization == "display")
    {
      text << ", mean " << channel.mean << ", deviation " << channel.deviation;
    }
  }
  return text.str();
}

std::string
DescribeLabels(const sam::Plan & plan)
{
  std::string text;
  for (const auto & label : plan.labels)
  {
    text += (text.empty() ? "" : ", ") + std::to_string(label.value) + " " + label.name;
  }
  return text + (plan.nestsLabels ? "\nnested: each label contains those after it" : "");
}

std::string
DescribeProvenance(const sam::Plan & plan)
{
  std::string text;
  const auto  provenance = nlohmann::ordered_json::parse(plan.provenance);
  for (const auto & [key, value] : provenance.items())
  {
    text += (text.empty() ? "" : "\n") + key + ": " + (value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text.empty() ? "not stored in the file" : text;
}

/** A heading and what belongs to it, further lines below it. */
void
PrintEntry(const sam::CommandLine & line, const std::string & heading, const std::string & text)
{
  constexpr int      width = 16;
  std::istringstream rows(text);
  std::ostringstream output;
  bool               isFirst = true;
  for (std::string row; std::getline(rows, row); isFirst = false)
  {
    output << std::left << std::setw(width) << (isFirst ? heading : "") << row << '\n';
  }
  line.Print(output.str());
}

void
PrintInformation(const sam::CommandLine & line, const sam::ModelFile & model)
{
  const auto & plan = model.plan;
  PrintEntry(line, "file", model.tensors.GetPath());
  PrintEntry(line,
             "architecture",
             model.architecture + (model.isRecognized ? ", recognized by its tensors" : ", by the plan in the file"));
  PrintEntry(line, "encoder", DescribeEncoder(plan));
  PrintEntry(line, "prompts", DescribePrompts(plan));
  PrintEntry(line, "decoder", DescribeDecoder(plan));
  PrintEntry(line, "parameters", DescribeParameters(model.tensors));
  PrintEntry(line,
             "input",
             Join(plan.window, " x ") + " voxels, " + std::to_string(plan.channels.size()) +
               (plan.channels.size() == 1 ? " channel" : " channels"));
  PrintEntry(line, "preprocessing", DescribePreprocessing(plan));
  PrintEntry(line, "labels", DescribeLabels(plan));
  if (!plan.compatibility.empty())
  {
    PrintEntry(line, "compatibility", Join(plan.compatibility, ", "));
  }
  PrintEntry(line, "provenance", DescribeProvenance(plan));
}

/** The plan with what --change-plan says, which its provenance keeps. */
sam::Plan
ChangePlan(const sam::Plan & plan, const std::string & change)
{
  auto changed = plan.Changed(change, "--change-plan '" + change + "'");
  auto provenance = nlohmann::ordered_json::parse(changed.provenance);
  provenance["changes_of_plan"].push_back(nlohmann::ordered_json::parse(change));
  changed.provenance = provenance.dump();
  return changed;
}

at::ScalarType
GetType(const std::string & precision)
{
  return precision == "float16" ? at::kHalf : precision == "bfloat16" ? at::kBFloat16 : at::kFloat;
}
} // namespace

int
main(int argc, char * argv[])
{
  const std::string description =
    "Tells what is in a model file (info), checks all of it (verify), writes it as a .safetensors file of this "
    "software (convert), or writes the names and colors of its labels for ITK-SNAP or 3D Slicer (labels). Understands "
    "its own files and the published checkpoints of SAM, MedSAM, MobileSAM, HQ-SAM and "
    "DAPSAM, .pth, .pt or .safetensors; nothing in them is run.";
  return sam::RunProgram("sam-model", description, argc, argv, [](sam::CommandLine & line) {
    auto &                               parser = line.GetParser();
    std::vector<std::string>             actions{ "info", "verify", "convert", "labels" };
    std::vector<std::string>             preprocessings{ "sam", "medsam", "dapsam_prostate", "dapsam_fundus" };
    std::vector<std::string>             precisions{ "float32", "float16", "bfloat16" };
    TCLAP::ValuesConstraint<std::string> knownActions(actions);
    TCLAP::ValuesConstraint<std::string> knownPreprocessings(preprocessings);
    TCLAP::ValuesConstraint<std::string> knownPrecisions(precisions);
    TCLAP::ValueArg<std::string>         preprocessing(
      "",
      "preprocessing",
      "What was done to the images of a published checkpoint, whose tensors do not tell: sam or medsam; of DAPSAM "
              "dapsam_prostate or dapsam_fundus. Default: sam, or for one mask dapsam_prostate, else dapsam_fundus.",
      false,
      "",
      &knownPreprocessings,
      parser);
    TCLAP::ValueArg<std::string> precision("",
                                           "precision",
                                           "How convert stores the numbers; they are read back as float32. Default: "
                                           "float32.",
                                           false,
                                           "float32",
                                           &knownPrecisions,
                                           parser);
    TCLAP::ValueArg<std::string> change("",
                                        "change-plan",
                                        "JSON that convert merges into the model's plan (RFC 7386), such as "
                                        "{\"driver\": {\"overlap\": [0, 0, 0]}}, which "
                                        "is faster. The model's provenance keeps it. Default: none.",
                                        false,
                                        "",
                                        "JSON",
                                        parser);
    TCLAP::MultiArg<std::string> images(
      "",
      "image",
      "info of a model with prototypes (DAPSAM): measure how the slices of this image use them. Repeat for more.",
      false,
      "IMAGE",
      parser);
    line.AddQuiet();
    TCLAP::UnlabeledValueArg<std::string> action("action", "What to do.", true, "", &knownActions, parser);
    TCLAP::UnlabeledValueArg<std::string> input("input", "The model file.", true, "", "FILE", parser);
    TCLAP::UnlabeledValueArg<std::string> output(
      "output",
      "The file that is written: a model (.safetensors) by convert, a color table for ITK-SNAP (.txt) or 3D Slicer "
      "(.ctbl) by labels.",
      false,
      "",
      "OUT.safetensors|OUT.txt|OUT.ctbl",
      parser);
    line.Parse();

    const bool converts = action.getValue() == "convert";
    const bool listsLabels = action.getValue() == "labels";
    if ((converts || listsLabels) != output.isSet())
    {
      throw sam::Error(converts ? "convert: the file to write is missing, expected convert FILE OUT.safetensors"
                       : listsLabels
                         ? "labels: the file to write is missing, expected labels FILE OUT.txt or OUT.ctbl"
                         : action.getValue() + ": '" + output.getValue() + "' was found, expected one file");
    }
    if (!converts && (precision.isSet() || change.isSet()))
    {
      throw sam::Error(std::string(precision.isSet() ? "--precision" : "--change-plan") + ": is for convert alone");
    }
    if (action.getValue() != "info" && images.isSet())
    {
      throw sam::Error("--image: is for info alone");
    }
    if (converts)
    {
      const std::string ending = ".safetensors";
      const auto        path = output.getValue();
      if (path.size() <= ending.size() || path.compare(path.size() - ending.size(), ending.size(), ending) != 0)
      {
        throw sam::Error(path + ": expected a name that ends with " + ending);
      }
      sam::CheckOutputs({ input.getValue() }, {}, { path });
    }
    if (listsLabels)
    {
      sam::MakeColorTable({}, output.getValue());
      sam::CheckOutputs({ input.getValue() }, {}, { output.getValue() });
    }
    at::set_num_threads(1); // the file is what takes the time

    auto model = sam::OpenModel(input.getValue(), preprocessing.getValue());
    if (change.isSet())
    {
      model.plan = ChangePlan(model.plan, change.getValue());
    }
    if (action.getValue() == "info")
    {
      PrintInformation(line, model);
      if (images.isSet())
      {
        const auto network =
          itk::SamModel::FromNetwork(std::make_shared<const sam::Network>(model.plan, model.tensors), input.getValue());
        PrintEntry(line, "prototypes", sam::MeasurePrototypeUse(network, images.getValue()).Describe());
      }
    }
    else if (listsLabels)
    {
      sam::LabelTable table;
      for (const auto & label : model.plan.labels)
      {
        if (label.value != 0)
        {
          table.push_back({ static_cast<int>(label.value), label.name, label.color });
        }
      }
      sam::WriteAtomically(output.getValue(), [&](const std::string & temporary) {
        sam::WriteText(sam::MakeColorTable(table, output.getValue()), temporary);
      });
      line.Print(input.getValue() + " -> " + output.getValue() + "\n");
    }
    else if (action.getValue() == "verify")
    {
      sam::Network::Verify(model.plan, model.tensors);
      line.Print(input.getValue() + ": OK, " + model.architecture + ", " +
                 std::to_string(model.tensors.GetTensors().size()) + " tensors\n");
    }
    else
    {
      sam::WriteAtomically(output.getValue(), [&](const std::string & temporary) {
        sam::ConvertModel(model, temporary, GetType(precision.getValue()), [&](double fraction) {
          sam::ThrowIfInterrupted();
          line.ShowProgress(fraction, input.getValue());
        });
      });
      line.Print(input.getValue() + " -> " + output.getValue() + "\n");
    }
  });
}
