// Times the forest evaluator beside ONNX Runtime and XGBoost on the same model and rows, in one
// process and one thread.
//
//   forest_bench MODEL.json MODEL.onnx ROWS.f32 ONNXRUNTIME.so XGBOOST.so ROUNDS BATCH...
//
// Prints JSON: for each batch size and engine the nanoseconds of processor time a row of every
// round. Engines take turns within a round. Ends with 1 and a message when their outputs differ by
// more than 1e-5.
#define ORT_API_MANUAL_INIT
#include <dlfcn.h>
#include <fmt/format.h>
#include <onnxruntime_cxx_api.h>
#include <time.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/text.h"
#include "inference/compiled_forest.h"
#include "inference/model_readers.h"
#include "inference/tabular_model.h"

namespace corbel::inference {
namespace {

constexpr double kTolerance = 1e-5;
constexpr std::chrono::milliseconds kSlice{20};  // time of one engine in one round

[[noreturn]] void stop(const std::string& message) { throw std::runtime_error(message); }

std::vector<char> readFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) stop("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void* openLibrary(const std::string& path) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) stop("cannot open " + path);
  return library;
}

template <class Function>
Function symbol(void* library, const char* name) {
  const auto function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) stop(std::string(name) + " is missing");
  return function;
}

struct Rows {
  std::vector<float> values;
  std::size_t features = 0;
  std::size_t count() const { return features == 0 ? 0 : values.size() / features; }
  const float* at(std::size_t row) const { return values.data() + row * features; }
};

// Probability of the second class of `count` rows from `first` on. Valid until the next call.
using Predict = std::function<const float*(std::size_t first, std::size_t count)>;

struct Engine {
  std::string name;
  std::size_t outputStride = 1;
  std::size_t outputOffset = 0;
  Predict predict;
};

Engine corbelEngine(const std::string& path, Rows& rows, const std::vector<char>& values) {
  const std::vector<char> file = readFile(path);
  const auto model = readXgboost(std::as_bytes(std::span(file)));
  if (!model) stop(model.error().message);
  const auto& forest = std::get<Forest>(model->predictor);
  auto compiled = CompiledForest::compile(forest);
  if (!compiled) stop(compiled.error().message);
  rows.features = forest.features;
  rows.values.resize(values.size() / sizeof(float));
  __builtin_memcpy(rows.values.data(), values.data(), rows.values.size() * sizeof(float));
  if (forest.outputs != 1) stop("the model has more than one output");
  auto shared = std::make_shared<CompiledForest>(std::move(*compiled));
  auto out = std::make_shared<std::vector<float>>(rows.count());
  return {"corbel", 1, 0, [&rows, shared, out](std::size_t first, std::size_t count) {
            shared->predict(rows.at(first), count, rows.features, out->data());
            return out->data();
          }};
}

// One session, tensors made before and bound to the caller's memory, as its documentation advises
// for speed.
class OnnxModel {
 public:
  OnnxModel(const std::string& path, const Rows& rows) : rows_(rows) {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1);
    options.SetInterOpNumThreads(1);
    options.SetGraphOptimizationLevel(ORT_ENABLE_ALL);
    session_ = Ort::Session(env_, path.c_str(), options);
    out_.resize(rows.count() * 2);
  }

  const float* predict(std::size_t first, std::size_t count) {
    const auto rowCount = static_cast<std::int64_t>(count);
    const std::array<std::int64_t, 2> inputShape{rowCount,
                                                 static_cast<std::int64_t>(rows_.features)};
    const std::array<std::int64_t, 2> outputShape{rowCount, 2};
    // The C++ API asks for writable memory even of inputs; it does not write.
    const Ort::Value input = Ort::Value::CreateTensor<float>(
        memory_, const_cast<float*>(rows_.at(first)), count * rows_.features, inputShape.data(), 2);
    Ort::Value output =
        Ort::Value::CreateTensor<float>(memory_, out_.data(), count * 2, outputShape.data(), 2);
    session_.Run(run_, &inputName_, &input, 1, &outputName_, &output, 1);
    return out_.data();
  }

 private:
  const Rows& rows_;
  const char* inputName_ = "input";
  const char* outputName_ = "probabilities";
  Ort::Env env_{ORT_LOGGING_LEVEL_ERROR, "bench"};
  Ort::Session session_{nullptr};
  Ort::RunOptions run_;
  Ort::MemoryInfo memory_ = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  std::vector<float> out_;
};

Engine onnxEngine(const std::string& library, const std::string& path, const Rows& rows) {
  const auto base = symbol<const OrtApiBase* (*)()>(openLibrary(library), "OrtGetApiBase");
  const OrtApi* const api = base()->GetApi(ORT_API_VERSION);
  if (api == nullptr) stop("ONNX Runtime is older than the headers");
  Ort::InitApi(api);
  auto model = std::make_shared<OnnxModel>(path, rows);
  return {"onnxruntime", 2, 1,
          [model](std::size_t first, std::size_t count) { return model->predict(first, count); }};
}

// XGBoost's C API (xgboost/c_api.h): prediction in place, without building a DMatrix.
class XgboostModel {
 public:
  XgboostModel(void* library, const std::string& path, const Rows& rows)
      : rows_(rows), predict_(symbol<PredictFromDense>(library, "XGBoosterPredictFromDense")) {
    const auto create =
        symbol<int (*)(const void* const*, std::uint64_t, void**)>(library, "XGBoosterCreate");
    const auto set = symbol<int (*)(void*, const char*, const char*)>(library, "XGBoosterSetParam");
    const auto load = symbol<int (*)(void*, const char*)>(library, "XGBoosterLoadModel");
    if (create(nullptr, 0, &booster_) != 0 || set(booster_, "nthread", "1") != 0 ||
        load(booster_, path.c_str()) != 0 || set(booster_, "nthread", "1") != 0) {
      stop("XGBoost cannot load " + path);
    }
  }

