// When a schedule is due: cron expressions, computed without a clock. All times are UTC.
#pragma once
#include <bitset>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace corbel::jobs {

// Five fields (minute, hour, day of month, month, day of week), or six with the second in front, as
// in crontab(5): "*", numbers, ranges "1-5", steps "*/15" and "8-18/2", lists "1,15", names JAN-DEC
// and SUN-SAT; 7 is Sunday, too. Where both days are restricted, either of them suffices. Also
// @hourly, @daily, @weekly, @monthly and @yearly.
class Cron {
 public:
  // invalid_argument: not such an expression (the message says which field and what is allowed), or
  // one that is never due, as on 30 February.
  static Result<Cron> parse(std::string_view text);

  // The first time after `time`.
  Timestamp next(Timestamp time) const;
  // The last time until `time`, at least `due`, which is one. By halves: what was missed is not
  // walked through.
  Timestamp lastUntil(Timestamp time, Timestamp due) const;

 private:
  struct Field;
  static Result<void> parseField(std::string_view text, const Field& field, std::bitset<60>& into);
  bool isOn(std::chrono::year_month_day day) const;
  std::optional<Timestamp> firstWithin(std::chrono::sys_days day,
                                       std::chrono::seconds notBefore) const;
  std::optional<Timestamp> find(Timestamp time) const;

  std::bitset<60> seconds_;
  std::bitset<60> minutes_;
  std::bitset<60> hours_;
  std::bitset<60> daysOfMonth_;
  std::bitset<60> months_;
  std::bitset<60> daysOfWeek_;
  bool anyDayOfMonth_ = true;
  bool anyDayOfWeek_ = true;
};

}  // namespace corbel::jobs
