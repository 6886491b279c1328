#include "base/timestamp.h"

#include <charconv>
#include <cstdio>

namespace corbel {
namespace {

// Reads exactly `digits` digits at `position` and moves past them.
bool readNumber(std::string_view text, std::size_t& position, std::size_t digits, int& number) {
  if (position + digits > text.size()) return false;
  const char* begin = text.data() + position;
  for (std::size_t i = 0; i < digits; ++i) {
    if (begin[i] < '0' || begin[i] > '9') return false;
  }
  std::from_chars(begin, begin + digits, number);
  position += digits;
  return true;
}

bool skip(std::string_view text, std::size_t& position, std::string_view accepted) {
  if (position >= text.size() || accepted.find(text[position]) == std::string_view::npos)
    return false;
  ++position;
  return true;
}

bool readFraction(std::string_view text, std::size_t& position, int& milliseconds) {
  milliseconds = 0;
  if (position >= text.size() || text[position] != '.') return true;
  ++position;
  std::size_t digits = 0;
  for (; position < text.size() && text[position] >= '0' && text[position] <= '9';
       ++position, ++digits) {
    if (digits < 3) milliseconds = milliseconds * 10 + (text[position] - '0');
  }
  for (std::size_t i = digits; i < 3; ++i) milliseconds *= 10;
  return digits >= 1 && digits <= 9;
}

bool readOffset(std::string_view text, std::size_t& position, std::chrono::minutes& offset) {
  offset = {};
  if (skip(text, position, "Zz")) return true;
  const bool negative = position < text.size() && text[position] == '-';
  int hours = 0;
  int minutes = 0;
  if (!skip(text, position, "+-") || !readNumber(text, position, 2, hours) ||
      !skip(text, position, ":") || !readNumber(text, position, 2, minutes) || hours > 23 ||
      minutes > 59) {
    return false;
  }
  offset = std::chrono::minutes((negative ? -1 : 1) * (hours * 60 + minutes));
  return true;
}

}  // namespace

std::string toRfc3339(Timestamp time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  char text[40];
  const int length = std::snprintf(
      text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return {text, static_cast<std::size_t>(length)};
}

Result<Timestamp> parseRfc3339(std::string_view text) {
  using namespace std::chrono;
  int yearNumber = 0, monthNumber = 0, dayNumber = 0, hour = 0, minute = 0, second = 0,
      fraction = 0;
  minutes offset{};
  std::size_t position = 0;
  const bool shaped = readNumber(text, position, 4, yearNumber) && skip(text, position, "-") &&
                      readNumber(text, position, 2, monthNumber) && skip(text, position, "-") &&
                      readNumber(text, position, 2, dayNumber) && skip(text, position, "Tt ") &&
                      readNumber(text, position, 2, hour) && skip(text, position, ":") &&
                      readNumber(text, position, 2, minute) && skip(text, position, ":") &&
                      readNumber(text, position, 2, second) &&
                      readFraction(text, position, fraction) &&
                      readOffset(text, position, offset) && position == text.size();
  const year_month_day date{year(yearNumber), month(static_cast<unsigned>(monthNumber)),
                            day(static_cast<unsigned>(dayNumber))};
  if (!shaped || !date.ok() || hour > 23 || minute > 59 || second > 60) {
    return fail(ErrorCode::invalidArgument,
                "must be an RFC 3339 time such as 2026-01-31T12:00:00.000Z");
  }
  return Timestamp(sys_days(date) + hours(hour) + minutes(minute) + seconds(second) +
                   milliseconds(fraction) - offset);
}

}  // namespace corbel