  const float* predict(std::size_t first, std::size_t count) {
    char array[160];
    std::snprintf(
        array, sizeof(array),
        R"({"data":[%llu,true],"shape":[%zu,%zu],"strides":null,"typestr":"<f4","version":3})",
        static_cast<unsigned long long>(reinterpret_cast<std::uintptr_t>(rows_.at(first))), count,
        rows_.features);
    static constexpr const char* kOptions =
        R"({"type":0,"training":false,"iteration_begin":0,"iteration_end":0,"strict_shape":false,"cache_id":0,"missing":NaN})";
    const std::uint64_t* shape = nullptr;
    std::uint64_t dimensions = 0;
    const float* result = nullptr;
    if (predict_(booster_, array, kOptions, nullptr, &shape, &dimensions, &result) != 0)
      stop("XGBoost failed");
    return result;
  }

 private:
  using PredictFromDense = int (*)(void*, const char*, const char*, void*, const std::uint64_t**,
                                   std::uint64_t*, const float**);
  const Rows& rows_;
  PredictFromDense predict_;
  void* booster_ = nullptr;
};

Engine xgboostEngine(const std::string& library, const std::string& path, const Rows& rows) {
  auto model = std::make_shared<XgboostModel>(openLibrary(library), path, rows);
  return {"xgboost", 1, 0,
          [model](std::size_t first, std::size_t count) { return model->predict(first, count); }};
}

void checkAgreement(std::span<Engine> engines, std::size_t batch, std::size_t rows) {
  for (std::size_t first = 0; first + batch <= rows; first += batch) {
    const float* const output = engines[0].predict(first, batch);
    const std::vector<float> expected(output, output + batch);
    for (const Engine& engine : engines.subspan(1)) {
      const float* const other = engine.predict(first, batch);
      for (std::size_t i = 0; i < batch; ++i) {
        const double value =
            static_cast<double>(other[i * engine.outputStride + engine.outputOffset]);
        if (std::abs(value - static_cast<double>(expected[i])) <= kTolerance) continue;
        stop(fmt::format("row {}: {} says {}, {} says {}", first + i, engines[0].name, expected[i],
                         engine.name, value));
      }
    }
  }
}

// Processor time of all threads: on a shared machine the time on the clock tells more of its other
// users.
std::chrono::nanoseconds processorTime() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// Goes through all rows, batch by batch, again and again until the slice is over.
double nanosecondsPerRow(const Engine& engine, std::size_t batch, std::size_t rows,
                         std::size_t& first) {
  const std::size_t calls =
      std::max<std::size_t>(1, 256 / batch);  // between two looks at the clock
  std::size_t count = 0;
  const auto begin = processorTime();
  auto now = begin;
  while (now - begin < kSlice) {
    for (std::size_t i = 0; i < calls; ++i) {
      engine.predict(first, batch);
      first = first + 2 * batch <= rows ? first + batch : 0;
    }
    count += calls * batch;
    now = processorTime();
  }
  return std::chrono::duration<double, std::nano>(now - begin).count() / static_cast<double>(count);
}

void measure(std::span<Engine> engines, std::size_t batch, std::size_t rows, int rounds) {
  std::vector<std::vector<double>> times(engines.size());
  std::vector<std::size_t> positions(engines.size());
  for (int round = -1; round < rounds; ++round) {
    for (std::size_t i = 0; i < engines.size(); ++i) {
      const double time = nanosecondsPerRow(engines[i], batch, rows, positions[i]);
      if (round >= 0) times[i].push_back(time);  // the first round warms up
    }
  }
  for (std::size_t i = 0; i < engines.size(); ++i) {
    std::cout << fmt::format("{}{{\"batch\": {}, \"engine\": \"{}\", \"ns_per_row\": [{:.2f}]}}",
                             i == 0 ? "" : ",\n ", batch, engines[i].name,
                             fmt::join(times[i], ", "));
  }
}

void run(std::span<char*> arguments) {
  if (arguments.size() < 8) {
    stop(
        "usage: forest_bench MODEL.json MODEL.onnx ROWS.f32 ONNXRUNTIME.so XGBOOST.so ROUNDS "
        "BATCH...");
  }
  Rows rows;
  std::vector<Engine> engines;
  engines.push_back(corbelEngine(arguments[1], rows, readFile(arguments[3])));
  engines.push_back(onnxEngine(arguments[4], arguments[2], rows));
  engines.push_back(xgboostEngine(arguments[5], arguments[1], rows));
  const int rounds = std::atoi(arguments[6]);
  std::cout << "[";
  for (std::size_t i = 7; i < arguments.size(); ++i) {
    const auto batch = parseNumber<std::size_t>(arguments[i]).value_or(0);
    if (batch < 1 || batch > rows.count())
      stop(fmt::format("a batch has 1 to {} rows, got {}", rows.count(), arguments[i]));
    checkAgreement(engines, batch, rows.count());
    if (i > 7) std::cout << ",\n ";
    measure(engines, batch, rows.count(), rounds);
  }
  std::cout << "]\n";
}

}  // namespace
}  // namespace corbel::inference

int main(int count, char** arguments) {
  try {
    corbel::inference::run(std::span(arguments, static_cast<std::size_t>(count)));
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "forest_bench: " << error.what() << '\n';
    return 1;
  }
}
