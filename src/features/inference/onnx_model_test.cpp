#include "inference/onnx_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "inference/onnx_runtime.h"
#include "onnx_writer.h"

namespace corbel::inference {
namespace {

using namespace onnx_writer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::filesystem::path library() {
  const auto build = std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path();
  return build / "deps" / "onnxruntime" / "lib" / "libonnxruntime.so.1";
}

std::string file(std::string_view content) {
  return model(content) + text(8, text(1, "") + number(2, 13)) +
         text(8, text(1, "ai.onnx.ml") + number(2, 3));
}

std::string core(std::string_view type, const std::vector<std::string_view>& inputs,
                 const std::vector<std::string_view>& outputs, std::string_view attributes = {}) {
  return node(type, inputs, outputs, attributes, "");
}

constexpr std::int64_t kFloat = 1, kInt64 = 7;

std::string aRelu() { return file(input("X", 3) + value(12, "Y", 3) + core("Relu", {"X"}, {"Y"})); }

// A label by ArgMax and probabilities by Softmax, behind a ZipMap as scikit-learn's converter
// writes it.
std::string aZipMapClassifier() {
  const std::string map = text(5, number(1, kInt64) + text(2, text(1, number(1, kFloat))));
  const std::string scores = text(12, text(1, "scores") + text(2, text(4, text(1, map))));
  const std::string label = text(
      12, text(1, "label") + text(2, text(1, number(1, kInt64) + text(2, text(1, text(2, "N"))))));
  return file(input("X", 2) + label + scores + core("Softmax", {"X"}, {"p"}) +
              core("ArgMax", {"X"}, {"label"}, integer("axis", 1) + integer("keepdims", 0)) +
              node("ZipMap", {"p"}, {"scores"}, integers("classlabels_int64s", {4, 9})));
}

// Runs the body as often as the input says: neutral rows do nothing, others never end.
std::string aLoop() {
  const auto scalar = [](std::uint32_t field, std::string_view valueName, std::int64_t type) {
    return text(field, text(1, valueName) + text(2, text(1, number(1, type) + text(2, ""))));
  };
  const std::string body = text(2, "body") + scalar(11, "i", kInt64) + scalar(11, "go", 9) +
                           value(11, "x", 1) + scalar(12, "on", 9) + value(12, "y", 1) +
                           core("Identity", {"go"}, {"on"}) + core("Sin", {"x"}, {"y"});
  const std::string times = text(
      11, text(1, "times") + text(2, text(1, number(1, kInt64) + text(2, text(1, number(1, 1))))));
  return file(times + value(11, "X", 1) + value(12, "Y", 1) +
              core("Loop", {"times", "", "X"}, {"Y"}, onnx_writer::graph("body", body)));
}

class OnnxModelTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(library())) {
      // Nobody changes the environment meanwhile.
      // NOLINTNEXTLINE(concurrency-mt-unsafe)
      ASSERT_EQ(std::getenv("CI"), nullptr) << library() << " is missing";
      GTEST_SKIP() << library() << " is missing";
    }
    auto opened = openOnnxRuntime({.library = library()}, clock_);
    ASSERT_TRUE(opened) << opened.error().message;
    runtime_ = *std::move(opened);
  }
  Result<std::shared_ptr<const Model>> load(const std::string& bytes) const {
    return loadOnnxModel(std::as_bytes(std::span(bytes)), runtime_, Deadline::never());
  }
  std::shared_ptr<const Model> mustLoad(const std::string& bytes) const {
    auto loaded = load(bytes);
    EXPECT_TRUE(loaded) << loaded.error().message << " " << loaded.error().detail;
    return loaded ? *std::move(loaded) : nullptr;
  }

  SystemClock clock_;
  std::shared_ptr<OnnxRuntime> runtime_;
};

Tensor row(std::vector<float> values) {
  return {{1, static_cast<std::int64_t>(values.size())}, std::move(values)};
}

TEST_F(OnnxModelTest, RunsAGraph) {
  const auto model = mustLoad(aRelu());
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->signature().inputs,
            (std::vector<TensorSpec>{{"X", DataType::float32, {-1, 3}}}));
  const auto outputs =
      model->run({Tensor{{2, 3}, std::vector<float>{-1, 2, -3, 4, -5, 6}}}, Deadline::never());
  ASSERT_TRUE(outputs) << outputs.error().detail;
  EXPECT_THAT((*outputs)[0].shape, ElementsAre(2, 3));
  EXPECT_THAT(std::get<std::vector<float>>((*outputs)[0].values), ElementsAre(0, 2, 0, 4, 0, 6));
}

TEST_F(OnnxModelTest, NamesTheInputOfTheWrongTypeOrShape) {
  const auto model = mustLoad(aRelu());
  ASSERT_NE(model, nullptr);
  for (const Tensors& wrong :
       {Tensors{row({1, 2})}, Tensors{Tensor{{1, 3}, std::vector<double>{1, 2, 3}}},
        Tensors{Tensor{{3}, std::vector<float>{1, 2, 3}}},
        Tensors{Tensor{{-1, 3}, std::vector<float>{}}}}) {
    const auto outputs = model->run(wrong, Deadline::never());
    ASSERT_FALSE(outputs);
    EXPECT_EQ(outputs.error().code, ErrorCode::invalidArgument);
    EXPECT_THAT(outputs.error().message, HasSubstr("/X"));
  }
  EXPECT_THAT(model->run({}, Deadline::never()).error().message,
              HasSubstr("takes 1 input tensors, got 0"));
}

