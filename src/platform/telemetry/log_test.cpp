#include "telemetry/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <latch>
#include <thread>
#include <type_traits>

#include "line.h"

namespace corbel::log {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

static_assert(!std::is_constructible_v<Field, std::string_view, const Secret&>,
              "a secret cannot be logged");
static_assert(!std::is_constructible_v<Field, std::string_view, Secret>);

class OutputFile {
 public:
  OutputFile() : descriptor_(memfd_create("log", MFD_CLOEXEC)) {}
  ~OutputFile() { close(descriptor_); }
  int descriptor() const { return descriptor_; }
  std::string content() const {
    std::string text(static_cast<std::size_t>(lseek(descriptor_, 0, SEEK_END)), '\0');
    EXPECT_EQ(pread(descriptor_, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    return text;
  }
  std::size_t lines() const {
    const std::string text = content();
    return static_cast<std::size_t>(std::ranges::count(text, '\n'));
  }

 private:
  int descriptor_;
};

std::string jsonLine(std::string_view message, Fields fields = {}) {
  std::string line;
  appendJsonLine(
      line,
      {ManualClock().now(), Level::info, "http", message, std::span(fields.begin(), fields.size())},
      "corbel");
  return line;
}

std::string textLine(std::string_view message, Fields fields = {}) {
  std::string line;
  appendTextLine(
      line,
      {ManualClock().now(), Level::warn, "http", message, std::span(fields.begin(), fields.size())},
      false);
  return line;
}

TEST(JsonLine, HasTheEstablishedFields) {
  EXPECT_EQ(
      jsonLine("request", {{"correlation_id", "abc"},
                           {"tenant", std::string("home")},
                           {"status", 200},
                           {"bytes", std::uint64_t{18446744073709551615u}},
                           {"duration_ms", std::chrono::microseconds(1234)},
                           {"cached", false}}),
      R"({"timestamp":"2026-01-01T00:00:00.000Z","level":"info","service":"corbel","module":"http",)"
      R"("message":"request","correlation_id":"abc","tenant":"home","status":200,)"
      R"("bytes":18446744073709551615,"duration_ms":1.234,"cached":false})"
      "\n");
}

TEST(JsonLine, ShowsEveryMillisecondOfASecond) {
  ManualClock clock;
  clock.advance(std::chrono::milliseconds(61'007));
  std::string line;
  appendJsonLine(line, {clock.now(), Level::info, "m", "x", {}}, "corbel");
  EXPECT_THAT(line, StartsWith(R"({"timestamp":"2026-01-01T00:01:01.007Z")"));
}

TEST(JsonLine, StaysOneLineWhateverItHolds) {
  const std::string hostile = "a\r\n{\"level\":\"error\"}\x1b[31m\u2028\xff";
  for (const std::string& line : {jsonLine(hostile), jsonLine("x", {{"path", hostile}}),
                                  textLine(hostile), textLine("x", {{"path", hostile}})}) {
    EXPECT_EQ(std::ranges::count(line, '\n'), 1) << line;
    EXPECT_THAT(line, Not(testing::AnyOf(HasSubstr("\r"), HasSubstr("\x1b"), HasSubstr("\u2028"),
                                         HasSubstr("\xff"))));
    EXPECT_THAT(line, EndsWith("\n"));
  }
}

TEST(JsonLine, CutsLongValuesAndSaysHowLongTheyWere) {
  const std::string line = jsonLine("x", {{"body", std::string(1'000'000, 'b')}, {"status", 200}});
  EXPECT_LT(line.size(), kValueBytes + 1000);
  EXPECT_THAT(line, HasSubstr("... (1000000 bytes)\""));
  EXPECT_THAT(line, HasSubstr("\"status\":200"));
}

TEST(JsonLine, LeavesFieldsOutWhenTheLineIsLong) {
  const std::string big(kValueBytes, 'b');
  const std::string line =
      jsonLine("x", {{"a", big}, {"b", big}, {"c", big}, {"d", big}, {"e", big}, {"f", 1}});
  EXPECT_LT(line.size(), kLineBytes + 2 * kValueBytes);
  EXPECT_THAT(line, EndsWith(",\"truncated\":true}\n"));
}

TEST(JsonLine, WritesNumbersThatAreNoneAsNull) {
  EXPECT_THAT(jsonLine("x", {{"ratio", std::numeric_limits<double>::quiet_NaN()}}),
              HasSubstr("\"ratio\":null"));
}

TEST(TextLine, QuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(textLine("request answered",
                     {{"path", "/a"}, {"who", "x y"}, {"empty", ""}, {"status", 200}}),
            "2026-01-01T00:00:00.000Z warn  http: request answered path=/a who=\"x y\" empty=\"\" "
            "status=200\n");
}

TEST(Sink, WritesEverythingBeforeItGoes) {
  const OutputFile file;
  const SystemClock clock;
  {
    const Sink sink({.descriptor = file.descriptor()}, clock);
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < 1000; ++i) info("test", "line", {{"i", i}});
      });
    }
  }
  EXPECT_EQ(file.lines(), 4000u);
}

TEST(Sink, FlushWritesWhatWasLoggedBefore) {
  const OutputFile file;
  const SystemClock clock;
  const Sink sink({.descriptor = file.descriptor()}, clock);
  for (std::size_t i = 1; i <= 20; ++i) {
    info("test", "line");
    flush();
    ASSERT_EQ(file.lines(), i);
  }
  EXPECT_EQ(sink.stats().written, 20u);
}

TEST(Sink, FollowsTheLevelsOfModules) {
  const OutputFile file;
  const SystemClock clock;
  {
    const Sink sink(
        {.level = Level::warn, .levels = {{"http", Level::debug}}, .descriptor = file.descriptor()},
        clock);
    EXPECT_TRUE(enabled("http", Level::debug));
    EXPECT_FALSE(enabled("store", Level::info));
    info("store", "no");
    debug("http", "yes");
    error("store", "also");
  }
  EXPECT_EQ(file.lines(), 2u);
}

TEST(Sink, DropsAndCountsLinesWhenTheReaderIsSlowButKeepsErrors) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const SystemClock clock;
  std::string read;
  std::optional<Sink> sink;
  sink.emplace(SinkOptions{.descriptor = ends[1], .bufferBytes = 100'000}, clock);
  const std::string filler(1000, 'x');
  for (int i = 0; i < 1000; ++i) info("test", filler);  // the pipe holds 64 KiB, the buffer 100 kB
  EXPECT_GT(sink->stats().dropped, 0u);
  error("test", "the error");
  for (int i = 0; i < 1000; ++i) error("test", filler);  // nobody waits for the reader
  std::jthread reader([&] {
    std::array<char, 4096> chunk;
    for (ssize_t count = 0; (count = ::read(ends[0], chunk.data(), chunk.size())) > 0;)
      read.append(chunk.data(), count);
  });
  sink.reset();
  close(ends[1]);
  reader.join();
  close(ends[0]);
  EXPECT_THAT(read, HasSubstr("\"message\":\"the error\""));
  EXPECT_THAT(read, HasSubstr("lines were dropped"));
}

TEST(Sink, SurvivesADescriptorThatFails) {
  const SystemClock clock;
  {
    const Sink sink({.descriptor = -1}, clock);
    error("test", "nobody reads this");
    flush();
  }
  SUCCEED();
}

TEST(Log, WithoutASinkTellsWarningsOnStandardError) {
  testing::internal::CaptureStderr();
  info("test", "quiet");
  warn("test", "loud");
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_THAT(written, HasSubstr("loud"));
  EXPECT_THAT(written, Not(HasSubstr("quiet")));
}

TEST(Log, KnowsItsLevels) {
  EXPECT_EQ(parseLevel("INFO"), Level::info);
  EXPECT_EQ(parseLevel("warning"), Level::warn);
  EXPECT_EQ(parseLevel("loud"), std::nullopt);
}

}  // namespace
}  // namespace corbel::log
