#include "base/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace corbel::trace {
namespace {

constexpr std::string_view kHeader = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const Context kContext{0x4bf92f3577b34da6, 0xa3ce929d0e0e4736, 0x00f067aa0ba902b7, true};

struct Kept final : Recorder {
  void record(FinishedSpan span) override { spans.push_back(std::move(span)); }
  std::uint64_t newSpanId() override { return ++lastId; }
  std::int64_t nowNs() const override { return ++time; }
  std::vector<FinishedSpan> spans;
  std::uint64_t lastId = 0;
  mutable std::int64_t time = 0;
};

TEST(Traceparent, IsReadAndWritten) {
  EXPECT_EQ(parseTraceparent(kHeader), kContext);
  EXPECT_EQ(toTraceparent(kContext), kHeader);
  const auto unsampled =
      parseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
  EXPECT_FALSE(unsampled->sampled);
  EXPECT_TRUE(parseTraceparent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later"));
}

TEST(Traceparent, WhatIsNoneIsNotTaken) {
  for (const std::string_view text :
       {"", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01"})
    EXPECT_FALSE(parseTraceparent(text)) << text;
}

TEST(Span, IsNothingWhenNobodyRecords) {
  Span span("query");
  span.set("rows", 3);
  EXPECT_EQ(outgoingTraceparent(), "");
}

TEST(Span, StandsUnderTheOneThatIsOpen) {
  Kept kept;
  {
    const Scope scope({&kept, kContext});
    const Span outer("gate", "tenant");
    {
      Span inner("query");
      inner.set("rows", 3);
      inner.fail("it did not work");
      EXPECT_EQ(outgoingTraceparent(), "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000002-01");
    }
  }
  ASSERT_EQ(kept.spans.size(), 2u);
  const FinishedSpan& inner = kept.spans[0];
  const FinishedSpan& outer = kept.spans[1];
  EXPECT_EQ(inner.name, "query");
  EXPECT_EQ(inner.parentSpanId, outer.context.spanId);
  EXPECT_EQ(std::get<std::int64_t>(inner.attributes.at(0).value), 3);
  EXPECT_EQ(inner.failure, "it did not work");
  EXPECT_EQ(outer.name, "gate tenant");
  EXPECT_EQ(outer.parentSpanId, kContext.spanId);
  EXPECT_EQ(outer.context.traceLow, kContext.traceLow);
  EXPECT_LT(outer.startNs, inner.startNs);
  EXPECT_LT(inner.endNs, outer.endNs);
  EXPECT_EQ(current().recorder, nullptr);
}

TEST(Span, OfOneThreadIsNotSeenByAnother) {
  Kept kept;
  const Scope scope({&kept, kContext});
  std::thread([] { const Span span("elsewhere"); }).join();
  EXPECT_THAT(kept.spans, testing::IsEmpty());
}

TEST(Span, ATextIsCut) {
  Kept kept;
  {
    const Scope scope({&kept, kContext});
    Span span("query");
    span.set("db.query.text", std::string(10'000, 'x'));
  }
  EXPECT_EQ(std::get<std::string>(kept.spans.at(0).attributes.at(0).value).size(), 512u);
}

}  // namespace
}  // namespace corbel::trace
