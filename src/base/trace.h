// Where the time of one call went: spans, as OpenTelemetry has them, under the trace that the
// caller may have begun (W3C Trace Context). Whoever does a step of a call says so in one line:
//   const trace::Span span("query");
// which costs nanoseconds while nobody records.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace corbel::trace {

// One span's place in the world. Ids are never 0.
struct Context {
  std::uint64_t traceHigh = 0;
  std::uint64_t traceLow = 0;
  std::uint64_t spanId = 0;
  bool sampled = false;
  bool operator==(const Context&) const = default;
};

// The value of a traceparent header, version 00 or a later one. Nothing: it is none.
std::optional<Context> parseTraceparent(std::string_view text);
std::string toTraceparent(const Context& context);

enum class Kind : std::uint8_t { internal, server, client };

struct Attribute {
  std::string_view name;  // a literal
  std::variant<std::string, std::int64_t> value;
};

struct FinishedSpan {
  Context context;
  std::uint64_t parentSpanId = 0;  // 0: none
  std::string name;
  Kind kind = Kind::internal;
  std::int64_t startNs = 0;  // since 1970
  std::int64_t endNs = 0;
  std::vector<Attribute> attributes = {};
  std::optional<std::string> failure = {};  // why; none: it went well
};

// Takes finished spans. Thread-safe; nothing waits.
class Recorder {
 public:
  virtual ~Recorder() = default;
  virtual void record(FinishedSpan span) = 0;
  virtual std::uint64_t newSpanId() = 0;
  virtual std::int64_t nowNs() const = 0;  // since 1970
};

// Under which span a thread works.
struct Position {
  Recorder* recorder = nullptr;         // null: nobody records
  std::optional<Context> context = {};  // what is told to others; none: nothing is
};

// A call from its first byte to the end of its answer; ended by whoever accounts for it.
struct CallTrace {
  Position position;
  std::uint64_t parentSpanId = 0;
  std::int64_t startNs = 0;
};

// Begins traces. Thread-safe.
class Tracer : public Recorder {
 public:
  // `traceparent` as the caller sent it, or empty. Without a recorder: the call is not sampled.
  virtual CallTrace begin(std::string_view traceparent) = 0;
};

// Of this thread.
const Position& current();
// The traceparent for a request that this thread sends. Empty: none.
std::string outgoingTraceparent();

// This thread works under `position` while the scope lives.
class Scope {
 public:
  explicit Scope(const Position& position);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Position before_;
};

// A step under the current span, and itself the current one while it lives. Ends on the thread that
// it began on.
class Span {
 public:
  // Its name is "<name> <detail>".
  explicit Span(std::string_view name, std::string_view detail = {}, Kind kind = Kind::internal) {
    if (current().recorder != nullptr) begin(name, detail, kind);
  }
  ~Span() {
    if (span_) end();
  }
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

  // `name` is a literal; a text is copied if somebody records, and cut at 512 bytes.
  void set(std::string_view name, std::string_view text);
  void set(std::string_view name, std::int64_t number);
  void fail(std::string_view reason);

 private:
  void begin(std::string_view name, std::string_view detail, Kind kind);
  void end();

  std::optional<FinishedSpan> span_;
  Position before_;
};

}  // namespace corbel::trace
