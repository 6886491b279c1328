// A row of 30 named features, as a prediction request carries it: decoded and encoded in several
// ways. usage: json_bench [seconds per case]
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "json/cursor.h"
#include "json/decode.h"
#include "json/encode.h"

namespace corbel::json {
namespace {

constexpr std::array<std::string_view, 30> kFeatures = {
    "mean radius",      "mean texture",
    "mean perimeter",   "mean area",
    "mean smoothness",  "mean compactness",
    "mean concavity",   "mean concave points",
    "mean symmetry",    "mean fractal dimension",
    "radius error",     "texture error",
    "perimeter error",  "area error",
    "smoothness error", "compactness error",
    "concavity error",  "concave points error",
    "symmetry error",   "fractal dimension error",
    "worst radius",     "worst texture",
    "worst perimeter",  "worst area",
    "worst smoothness", "worst compactness",
    "worst concavity",  "worst concave points",
    "worst symmetry",   "worst fractal dimension"};
constexpr std::array<std::string_view, 30> kValues = {
    "17.99",   "10.38",   "122.8",   "1001.0",   "0.1184", "0.2776", "0.3001",   "0.1471",
    "0.2419",  "0.07871", "1.095",   "0.9053",   "8.589",  "153.4",  "0.006399", "0.04904",
    "0.05373", "0.01587", "0.03003", "0.006193", "25.38",  "17.33",  "184.6",    "2019.0",
    "0.1622",  "0.6656",  "0.7119",  "0.2654",   "0.4601", "0.1189"};

struct Request {
  Raw input;
  std::optional<bool> explain;
};
BOOST_DESCRIBE_STRUCT(Request, (), (input, explain))

struct Prediction {
  std::string model = "breast-cancer";
  int version = 3;
  std::string label = "benign";
  double confidence = 0.9876;
  std::map<std::string, double> probabilities = {{"benign", 0.9876}, {"malignant", 0.0124}};
};
BOOST_DESCRIBE_STRUCT(Prediction, (), (model, version, label, confidence, probabilities))

std::string features() {
  std::string out;
  Writer writer(out);
  writer.beginObject();
  for (std::size_t i = 0; i < kFeatures.size(); ++i) {
    writer.key(kFeatures[i]);
    writer.raw(kValues[i]);
  }
  writer.endObject();
  return out;
}

// The median of batches, so that the machine's other work does not count.
template <class Work>
void measure(std::string_view name, double seconds, Work work) {
  using Clock = std::chrono::steady_clock;
  constexpr int kBatch = 1000;
  std::vector<double> nanoseconds;
  const auto until = Clock::now() + std::chrono::duration<double>(seconds);
  double sink = 0;
  do {
    const auto start = Clock::now();
    for (int i = 0; i < kBatch; ++i) sink += work();
    nanoseconds.push_back(std::chrono::duration<double, std::nano>(Clock::now() - start).count() /
                          kBatch);
  } while (Clock::now() < until);
  std::ranges::sort(nanoseconds);
  const double median = nanoseconds[nanoseconds.size() / 2];
  fmt::print("{:<44} {:>8.0f} ns   best {:>6.0f} ns   ({:.3g})\n", name, median,
             nanoseconds.front(), sink);
}

double sumWithCursor(std::string_view json) {
  Cursor cursor(json);
  double sum = 0;
  std::size_t expected = 0;
  if (cursor.token() == Token::object && cursor.enterObject()) {
    while (cursor.nextField()) {
      expected += cursor.key() == kFeatures[expected];
      sum += cursor.number()->value;
    }
  }
  return cursor.finish() && expected == kFeatures.size() ? sum : -1;
}

double sumWithOnDemand(simdjson::ondemand::parser& parser, const simdjson::padded_string& json) {
  auto document = parser.iterate(json);
  double sum = 0;
  std::size_t expected = 0;
  for (auto field : document.get_object()) {
    expected += field.unescaped_key().value() == kFeatures[expected];
    sum += field.value().get_double().value();
  }
  return expected == kFeatures.size() ? sum : -1;
}

double sumOfMap(std::string_view json) {
  double sum = 0;
  const auto row = decode<std::map<std::string, double>>(json);
  for (const auto& [name, value] : *row) sum += value;
  return sum;
}

}  // namespace

int run(double seconds) {
  const std::string row = features();
  const std::string body = R"({"input":)" + row + R"(,"explain":false})";
  const simdjson::padded_string padded(row);
  simdjson::ondemand::parser parser;
  const Prediction prediction;
  std::string out;
  fmt::print("{} bytes, 30 features, first pass: {}\n", row.size(),
             simdjson::get_active_implementation()->name());
  measure("simdjson On-Demand, names compared", seconds,
          [&] { return sumWithOnDemand(parser, padded); });
  measure("Cursor, names compared", seconds, [&] { return sumWithCursor(row); });
  measure("Cursor, first pass only", seconds,
          [&] { return Cursor(row).offset() == 0 ? 1.0 : 0.0; });
  measure("Cursor, skip all", seconds, [&] { return Cursor(row).skip() ? 1.0 : 0.0; });
  measure("decode<map<string, double>>", seconds, [&] { return sumOfMap(row); });
  measure("decode request with Raw input", seconds,
          [&] { return decode<Request>(body)->explain ? 1.0 : 0.0; });
  measure("encode a described prediction", seconds, [&] {
    out.clear();
    encode(prediction, out);
    return static_cast<double>(out.size());
  });
  measure("Writer, the row", seconds, [&] {
    out.clear();
    Writer writer(out);
    writer.beginObject();
    for (std::size_t i = 0; i < kFeatures.size(); ++i)
      writer.field(kFeatures[i], 0.1 * static_cast<double>(i));
    writer.endObject();
    return static_cast<double>(out.size());
  });
  return 0;
}

}  // namespace corbel::json

int main(int argc, char** argv) { return corbel::json::run(argc > 1 ? std::atof(argv[1]) : 0.5); }