TEST_F(OnnxModelTest, TurnsAZipMapIntoProbabilities) {
  const auto model = mustLoad(aZipMapClassifier());
  ASSERT_NE(model, nullptr);
  const Signature& signature = model->signature();
  EXPECT_EQ(signature.task, ModelTask::classification);
  EXPECT_THAT(signature.classLabels, ElementsAre("4", "9"));
  const auto outputs = model->run({row({0, 0})}, Deadline::never());
  ASSERT_TRUE(outputs) << outputs.error().detail;
  const Tensor& probabilities = (*outputs)[static_cast<std::size_t>(signature.probabilities)];
  EXPECT_THAT(probabilities.shape, ElementsAre(1, 2));
  EXPECT_THAT(std::get<std::vector<float>>(probabilities.values), ElementsAre(0.5, 0.5));
}

TEST_F(OnnxModelTest, StopsARunAtItsDeadlineAndStaysUsable) {
  const auto model = mustLoad(aLoop());
  ASSERT_NE(model, nullptr);
  const auto run = [&](std::int64_t times, Deadline deadline) {
    return model->run({Tensor{{1}, std::vector<std::int64_t>{times}}, row({1})}, deadline);
  };
  const auto stopped =
      run(std::int64_t{1} << 50, Deadline::after(clock_, std::chrono::milliseconds(20)));
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::deadlineExceeded) << stopped.error().detail;
  EXPECT_TRUE(run(2, Deadline::never()));
}

TEST_F(OnnxModelTest, RefusesAFileThatIsNoGraph) {
  const auto model =
      load(file(input("X", 3) + value(12, "Y", 3) + core("NoSuchOperator", {"X"}, {"Y"})));
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::unprocessable);
  EXPECT_EQ(load("garbage").error().code, ErrorCode::unprocessable);
}

TEST_F(OnnxModelTest, HasNoExactAttribution) {
  const auto model = mustLoad(aRelu());
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->explain({row({1, 2, 3})}, 0, Deadline::never()).error().code,
            ErrorCode::unprocessable);
}

// Sanitizers keep freed memory for a while, to find who still uses it.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
// X times a square of weights.
std::string aLayer(std::int64_t width) {
  const std::vector<float> weights(static_cast<std::size_t>(width * width), 0.001F);
  return file(input("X", width) + value(12, "Y", width) +
              text(5, tensor("W", {width, width}, weights)) + core("MatMul", {"X", "W"}, {"Y"}));
}

std::size_t residentBytes() {
  ::malloc_trim(0);
  std::ifstream statm("/proc/self/statm");
  std::size_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

class OnnxMemoryTest : public OnnxModelTest {
 protected:
  // Loads so many models, runs a batch on each, and lets go of all.
  void useModels(int count, const std::string& bytes, std::int64_t width) const {
    std::vector<std::shared_ptr<const Model>> models;
    const Tensor batch{{64, width}, std::vector<float>(static_cast<std::size_t>(64 * width), 1)};
    for (int i = 0; i < count; ++i) {
      models.push_back(mustLoad(bytes));
      ASSERT_TRUE(models.back()->run({batch}, Deadline::never()));
    }
  }
  // Of what was resident after the first model had come and gone.
  double growth(int count, std::int64_t width) const {
    const std::string bytes = aLayer(width);
    useModels(1, bytes, width);
    const std::size_t before = residentBytes();
    useModels(count, bytes, width);
    return static_cast<double>(residentBytes()) / static_cast<double>(before);
  }
};

TEST_F(OnnxMemoryTest, GivesTheMemoryOfTwentySmallModelsBack) { EXPECT_LE(growth(20, 512), 1.05); }

TEST_F(OnnxMemoryTest, GivesTheMemoryOfALargeModelBack) {
  useModels(1, aLayer(8), 8);
  const std::size_t before = residentBytes();
  useModels(1, aLayer(1024), 1024);
  constexpr std::size_t kWeights = std::size_t{1024} * 1024 * sizeof(float);
  EXPECT_LE(residentBytes(), before + kWeights / 4);
}
#endif

TEST(OpenOnnxRuntime, SaysWhatIsWrongWithTheLibrary) {
  const SystemClock clock;
  const auto missing = openOnnxRuntime({.library = "/nowhere/libonnxruntime.so"}, clock);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::failedPrecondition);
  EXPECT_THAT(missing.error().message, HasSubstr("inference.onnxRuntimeLibrary"));
  EXPECT_THAT(openOnnxRuntime({.library = "libc.so.6"}, clock).error().message,
              HasSubstr("is not ONNX Runtime"));
}

}  // namespace
}  // namespace corbel::inference
