// Any bytes as a model file of every format. A model that is read must be valid, and evaluating it
// must stay in bounds. Seeds: fuzz/inference_seeds.py FOLDER. Memory: run with -malloc_limit_mb=64
// -max_len=65536.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "inference/compiled_forest.h"
#include "inference/model_readers.h"

namespace corbel::inference {
namespace {

constexpr std::size_t kWidest = 4096;  // of rows worth evaluating

void require(bool holds) {
  if (!holds) std::abort();
}

template <class Number>
void evaluate(const CompiledForest& forest) {
  std::vector<Number> row(forest.features());
  std::vector<Number> out(forest.outputs());
  for (const double value : {0.0, -0.5, 3.0, 1e30, -1e30, std::nan("")}) {
    row.assign(row.size(), static_cast<Number>(value));
    forest.predict(row.data(), 1, row.size(), out.data());
  }
}

void check(const Result<TabularModel>& model) {
  if (!model) return require(!model.error().message.empty());
  require(validate(*model).has_value());
  const auto* forest = std::get_if<Forest>(&model->predictor);
  if (forest == nullptr || forest->features > kWidest || forest->outputs > kWidest) return;
  const auto compiled = CompiledForest::compile(*forest);
  if (!compiled) return;
  compiled->precision() == Precision::float32 ? evaluate<float>(*compiled)
                                              : evaluate<double>(*compiled);
}

}  // namespace
}  // namespace corbel::inference

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace corbel::inference;
  const auto file = std::as_bytes(std::span(bytes, size));
  check(readTabularModel(file));
  check(readXgboost(file, Rounds::upToBest));
  check(readLightgbm(file));
  if (auto onnx = readOnnx(file); onnx && onnx->model) check(std::move(*onnx->model));
  return 0;
}
