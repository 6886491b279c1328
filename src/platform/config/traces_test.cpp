#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/settings.h"

namespace corbel::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string urlOf(std::string endpoint) {
  TraceSettings settings;
  settings.endpoint = std::move(endpoint);
  return tracesUrl(settings);
}

TEST(TracesUrl, GetsWhatIsMissing) {
  EXPECT_EQ(urlOf("http://collector:4318"), "http://collector:4318/v1/traces");
  EXPECT_EQ(urlOf("collector:4318"), "http://collector:4318/v1/traces");
  EXPECT_EQ(urlOf("https://otlp.example/"), "https://otlp.example/v1/traces");
  EXPECT_EQ(urlOf("https://otlp.example/custom"), "https://otlp.example/custom");
}

TEST(JaegerEndpoint, BecomesThePortOfOtlpOnThatHostAndIsTold) {
  for (const auto& [given, taken] :
       {std::pair("http://jaeger:14268/api/traces", "http://jaeger:4318"),
        std::pair("jaeger:6831", "http://jaeger:4318"),
        std::pair("https://jaeger", "https://jaeger:4318"),
        std::pair("http://[::1]:14268", "http://[::1]:4318"),
        std::pair("[::1]", "http://[::1]:4318")}) {
    const auto configuration = load({.environment = {{"JAEGER_ENDPOINT", given}}});
    ASSERT_TRUE(configuration) << configuration.error().message;
    EXPECT_EQ(configuration->settings.traces.endpoint, taken);
    EXPECT_THAT(configuration->notes, ElementsAre(HasSubstr(taken)));
  }
}

TEST(JaegerEndpoint, IsNotUsedBesideTheSettingsOwnName) {
  const auto configuration =
      load({.environment = {{"JAEGER_ENDPOINT", "jaeger:6831"},
                            {"CORBEL_TRACES_ENDPOINT", "http://collector:14268"}}});
  EXPECT_EQ(configuration->settings.traces.endpoint, "http://collector:14268");
}

TEST(JaegerEndpoint, WithoutAValueIsNothing) {
  const auto configuration = load({.environment = {{"JAEGER_ENDPOINT", ""}}});
  EXPECT_EQ(configuration->settings.traces.endpoint, "");
  EXPECT_THAT(configuration->notes, IsEmpty());
}

TEST(SamplingRatio, IsANumberFrom0To1) {
  EXPECT_EQ(load({.flags = {{"traces.samplingRatio", "0.25"}}})->settings.traces.samplingRatio,
            0.25);
  for (const char* wrong : {"1.5", "-0.1", "half", "", "nan"}) {
    const auto refused = load({.flags = {{"traces.samplingRatio", wrong}}});
    ASSERT_FALSE(refused) << wrong;
    EXPECT_THAT(refused.error().message, HasSubstr("must be a number, 0 to 1"));
  }
}

TEST(TracesEndpoint, MustBeAnAddress) {
  for (const char* wrong : {"http://", "http://a b", "ftp://collector", "http://user@collector/"})
    EXPECT_FALSE(load({.flags = {{"traces.endpoint", wrong}}})) << wrong;
}

}  // namespace
}  // namespace corbel::config
