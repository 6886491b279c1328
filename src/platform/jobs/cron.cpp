#include "jobs/cron.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "base/text.h"

namespace corbel::jobs {
namespace {

using std::chrono::sys_days;

// 29 February of a leap year comes at the latest after eight years (1896, 1904).
constexpr std::chrono::days kSearched{8 * 366 + 1};

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed",
                                                       "thu", "fri", "sat"};

struct Nickname {
  std::string_view name;
  std::string_view meaning;
};
constexpr std::array kNicknames = {
    Nickname{"@hourly", "0 * * * *"},   Nickname{"@daily", "0 0 * * *"},
    Nickname{"@midnight", "0 0 * * *"}, Nickname{"@weekly", "0 0 * * 0"},
    Nickname{"@monthly", "0 0 1 * *"},  Nickname{"@yearly", "0 0 1 1 *"},
    Nickname{"@annually", "0 0 1 1 *"}};

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const auto word = trim(takeUntil(text, ' '));
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

}  // namespace

struct Cron::Field {
  std::string_view name;
  int least;
  int most;
  std::span<const std::string_view> names = {};  // of least, least + 1 ...

  std::optional<int> number(std::string_view text) const {
    const auto named = std::ranges::find(names, toLowerAscii(text));
    if (named != names.end()) return least + static_cast<int>(named - names.begin());
    return parseNumber<int>(text);
  }
};

// One of a list: "*", "5", "1-5", with "/2" behind.
Result<void> Cron::parseField(std::string_view text, const Field& field, std::bitset<60>& into) {
  const auto wrong = [&] {
    return failField("/cron", fmt::format("the {} must be *, numbers from {} to {}, ranges such as "
                                          "{}-{} or steps such as */2, got \"{}\"",
                                          field.name, field.least, field.most, field.least,
                                          field.least + 1, text));
  };
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string_view step = takeUntil(rest, ',');
    if (step.empty()) return wrong();
    const bool hasStep = step.contains('/');
    std::string_view last = takeUntil(step, '/');
    const auto by = hasStep ? parseNumber<int>(step) : std::optional(1);
    const bool isRange = last.contains('-');
    const std::string_view first = takeUntil(last, '-');
    auto from = first == "*" ? std::optional(field.least) : field.number(first);
    auto to = first == "*" || (hasStep && !isRange) ? std::optional(field.most) : from;
    if (isRange) to = field.number(last);
    const bool isFine = from && to && by && *by > 0 && *from >= field.least && *to <= field.most &&
                        *from <= *to && !(first == "*" && isRange);
    if (!isFine) return wrong();
    for (int value = *from; value <= *to; value += *by) into.set(static_cast<std::size_t>(value));
  }
  if (text.empty() || text.ends_with(',')) return wrong();
  return {};
}

Result<Cron> Cron::parse(std::string_view text) {
  const auto nickname = std::ranges::find(kNicknames, toLowerAscii(trim(text)), &Nickname::name);
  auto fields = words(nickname == kNicknames.end() ? text : nickname->meaning);
  if (fields.size() == 5) fields.insert(fields.begin(), "0");
  if (fields.size() != 6) {
    return failField("/cron",
                     "must have five fields (minute, hour, day of month, month, day of week), six "
                     "with the second in front, or be @hourly, @daily, @weekly, @monthly, @yearly");
  }
  Cron cron;
  CORBEL_CHECK(parseField(fields[0], {"second", 0, 59}, cron.seconds_));
  CORBEL_CHECK(parseField(fields[1], {"minute", 0, 59}, cron.minutes_));
  CORBEL_CHECK(parseField(fields[2], {"hour", 0, 23}, cron.hours_));
  CORBEL_CHECK(parseField(fields[3], {"day of month", 1, 31}, cron.daysOfMonth_));
  CORBEL_CHECK(parseField(fields[4], {"month", 1, 12, kMonths}, cron.months_));
  CORBEL_CHECK(parseField(fields[5], {"day of week", 0, 7, kWeekdays}, cron.daysOfWeek_));
  if (cron.daysOfWeek_.test(7)) cron.daysOfWeek_.set(0);
  cron.anyDayOfMonth_ = fields[3].starts_with('*');
  cron.anyDayOfWeek_ = fields[5].starts_with('*');
  if (!cron.find(Timestamp{})) return failField("/cron", "is never due: there is no such day");
  return cron;
}

bool Cron::isOn(std::chrono::year_month_day day) const {
  if (!months_.test(static_cast<unsigned>(day.month()))) return false;
  const bool month = daysOfMonth_.test(static_cast<unsigned>(day.day()));
  const bool week = daysOfWeek_.test(std::chrono::weekday(sys_days(day)).c_encoding());
  // As crontab(5): a field that starts with * restricts with the other, else one of both is enough.
  return anyDayOfMonth_ || anyDayOfWeek_ ? month && week : month || week;
}

std::optional<Timestamp> Cron::firstWithin(sys_days day, std::chrono::seconds notBefore) const {
  const auto start = static_cast<std::size_t>(notBefore.count());
  for (std::size_t hour = start / 3600; hour < 24; ++hour) {
    if (!hours_.test(hour)) continue;
    for (std::size_t minute = 0; minute < 60; ++minute) {
      if (!minutes_.test(minute)) continue;
      for (std::size_t second = 0; second < 60; ++second) {
        const std::size_t time = (hour * 60 + minute) * 60 + second;
        if (seconds_.test(second) && time >= start)
          return Timestamp(day) + std::chrono::seconds(time);
      }
    }
  }
  return std::nullopt;
}

std::optional<Timestamp> Cron::find(Timestamp time) const {
  const auto from = std::chrono::floor<std::chrono::seconds>(time) + std::chrono::seconds(1);
  const sys_days first = std::chrono::floor<std::chrono::days>(from);
  std::chrono::seconds notBefore = from - first;
  for (sys_days day = first; day < first + kSearched; day += std::chrono::days(1)) {
    if (isOn(std::chrono::year_month_day(day))) {
      if (const auto found = firstWithin(day, notBefore)) return found;
    }
    notBefore = std::chrono::seconds(0);
  }
  return std::nullopt;
}

// parse() has seen to it that there is one.
Timestamp Cron::next(Timestamp time) const { return find(time).value_or(Timestamp::max()); }

Timestamp Cron::lastUntil(Timestamp time, Timestamp due) const {
  // `due` is always one, and nothing is due between `none` and `time`.
  Timestamp none = time;
  while (none - due > std::chrono::seconds(1)) {
    const Timestamp middle = due + (none - due) / 2;
    const Timestamp found = next(middle);
    if (found > time) {
      none = middle;
    } else {
      due = found;
    }
  }
  const Timestamp found = next(due);
  return found <= time ? found : due;
}

}  // namespace corbel::jobs
