// How an event becomes a line of text.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/limits.h"
#include "telemetry/log.h"

namespace corbel::log {

inline constexpr std::size_t kValueBytes =
    20 * limits::kKiB;  // of one value; the rest is cut and its length told
inline constexpr std::size_t kLineBytes =
    64 * limits::kKiB;  // fields beyond are left out, and the line says so

struct Event {
  Timestamp time;
  Level level;
  std::string_view module;
  std::string_view message;
  std::span<const Field> fields;
};

// Appends one line with its line end.
void appendJsonLine(std::string& out, const Event& event, std::string_view service);
void appendTextLine(std::string& out, const Event& event, bool coloured);

}  // namespace corbel::log
