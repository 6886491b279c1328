#include "inference/model_readers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "onnx_writer.h"

namespace corbel::inference {
namespace {

using namespace onnx_writer;
using ::testing::HasSubstr;

std::string errorOf(const std::string& content) {
  const auto model = readTabularModel(std::as_bytes(std::span(content)));
  if (model) return "it was read";
  EXPECT_EQ(model.error().code, ErrorCode::unprocessable);
  return model.error().message;
}

TEST(TabularModelReader, TellsFormatsApartByContent) {
  EXPECT_THAT(errorOf("{\"a\":1}"), HasSubstr("no XGBoost model"));
  EXPECT_THAT(errorOf(std::string("{L\0\0\0\0\0\0\0\1aT}", 13)), HasSubstr("no XGBoost model"));
  EXPECT_EQ(errorOf("tree\nversion=v4\n"), "line 3: \"Tree=\" or \"end of trees\" expected");
  EXPECT_THAT(errorOf(number(1, 8)), HasSubstr("no ONNX model"));
}

// The reader takes the format that formatOf() tells.
TEST(TabularModelReader, ReadsWhatItTellsApart) {
  const std::string brace = "{";
  EXPECT_EQ(formatOf(std::as_bytes(std::span(brace))), FileFormat::xgboostJson);
  const std::string counted("{ L\0\0\0\0\0\0\0\1aT}", 14);
  EXPECT_EQ(formatOf(std::as_bytes(std::span(counted))), FileFormat::xgboostUbjson);
  EXPECT_THAT(errorOf(counted), Not(HasSubstr("'\"' expected")));
}

TEST(TabularModelReader, NamesTheFormatsWhenItKnowsNone) {
  for (const char* content : {"", "binf", "\x80\x04\x95", "PK\x03\x04", "GGUF", "treetop"}) {
    EXPECT_EQ(errorOf(content),
              "the file is no XGBoost model (JSON or UBJSON), LightGBM model (text) or ONNX model");
  }
}

TEST(TabularModelReader, SaysWhichOperatorNeedsAnotherEngine) {
  EXPECT_EQ(errorOf(model(input("X", 2) + output("y") + node("Conv", {"X"}, {"y"}, "", ""))),
            "the ONNX graph is no tabular pipeline: Conv: no operator of a tabular pipeline");
}

TEST(TabularModelReader, QuotesHostileTextAsPrintableAscii) {
  const std::string message =
      errorOf(model(input("X", 2) + output("y") + node("\xFF\nConv", {"X"}, {"y"}, "", "")));
  EXPECT_EQ(message,
            "the ONNX graph is no tabular pipeline: ??Conv: no operator of a tabular pipeline");
}

}  // namespace
}  // namespace corbel::inference
