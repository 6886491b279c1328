// `corbel backup` and `corbel restore`. See docs/backup.md.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "config/settings.h"

namespace corbel::app {

struct BackupReport {
  Timestamp takenAt;  // everything that was acknowledged before is in it
  std::int64_t databaseBytes = 0;
  std::int64_t objects = 0;
  std::int64_t objectBytes = 0;
  std::vector<std::string> damaged = {};  // objects that are not what their names say, left out
  std::chrono::milliseconds took{0};
};

// Writes database and objects to one file, also while a server works with them, and reads the file
// again. already_exists; not_found: there is nothing to back up; unprocessable: this database is
// not backed up by Corbel. Errors of the disk.
Result<BackupReport> backUp(const config::Settings& settings, const std::filesystem::path& file,
                            const Clock& clock);

enum class Replace : std::uint8_t { no, yes };

// Puts a backup in place. What was there is moved into a folder beside it with Replace::yes, and
// else refused: already_exists. unprocessable: the file is damaged. failed_precondition: a newer
// program made it. unavailable: a server is running.
Result<BackupReport> restore(const config::Settings& settings, const std::filesystem::path& file,
                             Replace replace, const Clock& clock);

}  // namespace corbel::app
