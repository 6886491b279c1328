#include "line.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <utility>

#include "base/json_text.h"
#include "base/timestamp.h"

namespace corbel::log {
namespace {

constexpr std::string_view kNoColour = "\x1b[0m";
constexpr std::size_t kDateAndTime = 20;  // up to and with the point before the milliseconds

std::string_view nameOf(Level level) {
  constexpr std::array<std::string_view, 4> kNames{"debug", "info", "warn", "error"};
  return kNames[std::to_underlying(level)];
}

// The text of a second is kept: formatting a date costs as much as the rest of the line.
void appendTime(std::string& out, Timestamp time) {
  thread_local std::int64_t keptSecond = -1;
  thread_local std::array<char, kDateAndTime> keptText{};
  const std::int64_t ms = time.time_since_epoch().count();
  if (ms / 1000 != keptSecond) {
    const std::string text = toRfc3339(time);
    std::copy_n(text.begin(), kDateAndTime, keptText.begin());
    keptSecond = ms / 1000;
  }
  out.append(keptText.data(), keptText.size());
  const std::int64_t rest = ms % 1000;
  for (const std::int64_t digit : {rest / 100, rest / 10 % 10, rest % 10})
    out += static_cast<char>('0' + digit);
  out += 'Z';
}

void appendText(std::string& out, std::string_view text) {
  if (text.size() <= kValueBytes) return appendJsonString(out, text);
  appendJsonString(out, text.substr(0, kValueBytes));
  out.pop_back();
  fmt::format_to(std::back_inserter(out), "... ({} bytes)\"", text.size());
}

// Without quotes where it is one plain word.
void appendWord(std::string& out, std::string_view text, std::string_view plainBesides) {
  const std::size_t from = out.size();
  appendText(out, text);
  const std::string_view quoted = std::string_view(out).substr(from);
  const bool plain =
      quoted.size() == text.size() + 2 && !text.empty() &&
      (plainBesides.contains(' ') || text.find_first_of(" =") == std::string_view::npos);
  if (!plain) return;
  out.pop_back();
  out.erase(from, 1);
}

struct ValueWriter {
  std::string& out;
  bool json;

  void operator()(std::string_view text) const {
    json ? appendText(out, text) : appendWord(out, text, "");
  }
  void operator()(bool truth) const { out += truth ? "true" : "false"; }
  void operator()(double number) const {
    if (std::isfinite(number)) {
      fmt::format_to(std::back_inserter(out), FMT_COMPILE("{}"), number);
    } else {
      out += "null";
    }
  }
  void operator()(auto whole) const {
    const fmt::format_int digits(whole);
    out.append(digits.data(), digits.size());
  }
};

std::string_view colourOf(Level level) {
  constexpr std::array<std::string_view, 4> kColours{"\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[31m"};
  return kColours[std::to_underlying(level)];
}

}  // namespace

void appendJsonLine(std::string& out, const Event& event, std::string_view service) {
  const std::size_t start = out.size();
  out += "{\"timestamp\":\"";
  appendTime(out, event.time);
  out += "\",\"level\":\"";
  out += nameOf(event.level);
  out += "\",\"service\":";
  appendJsonString(out, service);
  out += ",\"module\":";
  appendJsonString(out, event.module);
  out += ",\"message\":";
  appendText(out, event.message);
  for (const Field& field : event.fields) {
    if (out.size() - start > kLineBytes) {
      out += ",\"truncated\":true";
      break;
    }
    out += ',';
    appendJsonString(out, field.name);
    out += ':';
    std::visit(ValueWriter{out, true}, field.value);
  }
  out += "}\n";
}

void appendTextLine(std::string& out, const Event& event, bool coloured) {
  const std::size_t start = out.size();
  appendTime(out, event.time);
  out += ' ';
  if (coloured) out += colourOf(event.level);
  fmt::format_to(std::back_inserter(out), "{:<5}", nameOf(event.level));
  if (coloured) out += kNoColour;
  fmt::format_to(std::back_inserter(out), " {}: ", event.module);
  appendWord(out, event.message, " ");
  for (const Field& field : event.fields) {
    if (out.size() - start > kLineBytes) {
      out += " truncated=true";
      break;
    }
    fmt::format_to(std::back_inserter(out), " {}=", field.name);
    std::visit(ValueWriter{out, false}, field.value);
  }
  out += '\n';
}

}  // namespace corbel::log
