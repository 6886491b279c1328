#include "inference/onnx_model.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "base/limits.h"
#include "inference/onnx_library.h"
#include "tree_builder.h"

namespace corbel::inference {
namespace {

std::optional<DataType> dataType(ONNXTensorElementDataType type) {
  switch (type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
      return DataType::float32;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE:
      return DataType::float64;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
      return DataType::int64;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32:
      return DataType::int32;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
      return DataType::uint8;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL:
      return DataType::boolean;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING:
      return DataType::text;
    default:
      return std::nullopt;
  }
}

constexpr std::array kOrtTypes = {
    ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING};

// The tensor's own memory where the runtime can read it; texts are copied.
Ort::Value toOrt(const Tensor& tensor, const Ort::MemoryInfo& memory, OrtAllocator* allocator) {
  if (const auto* texts = std::get_if<std::vector<std::string>>(&tensor.values)) {
    auto value = Ort::Value::CreateTensor(allocator, tensor.shape.data(), tensor.shape.size(),
                                          ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING);
    std::vector<const char*> pointers;
    for (const std::string& text : *texts) pointers.push_back(text.c_str());
    value.FillStringTensor(pointers.data(), pointers.size());
    return value;
  }
  return std::visit(
      [&](const auto& values) {
        // The runtime only reads inputs; its interface lacks the const.
        void* data = const_cast<void*>(static_cast<const void*>(values.data()));
        return Ort::Value::CreateTensor(memory, data, values.size() * sizeof(values[0]),
                                        tensor.shape.data(), tensor.shape.size(),
                                        kOrtTypes[tensor.values.index()]);
      },
      tensor.values);
}

Tensor fromOrt(const Ort::Value& value) {
  const auto info = value.GetTensorTypeAndShapeInfo();
  const auto type = dataType(info.GetElementType());
  Tensor tensor = Tensor::of(type.value_or(DataType::float32), info.GetShape());
  if (auto* texts = std::get_if<std::vector<std::string>>(&tensor.values)) {
    for (std::size_t i = 0; i < texts->size(); ++i) (*texts)[i] = value.GetStringTensorElement(i);
    return tensor;
  }
  std::visit(
      [&]<class Element>(std::vector<Element>& values) {
        if constexpr (std::is_trivially_copyable_v<Element>) {
          if (!values.empty())
            std::memcpy(values.data(), value.GetTensorRawData(), values.size() * sizeof(Element));
        }
      },
      tensor.values);
  return tensor;
}

// A ZipMap output: a sequence of {label: probability}. As a tensor [rows, labels], the labels in
// order.
struct ZipMap {
  Tensor probabilities;
  std::vector<std::string> labels;
};

std::vector<std::string> keysOf(const Ort::Value& keys) {
  const Tensor tensor = fromOrt(keys);
  if (const auto* texts = std::get_if<std::vector<std::string>>(&tensor.values)) return *texts;
  std::vector<std::string> labels;
  if (const auto* numbers = std::get_if<std::vector<std::int64_t>>(&tensor.values)) {
    for (const std::int64_t number : *numbers) labels.push_back(std::to_string(number));
  }
  return labels;
}

// internal: the rows differ, or are no floats; what they claim decides how much of them is read
// later.
Result<ZipMap> unzip(const Ort::Value& sequence) {
  Ort::AllocatorWithDefaultOptions allocator;
  ZipMap result;
  std::vector<float> all;
  const std::size_t rows = sequence.GetCount();
  for (std::size_t row = 0; row < rows; ++row) {
    const Ort::Value map = sequence.GetValue(static_cast<int>(row), allocator);
    auto labels = keysOf(map.GetValue(0, allocator));
    if (row == 0) result.labels = std::move(labels);
    const Tensor values = fromOrt(map.GetValue(1, allocator));
    const auto* floats = std::get_if<std::vector<float>>(&values.values);
    if (floats == nullptr || floats->size() != result.labels.size()) {
      return fail(ErrorCode::internal, "the model failed on this input",
                  "rows of its map output differ");
    }
    all.insert(all.end(), floats->begin(), floats->end());
  }
  const auto classes = static_cast<std::int64_t>(result.labels.size());
  result.probabilities = Tensor{{static_cast<std::int64_t>(rows), classes}, std::move(all)};
  return result;
}

// The runtime's own words name its source files; of them only the operator that it does not know is
// for the client.
std::string whyNotOpened(std::string_view text) {
  const auto end = text.find(" is not a registered function/op");
  if (end == std::string_view::npos) return "ONNX Runtime cannot open this graph";
  const auto known = text.substr(0, end);
  return "ONNX Runtime does not know the operator " + excerpt(known.substr(known.rfind(' ') + 1));
}

std::unexpected<Error> refused(const std::string& message) {
  return fail(ErrorCode::unprocessable, "ONNX graph: " + message);
}

// A row that takes no longer costs less than handing it to another thread and back.
constexpr std::chrono::microseconds kQuick{50};
// Graphs can take longer for some rows than for others. One that has kept a caller waiting like
// this is quick no more, and no row of a quick graph may take longer than kPatience: others wait
// for the thread.
constexpr std::chrono::milliseconds kNotQuick{20};
constexpr std::chrono::milliseconds kPatience{500};

class OnnxModel final : public Model {
 public:
  OnnxModel(std::shared_ptr<OnnxRuntime> runtime, std::span<const std::byte> file)
      : runtime_(std::move(runtime)),
        session_(makeSession(*runtime_, file)),
        fileBytes_(file.size()) {}

