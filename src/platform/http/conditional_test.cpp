#include "http/conditional.h"

#include <gtest/gtest.h>

namespace corbel::http {
namespace {

RequestHead with(std::string_view name, std::string_view value) {
  RequestHead head;
  head.headers = {{name, value}};
  return head;
}

TEST(Conditional, TheClientHasWhatIfNoneMatchNames) {
  EXPECT_FALSE(clientHas({}, "\"1\""));
  EXPECT_TRUE(clientHas(with("if-none-match", "\"1\""), "\"1\""));
  EXPECT_TRUE(clientHas(with("If-None-Match", "\"7\", W/\"1\""), "\"1\""));
  EXPECT_TRUE(clientHas(with("If-None-Match", "*"), "\"1\""));
  EXPECT_FALSE(clientHas(with("If-None-Match", "\"11\", 1"), "\"1\""));
}

TEST(Conditional, IfMatchAllowsAChangeOfTheStateThatItNames) {
  EXPECT_TRUE(mayChange({}, "\"1\""));
  EXPECT_TRUE(mayChange(with("If-Match", "\"0\", \"1\""), "\"1\""));
  EXPECT_TRUE(mayChange(with("If-Match", "*"), "\"1\""));
  EXPECT_FALSE(mayChange(with("If-Match", "\"2\""), "\"1\""));
}

TEST(Conditional, IfMatchComparesStrongly) {
  EXPECT_FALSE(mayChange(with("If-Match", "W/\"1\""), "\"1\""));
}

}  // namespace
}  // namespace corbel::http
