// The log: one line per event, JSON for machines or text for a terminal, written by a thread of its
// own.
//
//   log::info("store", "group committed", {{"rows", 12}, {"duration_ms", elapsed}});
//
// Nothing a value holds can break a line: control characters, line ends of every kind and bytes
// that are not UTF-8 are escaped, values and lines are cut at fixed lengths. A Secret does not
// compile as a value.
#pragma once
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "base/secret.h"

namespace corbel::log {

enum class Level : std::uint8_t { debug, info, warn, error };

// "debug", "info", "warn" or "warning", "error"; else nothing.
std::optional<Level> parseLevel(std::string_view word);

// One named value of a line. The name is a literal in snake_case; text is not copied. Lines that
// belong to a request carry correlation_id and tenant, lines about something that took time
// duration_ms.
struct Field {
  using Value = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

  Field(std::string_view fieldName, std::string_view text) : name(fieldName), value(text) {}
  Field(std::string_view fieldName, const char* text)
      : name(fieldName), value(std::string_view(text)) {}
  Field(std::string_view fieldName, const std::string& text)
      : name(fieldName), value(std::string_view(text)) {}
  Field(std::string_view fieldName, bool truth) : name(fieldName), value(truth) {}
  Field(std::string_view fieldName, std::signed_integral auto number)
      : name(fieldName), value(static_cast<std::int64_t>(number)) {}
  Field(std::string_view fieldName, std::unsigned_integral auto number)
      : name(fieldName), value(static_cast<std::uint64_t>(number)) {}
  Field(std::string_view fieldName, double number) : name(fieldName), value(number) {}
  // In milliseconds, with microseconds as decimals.
  Field(std::string_view fieldName, std::chrono::nanoseconds duration)
      : name(fieldName),
        value(static_cast<double>(duration / std::chrono::microseconds(1)) / 1000) {}
  Field(std::string_view, const Secret&) = delete;

  std::string_view name;
  Value value;
};

using Fields = std::initializer_list<Field>;

// Whether a line of that module and level would be written. Cheap: ask before making costly fields.
bool enabled(std::string_view module, Level level);

// From any thread, at any time; about half a microsecond, never waits for the disk or terminal:
// when the buffer is full a line is dropped and counted; errors have as much room again. Without a
// LogSink, warnings and errors go to standard error at once.
void write(Level level, std::string_view module, std::string_view message,
           std::span<const Field> fields);

inline void write(Level level, std::string_view module, std::string_view message, Fields fields) {
  if (enabled(module, level))
    write(level, module, message, std::span(fields.begin(), fields.size()));
}
inline void debug(std::string_view module, std::string_view message, Fields fields = {}) {
  write(Level::debug, module, message, fields);
}
inline void info(std::string_view module, std::string_view message, Fields fields = {}) {
  write(Level::info, module, message, fields);
}
inline void warn(std::string_view module, std::string_view message, Fields fields = {}) {
  write(Level::warn, module, message, fields);
}
inline void error(std::string_view module, std::string_view message, Fields fields = {}) {
  write(Level::error, module, message, fields);
}

// Everything logged before is written when this returns. For the end of the program and for
// terminate handlers.
void flush();

enum class Format : std::uint8_t { json, text };

// "json", "text", or "auto": text where `descriptor` is a terminal.
Format chooseFormat(std::string_view word, int descriptor);

struct SinkOptions {
  Level level = Level::info;
  std::map<std::string, Level> levels{};  // of single modules
  Format format = Format::json;
  bool coloured = false;              // text only
  int descriptor = 2;                 // written to, not closed
  std::size_t bufferBytes = 8 << 20;  // waiting lines; more are dropped
  std::string service = "corbel";
};

struct SinkStats {
  std::uint64_t written = 0;  // lines
  std::uint64_t dropped = 0;  // lines; the log says so too
};

// Of the sink that is installed; zeros where there is none.
SinkStats stats();

class LineWriter;

// While it lives, it is where the log goes: the one global of the program. The destructor writes
// what is left; threads that log must have ended by then. At most one at a time.
class Sink {
 public:
  Sink(SinkOptions options, const Clock& clock);
  ~Sink();
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  SinkStats stats() const;

 private:
  std::unique_ptr<LineWriter> writer_;
};

}  // namespace corbel::log