  // Reads names, types and shapes, and runs one neutral row to learn what the graph really returns.
  Result<void> inspect(Deadline deadline);

  const Signature& signature() const override { return signature_; }
  Result<Tensors> run(const Tensors& inputs, Deadline deadline) const override;
  Result<Explanation> explain(const Tensors& inputs, std::size_t output,
                              Deadline deadline) const override;
  std::size_t memoryBytes() const override { return 2 * fileBytes_; }
  bool isQuick() const override { return quick_; }

 private:
  static Ort::Session makeSession(const OnnxRuntime& runtime, std::span<const std::byte> file);
  Result<void> inspectInputs();
  Result<void> inspectOutputs();
  void findClassifier(Deadline deadline);
  void findOutHowQuick(Deadline deadline);
  Result<Tensors> runWithin(const Tensors& inputs, Deadline deadline) const;
  Result<void> readOutput(std::size_t index, const Ort::Value& value);
  Result<void> check(const Tensors& inputs) const;
  Tensors neutralRow() const;
  // `read` turns the outputs into what is wanted while exceptions of the library are still caught.
  template <class Read>
  auto runSession(const Tensors& inputs, Deadline deadline, Read&& read) const
      -> std::invoke_result_t<Read&, const std::vector<Ort::Value>&>;

  std::shared_ptr<OnnxRuntime> runtime_;
  mutable Ort::Session session_;
  std::size_t fileBytes_;
  Signature signature_;
  std::vector<const char*> inputNames_;
  std::vector<const char*> outputNames_;
  std::vector<bool> isZipMap_;
  mutable std::atomic<bool> quick_ = false;
};

Ort::Session OnnxModel::makeSession(const OnnxRuntime& runtime, std::span<const std::byte> file) {
  Ort::SessionOptions options;
  options.DisablePerSessionThreads();
  options.SetExecutionMode(ORT_SEQUENTIAL);
  options.SetGraphOptimizationLevel(ORT_ENABLE_ALL);
  options.AddConfigEntry("session.intra_op.allow_spinning", "0");
  options.AddConfigEntry("session.use_env_allocators", "1");
  return {runtime.env(), file.data(), file.size(), options};
}

Result<void> OnnxModel::inspect(Deadline deadline) {
  signature_.engine = "onnxruntime";
  signature_.format = "onnx";
  CORBEL_CHECK(inspectInputs());
  CORBEL_CHECK(inspectOutputs());
  for (const TensorSpec& spec : signature_.inputs) inputNames_.push_back(spec.name.c_str());
  for (const TensorSpec& spec : signature_.outputs) outputNames_.push_back(spec.name.c_str());
  findClassifier(deadline);
  findOutHowQuick(deadline);
  return {};
}

Result<void> OnnxModel::inspectInputs() {
  Ort::AllocatorWithDefaultOptions allocator;
  for (std::size_t i = 0; i < session_.GetInputCount(); ++i) {
    const std::string inputName = session_.GetInputNameAllocated(i, allocator).get();
    const auto info = session_.GetInputTypeInfo(i);
    if (info.GetONNXType() != ONNX_TYPE_TENSOR)
      return refused("input '" + inputName + "' is not a tensor");
    const auto tensor = info.GetTensorTypeAndShapeInfo();
    const auto type = dataType(tensor.GetElementType());
    if (!type) return refused("input '" + inputName + "' has an element type that is not served");
    signature_.inputs.push_back({inputName, *type, tensor.GetShape()});
  }
  return {};
}

Result<void> OnnxModel::inspectOutputs() {
  Ort::AllocatorWithDefaultOptions allocator;
  for (std::size_t i = 0; i < session_.GetOutputCount(); ++i) {
    const std::string outputName = session_.GetOutputNameAllocated(i, allocator).get();
    const auto info = session_.GetOutputTypeInfo(i);
    isZipMap_.push_back(info.GetONNXType() == ONNX_TYPE_SEQUENCE);
    if (isZipMap_.back()) {
      signature_.outputs.push_back({outputName, DataType::float32, {-1, -1}});
      continue;
    }
    if (info.GetONNXType() != ONNX_TYPE_TENSOR)
      return refused("output '" + outputName + "' is not a tensor");
    const auto tensor = info.GetTensorTypeAndShapeInfo();
    const auto type = dataType(tensor.GetElementType());
    if (!type) return refused("output '" + outputName + "' has an element type that is not served");
    signature_.outputs.push_back({outputName, *type, tensor.GetShape()});
  }
  return {};
}

Tensors OnnxModel::neutralRow() const {
  Tensors row;
  for (const TensorSpec& spec : signature_.inputs) {
    auto shape = spec.shape;
    for (auto& dimension : shape) dimension = std::max<std::int64_t>(dimension, 1);
    row.push_back(Tensor::of(spec.type, std::move(shape)));
  }
  return row;
}

// Converters name and order outputs differently, but a classifier always has a label a row and a
// score a row and class.
void OnnxModel::findClassifier(Deadline deadline) {
  Signature& found = signature_;
  const auto read = [&](const std::vector<Ort::Value>& outputs) -> Result<void> {
    for (std::size_t i = 0; i < outputs.size(); ++i) CORBEL_CHECK(readOutput(i, outputs[i]));
    const bool oneNumber = outputs.size() == 1 && !isZipMap_[0] &&
                           outputs[0].GetTensorTypeAndShapeInfo().GetElementCount() == 1;
    if (oneNumber) found.task = ModelTask::regression;
    return {};
  };
  const auto patience = Deadline::after(runtime_->clock(), limits::kValidationDeadline);
  const auto probed = runSession(neutralRow(), deadline.earlier(patience), read);
  if (probed && found.labels >= 0 && found.probabilities >= 0) {
    found.task = ModelTask::classification;
    return;
  }
  found.labels = found.probabilities = -1;
  found.integerLabels = false;
  found.classLabels.clear();
}

// The best of a few runs: what else the machine does meanwhile must not make a model slow for good.
void OnnxModel::findOutHowQuick(Deadline deadline) {
  constexpr int kRuns = 5;
  const auto isRow = [](const TensorSpec& spec) {
    return spec.shape.size() == 2 && spec.shape[0] < 0 && spec.shape[1] > 0;
  };
  if (!std::ranges::all_of(signature_.inputs, isRow)) return;
  const Tensors row = neutralRow();
  const Clock& clock = runtime_->clock();
  for (int i = 0; i < kRuns && !quick_; ++i) {
    const auto begin = clock.steady();
    if (!runWithin(row, deadline.earlier(Deadline::after(clock, kPatience)))) return;
    quick_ = clock.steady() - begin <= kQuick;
  }
}

Result<void> OnnxModel::readOutput(std::size_t index, const Ort::Value& value) {
  if (isZipMap_[index]) {
    CORBEL_TRY(ZipMap zipMap, unzip(value));
    signature_.probabilities = static_cast<int>(index);
    signature_.classLabels = std::move(zipMap.labels);
    signature_.outputs[index].shape = {-1,
                                       static_cast<std::int64_t>(signature_.classLabels.size())};
    return {};
  }
  const auto shape = value.GetTensorTypeAndShapeInfo().GetShape();
  const DataType type = signature_.outputs[index].type;
  const bool isLabel = (type == DataType::int64 || type == DataType::text) && shape.size() <= 2;
  if (isLabel) {
    signature_.labels = static_cast<int>(index);
    signature_.integerLabels = type == DataType::int64;
  }
  if (!isLabel && shape.size() == 2 && shape[1] > 1)
    signature_.probabilities = static_cast<int>(index);
  return {};
}

Result<void> OnnxModel::check(const Tensors& inputs) const {
  if (inputs.size() != signature_.inputs.size()) {
    return fail(ErrorCode::invalidArgument,
                "the model takes " + std::to_string(signature_.inputs.size()) +
                    " input tensors, got " + std::to_string(inputs.size()));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const TensorSpec& spec = signature_.inputs[i];
    bool fits = inputs[i].type() == spec.type && inputs[i].shape.size() == spec.shape.size();
    for (std::size_t d = 0; fits && d < spec.shape.size(); ++d) {
      fits = inputs[i].shape[d] >= 0 && (spec.shape[d] < 0 || spec.shape[d] == inputs[i].shape[d]);
    }
    if (!fits) return failField("/" + spec.name, "has the wrong type or shape for this model");
  }
  return {};
}

template <class Read>
auto OnnxModel::runSession(const Tensors& inputs, Deadline deadline, Read&& read) const
    -> std::invoke_result_t<Read&, const std::vector<Ort::Value>&> {
  try {
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    Ort::AllocatorWithDefaultOptions allocator;
    std::vector<Ort::Value> values;
    for (const Tensor& tensor : inputs) values.push_back(toOrt(tensor, memory, allocator));
    Ort::RunOptions options;
    const RunWatch::Guard guard(runtime_->watch(), options, deadline);
    return read(session_.Run(options, inputNames_.data(), values.data(), values.size(),
                             outputNames_.data(), outputNames_.size()));
  } catch (const Ort::Exception& exception) {
    if (deadline.expired(runtime_->clock())) {
      return fail(ErrorCode::deadlineExceeded, "the prediction took longer than allowed");
    }
    return fail(ErrorCode::internal, "the model failed on this input", exception.what());
  }
}

Result<Tensors> OnnxModel::run(const Tensors& inputs, Deadline deadline) const {
  CORBEL_CHECK(check(inputs));
  if (!quick_ || inputs[0].shape[0] != 1) return runWithin(inputs, deadline);
  const auto begin = runtime_->clock().steady();
  auto outputs = runWithin(inputs, deadline.earlier(Deadline::at(begin + kPatience)));
  if (runtime_->clock().steady() - begin > kNotQuick) quick_ = false;
  return outputs;
}

Result<Tensors> OnnxModel::runWithin(const Tensors& inputs, Deadline deadline) const {
  return runSession(inputs, deadline,
                    [&](const std::vector<Ort::Value>& values) -> Result<Tensors> {
                      Tensors outputs;
                      for (std::size_t i = 0; i < values.size(); ++i) {
                        if (!isZipMap_[i]) {
                          outputs.push_back(fromOrt(values[i]));
                          continue;
                        }
                        CORBEL_TRY(auto zipMap, unzip(values[i]));
                        outputs.push_back(std::move(zipMap.probabilities));
                      }
                      return outputs;
                    });
}

Result<Explanation> OnnxModel::explain(const Tensors&, std::size_t, Deadline) const {
  return fail(ErrorCode::unprocessable, "ONNX Runtime has no exact attribution for this graph");
}

}  // namespace

Result<std::shared_ptr<const Model>> loadOnnxModel(std::span<const std::byte> file,
                                                   std::shared_ptr<OnnxRuntime> runtime,
                                                   Deadline deadline) {
  try {
    auto model = std::make_shared<OnnxModel>(std::move(runtime), file);
    CORBEL_CHECK(model->inspect(deadline));
    return model;
  } catch (const Ort::Exception& exception) {
    return fail(ErrorCode::unprocessable, "model file: " + whyNotOpened(exception.what()),
                exception.what());
  }
}

}  // namespace corbel::inference
